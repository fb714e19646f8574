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
	kind  *queueKind
	table wire.Table // as declared, of the keys of kind

	maxLength, maxBytes       int64
	hasMaxLength, hasMaxBytes bool
	rejectPublish             bool
	rejectDeadLetters         bool  // what rejectPublish refuses is dead-lettered
	ttl                       int64 // nanoseconds; noTTL without x-message-ttl
	expires                   int64 // nanoseconds; zero without x-expires
	maxPriority               uint8
	singleActive              bool
	deliveryLimit             int64
	hasDeliveryLimit          bool

	deadLetters        bool
	deadLetterExchange string
	deadLetterKey      string
	hasDeadLetterKey   bool

	stream bool
	maxAge time.Duration // of records of a stream; zero for any
}

// An argument is one that queues may have: how it is checked, and what becomes
// of it. A check returns the problem with a value, in RabbitMQ's words.
type argument struct {
	key   string
	check func(a *queueArgs, v any, all wire.Table) (problem string)
}

// arguments are in the order in which RabbitMQ checks them. Those that mean
// nothing for a queue in memory are only checked.
var arguments = []argument{
	{"x-expires", integer(1, maxTTL, func(a *queueArgs, n int64) { a.expires = milliseconds(n) })},
	{"x-message-ttl", integer(0, maxTTL, func(a *queueArgs, n int64) { a.ttl = milliseconds(n) })},
	{"x-dead-letter-exchange", (*queueArgs).setDeadLetterExchange},
	{"x-dead-letter-routing-key", (*queueArgs).setDeadLetterKey},
	{"x-dead-letter-strategy", word("invalid_dlx_strategy", "at-most-once", "at-least-once")},
	{"x-max-length", integer(0, math.MaxInt64, func(a *queueArgs, n int64) { a.maxLength, a.hasMaxLength = n, true })},
	{"x-max-length-bytes", integer(0, math.MaxInt64, func(a *queueArgs, n int64) { a.maxBytes, a.hasMaxBytes = n, true })},
	{"x-max-in-memory-length", integer(0, math.MaxInt64, nil)},
	{"x-max-in-memory-bytes", integer(0, math.MaxInt64, nil)},
	{"x-max-priority", (*queueArgs).setMaxPriority},
	{"x-overflow", (*queueArgs).setOverflow},
	{"x-queue-mode", word("\"unsupported queue mode '%v'\"", "default", "lazy")},
	{"x-queue-version", (*queueArgs).checkVersion},
	{"x-single-active-consumer", (*queueArgs).setSingleActive},
	{"x-delivery-limit", (*queueArgs).setDeliveryLimit},
	{"x-quorum-initial-group-size", integer(1, math.MaxInt64, nil)},
	{"x-max-age", (*queueArgs).setMaxAge},
	{"x-stream-max-segment-size-bytes", integer(0, math.MaxInt64, nil)},
	{"x-initial-cluster-size", integer(1, math.MaxInt64, nil)},
	{"x-queue-leader-locator", word("invalid_queue_locator_arg", "client-local", "random", "least-leaders", "balanced")},
}

// maxTTL is the longest time to live, in milliseconds, that RabbitMQ takes: ten
// years.
const maxTTL = 315_360_000_000

func milliseconds(n int64) int64 { return n * int64(time.Millisecond) }

// parseQueueArgs checks the arguments of a new queue.
func parseQueueArgs(name string, t wire.Table) (queueArgs, error) {
	if v, ok := t.Get("x-dead-letter-exchange"); ok {
		if _, isString := v.(string); !isString {
			return queueArgs{}, raise(preconditionFailed, "invalid type '%s' for arg 'x-dead-letter-exchange' in %s", typeName(v), queueName(name))
		}
	}
	kind, err := kindOf(name, t)
	if err != nil {
		return queueArgs{}, err
	}
	a := queueArgs{kind: kind, stream: kind == streams, ttl: noTTL}
	for _, arg := range arguments {
		v, ok := t.Get(arg.key)
		if !ok || !slices.Contains(kind.keys, arg.key) {
			continue
		}
		if problem := arg.check(&a, v, t); problem != "" {
			return a, invalidArg(arg.key, name, problem)
		}
	}
	if err := kind.checkKeys(name, t, kind.keys, func(k *queueKind) []string { return k.keys }); err != nil {
		return a, err
	}
	for _, key := range kind.keys {
		if v, ok := t.Get(key); ok {
			a.table = append(a.table, wire.Field{Key: key, Value: v})
		}
	}
	return a, nil
}

