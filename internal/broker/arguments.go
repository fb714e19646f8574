package broker

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/slogcast/slogcast/internal/wire"
)

// queueArgs are the arguments of a queue that this broker acts on.
type queueArgs struct {
	table wire.Table // as declared, of the keys in equivalentKeys

	maxLength, maxBytes       int64
	hasMaxLength, hasMaxBytes bool
	rejectPublish             bool
	ttl                       int64 // nanoseconds; noTTL without x-message-ttl
	expires                   int64 // nanoseconds; zero without x-expires
}

// equivalentKeys are the arguments that a declaration of an existing queue
// must repeat (RabbitMQ's "property equivalence").
var equivalentKeys = []string{
	"x-expires", "x-message-ttl", "x-max-length", "x-max-length-bytes", "x-overflow",
	"x-dead-letter-exchange", "x-dead-letter-routing-key", "x-max-priority",
	"x-single-active-consumer", "x-queue-mode",
}

// unsupportedKeys are arguments of classic queues that would change what
// happens to messages, and that this broker does not have.
var unsupportedKeys = []string{
	"x-dead-letter-exchange", "x-dead-letter-routing-key", "x-dead-letter-strategy",
	"x-max-priority", "x-single-active-consumer", "x-consumer-timeout",
}

// maxTTL is the longest time to live, in milliseconds, that RabbitMQ takes.
const maxTTL = math.MaxUint32

func milliseconds(n int64) int64 { return n * int64(time.Millisecond) }

// parseQueueArgs checks the arguments of a new queue. Those that mean nothing
// for a queue in memory, like x-queue-mode, are accepted, and those RabbitMQ
// does not know are ignored, as it does.
func parseQueueArgs(name string, t wire.Table) (queueArgs, error) {
	a := queueArgs{ttl: noTTL}
	var err error
	set := func(key string, least, most int64, store func(int64)) {
		v, ok := t.Get(key)
		if !ok || err != nil {
			return
		}
		n, problem := integerArg(v, least, most)
		if problem != "" {
			err = invalidArg(key, name, problem)
			return
		}
		store(n)
	}
	set("x-expires", 1, maxTTL, func(n int64) { a.expires = milliseconds(n) })
	set("x-message-ttl", 0, maxTTL, func(n int64) { a.ttl = milliseconds(n) })
	set("x-max-length", 0, math.MaxInt64, func(n int64) { a.maxLength, a.hasMaxLength = n, true })
	set("x-max-length-bytes", 0, math.MaxInt64, func(n int64) { a.maxBytes, a.hasMaxBytes = n, true })
	if err == nil {
		err = a.checkWords(name, t)
	}
	if err == nil {
		err = checkUnsupported(name, t)
	}
	for _, key := range equivalentKeys {
		if v, ok := t.Get(key); ok {
			a.table = append(a.table, wire.Field{Key: key, Value: v})
		}
	}
	return a, err
}

// checkWords checks the arguments whose values are words: those that this
// broker has or need not have, those that only others have, and the problem
// with all else.
func (a *queueArgs) checkWords(name string, t wire.Table) error {
	for _, arg := range []struct {
		key, problem string
		have, lack   []string
	}{
		{"x-overflow", "invalid_overflow", []string{"drop-head", "reject-publish"}, []string{"reject-publish-dlx"}},
		{"x-queue-type", "\"unsupported queue type '%v'\"", []string{"classic"}, []string{"quorum", "stream"}},
		{"x-queue-mode", "\"unsupported queue mode '%v'\"", []string{"default", "lazy"}, nil},
	} {
		v, ok := t.Get(arg.key)
		if !ok {
			continue
		}
		word, isString := v.(string)
		switch {
		case !isString:
			return invalidArg(arg.key, name, fmt.Sprintf("{unacceptable_type,%s}", typeName(v)))
		case slices.Contains(arg.lack, word):
			return raise(notImplemented, "%s '%s' for %s", arg.key, word, queueName(name))
		case !slices.Contains(arg.have, word):
			return invalidArg(arg.key, name, strings.ReplaceAll(arg.problem, "%v", word))
		}
	}
	v, _ := t.Get("x-overflow")
	a.rejectPublish = v == "reject-publish"
	return nil
}

