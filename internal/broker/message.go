package broker

import "github.com/slogcast/slogcast/internal/wire"

// A message is what was published once. All queues and deliveries share it.
type message struct {
	exchange, routingKey string
	properties, body     []byte // immutable
	ttl                  int64  // nanoseconds from the expiration property; noTTL without one

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
	return int64(messageCost + len(m.properties) + len(m.body) + len(m.routingKey))
}

// appendTo appends the header and body frames.
func (m *message) appendTo(dst []byte, channel uint16, frameMax int) []byte {
	dst = wire.AppendHeader(dst, channel, wire.Header{
		Class: basicClass, BodySize: uint64(len(m.body)), Properties: m.properties,
	})
	return wire.AppendBody(dst, channel, m.body, frameMax)
}

// basicClass is the only class whose methods carry a message.
const basicClass = 60