// integer returns the check of an argument that is a number, and is stored
// unless store is nil.
func integer(least, most int64, store func(*queueArgs, int64)) func(*queueArgs, any, wire.Table) string {
	return func(a *queueArgs, v any, _ wire.Table) string {
		n, problem := integerArg(v, least, most)
		if problem == "" && store != nil {
			store(a, n)
		}
		return problem
	}
}

// word returns the check of an argument that is one of some words.
func word(problem string, words ...string) func(*queueArgs, any, wire.Table) string {
	return func(_ *queueArgs, v any, _ wire.Table) string {
		s, isString := v.(string)
		switch {
		case !isString:
			return unacceptable(v)
		case !slices.Contains(words, s):
			return strings.ReplaceAll(problem, "%v", s)
		}
		return ""
	}
}

func unacceptable(v any) string { return fmt.Sprintf("{unacceptable_type,%s}", typeName(v)) }

func (a *queueArgs) setDeadLetterExchange(v any, _ wire.Table) string {
	a.deadLetterExchange, a.deadLetters = v.(string)
	return ""
}

func (a *queueArgs) setDeadLetterKey(v any, all wire.Table) string {
	a.deadLetterKey, a.hasDeadLetterKey = v.(string)
	_, hasExchange := all.Get("x-dead-letter-exchange")
	switch {
	case !a.hasDeadLetterKey:
		return unacceptable(v)
	case !hasExchange:
		return "routing_key_but_no_dlx_defined"
	}
	return ""
}

func (a *queueArgs) setOverflow(v any, _ wire.Table) string {
	a.rejectDeadLetters = v == "reject-publish-dlx"
	a.rejectPublish = v == "reject-publish" || a.rejectDeadLetters
	return word("invalid_overflow", "drop-head", "reject-publish", "reject-publish-dlx")(a, v, nil)
}

func (a *queueArgs) setMaxPriority(v any, _ wire.Table) string {
	n, problem := integerArg(v, 0, math.MaxInt64)
	if problem == "" && n > math.MaxUint8 {
		problem = fmt.Sprintf("{max_value_exceeded,%d}", n)
	}
	a.maxPriority = uint8(n)
	return problem
}

func (a *queueArgs) checkVersion(v any, _ wire.Table) string {
	n, problem := integerArg(v, 0, math.MaxInt64)
	if problem == "" && (n < 1 || n > 2) {
		problem = fmt.Sprintf("\"unsupported queue version '%d'\"", n)
	}
	return problem
}

func (a *queueArgs) setSingleActive(v any, _ wire.Table) string {
	on, isBool := v.(bool)
	if !isBool {
		return unacceptable(v)
	}
	a.singleActive = on
	return ""
}

// setDeliveryLimit takes any value, as RabbitMQ does: what is no number is no
// limit.
func (a *queueArgs) setDeliveryLimit(v any, _ wire.Table) string {
	n, problem := integerArg(v, math.MinInt64, math.MaxInt64)
	a.deliveryLimit, a.hasDeliveryLimit = n, problem == ""
	return ""
}

func (a *queueArgs) setMaxAge(v any, _ wire.Table) string {
	s, isString := v.(string)
	if !isString {
		return unacceptable(v)
	}
	age, ok := parseAge(s)
	if !ok {
		return "invalid_max_age"
	}
	a.maxAge = age
	return ""
}

func invalidArg(key, queue, problem string) error {
	return raise(preconditionFailed, "invalid arg '%s' for %s: %s", key, queueName(queue), problem)
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
	if kind, err := kindOf("", t); err != nil || kind != a.kind {
		got, _ := t.Get("x-queue-type")
		want, _ := a.table.Get("x-queue-type")
		return inequivalentArg("x-queue-type", where, got, want)
	}
	for _, key := range a.kind.keys {
		if key == "x-queue-type" {
			continue // none is classic
		}
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