func invalidArg(key, queue, problem string) error {
	return raise(preconditionFailed, "invalid arg '%s' for %s: %s", key, queueName(queue), problem)
}

// checkUnsupported refuses what would be ignored silently otherwise.
func checkUnsupported(name string, t wire.Table) error {
	for _, f := range t {
		if slices.Contains(unsupportedKeys, f.Key) && f.Value != false {
			return raise(notImplemented, "argument '%s' for %s", f.Key, queueName(name))
		}
	}
	return nil
}

// integerArg returns an integer argument of any width, or what is wrong with it.
func integerArg(v any, least, most int64) (n int64, problem string) {
	switch v := v.(type) {
	case int8:
		n = int64(v)
	case uint8:
		n = int64(v)
	case int16:
		n = int64(v)
	case uint16:
		n = int64(v)
	case int32:
		n = int64(v)
	case uint32:
		n = int64(v)
	case int64:
		n = v
	default:
		return 0, fmt.Sprintf("\"expected integer, got %s\"", typeName(v))
	}
	switch {
	case n < 0 && least >= 0:
		return n, fmt.Sprintf("{value_negative,%d}", n)
	case n < least:
		return n, fmt.Sprintf("{value_zero,%d}", n)
	case n > most:
		return n, fmt.Sprintf("{value_too_large,%d}", n)
	}
	return n, ""
}

// typeName names the type of a table value as RabbitMQ does.
func typeName(v any) string {
	switch v.(type) {
	case nil:
		return "void"
	case bool:
		return "bool"
	case int8:
		return "byte"
	case uint8:
		return "unsignedbyte"
	case int16:
		return "short"
	case uint16:
		return "unsignedshort"
	case int32:
		return "signedint"
	case uint32:
		return "unsignedint"
	case int64:
		return "long"
	case float32:
		return "float"
	case float64:
		return "double"
	case wire.Timestamp:
		return "timestamp"
	case wire.Decimal:
		return "decimal"
	case string:
		return "longstr"
	case []byte:
		return "binary"
	case []any:
		return "array"
	}
	return "table"
}

// checkEquivalent compares the arguments of a declaration with those of the
// queue that is there. Integers of different widths are the same.
func (a *queueArgs) checkEquivalent(where string, t wire.Table) error {
	for _, key := range equivalentKeys {
		got, hasGot := t.Get(key)
		want, hasWant := a.table.Get(key)
		if !hasGot && !hasWant || hasGot && hasWant && sameArg(got, want) {
			continue
		}
		return inequivalentArg(key, where, got, want)
	}
	return nil
}

func sameArg(a, b any) bool {
	n, problem := integerArg(a, math.MinInt64, math.MaxInt64)
	m, problem2 := integerArg(b, math.MinInt64, math.MaxInt64)
	if problem == "" && problem2 == "" {
		return n == m
	}
	return fmt.Sprintf("%T %v", a, a) == fmt.Sprintf("%T %v", b, b)
}

func inequivalentArg(key, where string, received, current any) error {
	if received != nil && current != nil {
		return inequivalent(key, where, received, current)
	}
	return raise(preconditionFailed, "inequivalent arg '%s' for %s: received %s but current is %s",
		key, where, describeArg(received), describeArg(current))
}

func describeArg(v any) string {
	if v == nil {
		return "none"
	}
	return fmt.Sprintf("the value '%v' of type '%s'", v, typeName(v))
}

// ttlOf returns how long msg may stay ready: the shorter of its own time and
// the queue's.
func (a *queueArgs) ttlOf(msg *message) int64 {
	switch {
	case a.ttl == noTTL:
		return msg.ttl
	case msg.ttl == noTTL:
		return a.ttl
	}
	return min(a.ttl, msg.ttl)
}
