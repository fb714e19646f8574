package broker

import (
	"github.com/slogcast/slogcast/internal/wire"
)

// A channel is one of the conversations on a connection. What is not marked
// is owned by the connection's reader.
type channel struct {
	conn *conn
	id   uint16

	notice  string // for the Logger, see tellNotice
	closing bool   // channel.close was sent; all but its answer is discarded
	last    string // the queue declared last, which an empty name means
	incoming

	confirming bool   // confirm.select was received
	published  uint64 // sequence number of the last message, when confirming
	confirmed  uint64 // sequence number up to which confirms were sent

	consumers map[string]*consumer // guarded by Server.mu
	unacked   deliveries           // guarded by Server.mu
	replies   *queue               // for direct reply-to; guarded by Server.mu
	tag       uint64               // of the last delivery; guarded by Server.mu
	prefetch  int                  // for consumers to come; guarded by Server.mu
	limit     int                  // of active, zero for none; guarded by Server.mu
	active    int                  // unacknowledged deliveries to consumers; guarded by Server.mu
}

func newChannel(c *conn, id uint16) *channel {
	return &channel{conn: c, id: id, consumers: make(map[string]*consumer)}
}

// reply sends a method on the channel.
func (ch *channel) reply(m wire.Method) { ch.conn.out.send(ch.id, m) }

// replyBare sends a method without arguments.
func (ch *channel) replyBare(id wire.MethodID) { ch.reply(&wire.Bare{Method: id}) }

// handleFrame handles a frame of the channel. A soft exception ends the
// channel, any other error the connection.
func (ch *channel) handleFrame(f wire.Frame) error {
	if ch.closing {
		return ch.handleClosing(f)
	}
	switch f.Type {
	case wire.FrameHeader:
		if ch.stage != expectHeader {
			return ch.errOutOfTurn()
		}
		return ch.handleHeader(f.Payload)
	case wire.FrameBody:
		if ch.stage != expectBody {
			return ch.errOutOfTurn()
		}
		return ch.handleBody(f.Payload)
	}
	if ch.stage != expectMethod {
		return ch.errOutOfTurn()
	}
	id, err := wire.PeekMethod(f.Payload)
	if err != nil {
		return frameException(f, wire.ErrFrameType)
	}
	err = ch.handleMethod(id, f.Payload)
	if e, ok := err.(*exception); ok && e.method == 0 {
		e.method = id
	}
	return err
}

// handleClosing waits for the answer to channel.close.
func (ch *channel) handleClosing(f wire.Frame) error {
	if f.Type != wire.FrameMethod {
		return nil
	}
	switch id, _ := wire.PeekMethod(f.Payload); id {
	case wire.ChannelCloseID:
		ch.replyBare(wire.ChannelCloseOkID)
	case wire.ChannelCloseOkID:
		ch.conn.forget(ch)
	}
	return nil
}

// fail ends the channel with an exception.
func (ch *channel) fail(e *exception) {
	ch.release()
	ch.reply(&wire.ChannelClose{Code: e.code, Text: e.replyText(), Class: e.method.Class(), Method: e.method.Method()})
	ch.closing = true
	ch.conn.srv.log(ch.conn, "broker: channel closed", e)
}

// release gives back what the channel holds. Confirms that are due go out
// first: what they confirm has happened.
func (ch *channel) release() {
	ch.flushConfirms()
	s := ch.conn.srv
	s.mu.Lock()
	ch.stopLocked()
	s.requeueLocked(ch.unacked.takeAll())
	s.unlock()
}

// stopLocked ends the consumers, and what was coming in.
func (ch *channel) stopLocked() {
	ch.dropIncomingLocked()
	for _, c := range ch.consumers {
		ch.conn.srv.removeConsumerLocked(c)
	}
}

// forget frees the number of a closed channel.
func (c *conn) forget(ch *channel) {
	c.srv.mu.Lock()
	c.forgetLocked(ch.id)
	c.srv.unlock()
}

func (c *conn) forgetLocked(id uint16) {
	delete(c.channels, id)
	c.srv.channels--
}

// handleMethod handles a method of the channel. The two that come with each
// message are parsed without allocating.
func (ch *channel) handleMethod(id wire.MethodID, payload []byte) error {
	switch id {
	case wire.BasicPublishID:
		return ch.handlePublish(payload)
	case wire.BasicAckID:
		m, err := wire.ParseAck(payload)
		if err != nil {
			return errUndecodable(id)
		}
		return ch.settle(m.DeliveryTag, m.Multiple, dropMessages)
	}
	m, err := parseMethod(payload)
	if err != nil {
		return err
	}
	switch id.Class() {
	case 20:
		return ch.handleChannel(m)
	case 40:
		return ch.handleExchange(m)
	case 50:
		return ch.handleQueue(m)
	case 60:
		return ch.handleBasic(m)
	}
	switch m := m.(type) {
	case *wire.ConfirmSelect:
		ch.confirming = true
		if !m.NoWait {
			ch.replyBare(wire.ConfirmSelectOkID)
		}
		return nil
	case *wire.AccessRequest:
		ch.reply(&wire.AccessRequestOk{Ticket: 1})
		return nil
	}
	if id.Class() == 90 {
		return raise(notImplemented, "transactions: use publisher confirms")
	}
	return raise(commandInvalid, "unimplemented method")
}

// handleChannel handles the methods of class channel.
func (ch *channel) handleChannel(m wire.Method) error {
	switch m := m.(type) {
	case *wire.ChannelOpen:
		return raise(channelError, "second 'channel.open' seen")
	case *wire.ChannelFlow:
		if !m.Active {
			return raise(notImplemented, "active=false")
		}
		ch.reply(&wire.ChannelFlowOk{Active: true})
		return nil
	case *wire.ChannelClose:
		ch.release()
		ch.conn.forget(ch)
		ch.replyBare(wire.ChannelCloseOkID)
		return nil
	}
	return raise(commandInvalid, "unimplemented method")
}

// handleBasic handles the methods of class basic but for publish and ack.
func (ch *channel) handleBasic(m wire.Method) error {
	switch m := m.(type) {
	case *wire.BasicQos:
		return ch.setQos(m)
	case *wire.BasicConsume:
		return ch.consume(m)
	case *wire.BasicCancel:
		return ch.cancel(m)
	case *wire.BasicGet:
		return ch.get(m)
	case *wire.BasicNack:
		return ch.settle(m.DeliveryTag, m.Multiple, disposalOf(m.Requeue))
	case *wire.BasicReject:
		return ch.settle(m.DeliveryTag, false, disposalOf(m.Requeue))
	case *wire.BasicRecoverAsync:
		return ch.recover(m.Requeue)
	case *wire.BasicRecover:
		if err := ch.recover(m.Requeue); err != nil {
			return err
		}
		ch.replyBare(wire.BasicRecoverOkID)
		return nil
	}
	return raise(commandInvalid, "unimplemented method")
}
