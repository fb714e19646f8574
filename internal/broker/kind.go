package broker

import (
	"math"
	"slices"

	"github.com/slogcast/slogcast/internal/wire"
)

// A queueKind is a type of queue: what clients may say of it. Its names are
// those in RabbitMQ's texts.
type queueKind struct {
	name, module string

	// keys are the arguments that it has, which a declaration of an existing
	// queue must repeat (RabbitMQ's "property equivalence"). Those of other
	// kinds are refused, any other is ignored.
	keys []string

	consumerKeys []string

	// lasting kinds can't be declared as going away by themselves.
	lasting bool
}

var classic = &queueKind{
	name: "classic", module: "rabbit_classic_queue",
	keys: []string{
		"x-expires", "x-message-ttl", "x-dead-letter-exchange", "x-dead-letter-routing-key", "x-max-length",
		"x-max-length-bytes", "x-max-priority", "x-overflow", "x-queue-mode", "x-queue-version",
		"x-single-active-consumer", "x-queue-type", "x-queue-master-locator",
	},
	consumerKeys: []string{"x-cancel-on-ha-failover", "x-priority", "x-credit"},
}

var quorum = &queueKind{
	name: "quorum", module: "rabbit_quorum_queue", lasting: true,
	keys: []string{
		"x-dead-letter-exchange", "x-dead-letter-routing-key", "x-dead-letter-strategy", "x-expires", "x-max-length",
		"x-max-length-bytes", "x-max-in-memory-length", "x-max-in-memory-bytes", "x-overflow", "x-single-active-consumer",
		"x-queue-type", "x-quorum-initial-group-size", "x-delivery-limit", "x-message-ttl", "x-queue-leader-locator",
	},
	consumerKeys: []string{"x-priority", "x-credit"},
}

var streams = &queueKind{
	name: "stream", module: "rabbit_stream_queue", lasting: true,
	keys: []string{
		"x-max-length-bytes", "x-queue-type", "x-max-age", "x-stream-max-segment-size-bytes", "x-initial-cluster-size",
		"x-queue-leader-locator",
	},
	consumerKeys: []string{offsetHeader, "x-credit"},
}

var queueKinds = []*queueKind{classic, quorum, streams}

// kindOf returns the kind that a declaration asks for.
func kindOf(name string, t wire.Table) (*queueKind, error) {
	v, ok := t.Get("x-queue-type")
	if !ok {
		return classic, nil
	}
	var names []string
	for _, k := range queueKinds {
		if k.name == v {
			return k, nil
		}
		names = append(names, k.name)
	}
	return nil, invalidArg("x-queue-type", name, word("\"unsupported queue type '%v'\"", names...)(nil, v, nil))
}

// checkKeys refuses arguments that only other kinds have.
func (k *queueKind) checkKeys(name string, t wire.Table, own []string, keys func(*queueKind) []string) error {
	for _, f := range t {
		for _, other := range queueKinds {
			if slices.Contains(keys(other), f.Key) && !slices.Contains(own, f.Key) {
				return raise(preconditionFailed, "invalid arg '%s' for %s of queue type %s", f.Key, queueName(name), k.module)
			}
		}
	}
	return nil
}

// checkDeclaration refuses what a lasting kind can't be.
func (k *queueKind) checkDeclaration(name string, m *wire.QueueDeclare) error {
	property := ""
	switch {
	case !k.lasting:
		return nil
	case name == "":
		return raise(preconditionFailed, "Cannot declare a server-named queue for type %s", k.module)
	case m.AutoDelete:
		property = "auto-delete"
	case m.Exclusive:
		property = "exclusive-owner"
	case !m.Durable:
		property = "non-durable"
	default:
		if v, _ := m.Arguments.Get("x-stream-max-segment-size-bytes"); k == streams && v != nil {
			if n, _ := integerArg(v, 0, math.MaxInt64); n > maxSegment {
				return raise(preconditionFailed, "Exceeded max value for x-stream-max-segment-size-bytes")
			}
		}
		return nil
	}
	return raise(preconditionFailed, "invalid property '%s' for %s", property, queueName(name))
}

// maxSegment is the largest segment of a stream that RabbitMQ takes.
const maxSegment = 3_000_000_000

// checkConsumerArgs refuses arguments that consumers of another kind have.
func (k *queueKind) checkConsumerArgs(name string, t wire.Table) error {
	return k.checkKeys(name, t, k.consumerKeys, func(k *queueKind) []string { return k.consumerKeys })
}
