package broker

import "github.com/slogcast/slogcast/internal/wire"

// confirmBatch is how many confirms may be put off at most.
const confirmBatch = 128

// confirm notes that the next message is done. Positive confirms wait until
// the messages that have arrived with it are done too, so that one basic.ack
// can speak for all.
func (ch *channel) confirm(rejected bool) {
	if rejected {
		ch.flushConfirms()
		ch.published++
		ch.confirmed = ch.published
		ch.reply(&wire.BasicNack{DeliveryTag: ch.published})
		return
	}
	if ch.published == ch.confirmed {
		ch.conn.unconfirmed = append(ch.conn.unconfirmed, ch)
	}
	ch.published++
	if ch.published-ch.confirmed >= confirmBatch {
		ch.flushConfirms()
	}
}

// flushConfirms confirms everything published.
func (ch *channel) flushConfirms() {
	if ch.published == ch.confirmed {
		return
	}
	multiple := ch.published-ch.confirmed > 1
	ch.confirmed = ch.published
	ch.reply(&wire.BasicAck{DeliveryTag: ch.published, Multiple: multiple})
}

// flushConfirms confirms everything published on any channel.
func (c *conn) flushConfirms() {
	for i, ch := range c.unconfirmed {
		ch.flushConfirms()
		c.unconfirmed[i] = nil
	}
	c.unconfirmed = c.unconfirmed[:0]
}
