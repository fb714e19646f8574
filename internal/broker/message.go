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

// appendHeader appends the header frame, with the offset of the message in a
// stream unless that is noOffset.
func (m *message) appendHeader(dst []byte, channel uint16, offset int64) []byte {
	h := wire.Header{Class: basicClass, BodySize: uint64(len(m.body)), Properties: m.properties}
	if offset != noOffset {
		return wire.AppendHeaderWith(dst, channel, h, offsetHeader, offset)
	}
	return wire.AppendHeader(dst, channel, h)
}

// basicClass is the only class whose methods carry a message.
const basicClass = 60
