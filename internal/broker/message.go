package broker

import "github.com/slogcast/slogcast/internal/wire"

// A message is what was published once. All queues and deliveries share it.
type message struct {
	exchange, routingKey string
	more                 []string // routing keys from the headers CC and BCC
	properties, body     []byte   // immutable
	priority             uint8
	ttl                  int64 // nanoseconds from the expiration property; noTTL without one

	refs int // queue entries that hold it; guarded by Server.mu
}

// noTTL is the ttl of what never expires.
const noTTL = -1

// Fixed costs in the count of Config.Memory, so that messages without a body
// are bounded too.
const (
	messageCost = 128
	entryCost   = 64
)

func (m *message) cost() int64 {
	n := messageCost + len(m.properties) + len(m.body) + len(m.routingKey)
	for _, key := range m.more {
		n += len(key)
	}
	return int64(n)
}

// keys yields all routing keys.
func (m *message) keys(yield func(key string) bool) {
	if !yield(m.routingKey) {
		return
	}
	for _, key := range m.more {
		if !yield(key) {
			return
		}
	}
}

// headers returns the headers by their names; none is an empty map.
func (m *message) headers() map[string]any {
	found := make(map[string]any)
	for _, f := range m.headerTable() {
		if _, twice := found[f.Key]; !twice {
			found[f.Key] = f.Value
		}
	}
	return found
}

// headerTable returns the headers; nil when there are none, or too many to be
// read.
func (m *message) headerTable() wire.Table {
	p, err := wire.ParseProperties(m.properties)
	if err != nil || p.Headers == nil {
		return nil
	}
	t, err := wire.ParseTable(p.Headers)
	if err != nil {
		return nil
	}
	return t
}

// A queueHeader is a header that a queue adds for whom it delivers to. That
// without a key is none.
type queueHeader struct {
	key   string
	value int64
}

// countHeader tells consumers of a quorum queue how often a message came back.
const countHeader = "x-delivery-count"

// header returns what the queue adds to an entry.
func (q *queue) header(e *entry) queueHeader {
	switch {
	case q.args.stream:
		return queueHeader{offsetHeader, int64(e.position)}
	case q.args.kind == quorum && e.redelivered():
		return queueHeader{countHeader, int64(e.returns)}
	}
	return queueHeader{}
}

// withoutHeader returns msg without a header that the queue adds, from another
// queue that it has come through.
func withoutHeader(msg *message, key string) *message {
	p, err := wire.ParseProperties(msg.properties)
	if err != nil || !wire.HasField(p.Headers, key) {
		return msg
	}
	kept := wire.Table{}
	for _, f := range msg.headerTable() {
		if f.Key != key {
			kept = append(kept, f)
		}
	}
	clean := *msg
	clean.refs = 0
	clean.properties = wire.SetHeaders(msg.properties, kept)
	return &clean
}

// appendHeader appends the header frame.
func (m *message) appendHeader(dst []byte, channel uint16, more queueHeader) []byte {
	h := wire.Header{Class: basicClass, BodySize: uint64(len(m.body)), Properties: m.properties}
	if more.key != "" {
		return wire.AppendHeaderWith(dst, channel, h, more.key, more.value)
	}
	return wire.AppendHeader(dst, channel, h)
}

// basicClass is the only class whose methods carry a message.
const basicClass = 60
