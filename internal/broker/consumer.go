package broker

import (
	"math"
	"slices"

	"github.com/slogcast/slogcast/internal/wire"
)

// A consumer is a subscription of a channel to a queue.
type consumer struct {
	tag    string
	queue  *queue
	ch     *channel
	noAck  bool
	limit  int // unacknowledged deliveries at most; zero for no limit
	active int // unacknowledged deliveries; guarded by Server.mu
}

// ready reports whether the next message may go to the consumer. If only its
// connection has no room now, the outbox will make it ask again.
func (c *consumer) ready() bool {
	if !c.noAck {
		if c.limit > 0 && c.active >= c.limit {
			return false
		}
		if l := c.ch.limit; l > 0 && c.ch.active >= l {
			return false
		}
	}
	return c.ch.conn.out.room()
}

// pumpLocked delivers what is ready to the consumers that can take it, each in
// turn.
func (q *queue) pumpLocked() {
	for len(q.consumers) > 0 && q.headLocked() != nil {
		c := q.nextConsumerLocked()
		if c == nil {
			break
		}
		q.deliverLocked(c, q.popLocked())
	}
	if q.expiring > 0 || q.due != never {
		q.scheduleLocked()
	}
}

// nextConsumerLocked returns whose turn it is, or nil if none can take more.
func (q *queue) nextConsumerLocked() *consumer {
	for range q.consumers {
		c := q.consumers[q.next%len(q.consumers)]
		q.next = (q.next + 1) % len(q.consumers)
		if c.ready() {
			return c
		}
	}
	return nil
}

// deliverLocked sends an entry that was popped to a consumer.
func (q *queue) deliverLocked(c *consumer, e entry) {
	ch, s := c.ch, q.srv
	ch.tag++
	s.totals.delivered++
	ch.conn.out.deliver(ch.id, wire.BasicDeliver{
		ConsumerTag: c.tag, DeliveryTag: ch.tag, Redelivered: e.redelivered,
		Exchange: e.msg.exchange, RoutingKey: e.msg.routingKey,
	}, e.msg, ch.conn.frameMax)
	if c.noAck {
		q.discardLocked(e)
		return
	}
	c.active++
	ch.active++
	q.unacked++
	ch.unacked.push(delivery{tag: ch.tag, entry: e, queue: q, consumer: c})
}

// pumpLocked delivers again to the channel's consumers after one of its limits
// has moved. Each queue is asked once, and none for a consumer that can take
// nothing: thousands may share one queue, or wait for one limit.
func (ch *channel) pumpLocked() {
	s := ch.conn.srv
	s.pumps++
	for _, c := range ch.consumers {
		if c.queue.pump != s.pumps && c.ready() {
			c.queue.pump = s.pumps
			c.queue.pumpLocked()
		}
	}
}

// setQos handles basic.qos. Like RabbitMQ, and unlike the specification,
// global=false is for each consumer started later, and global=true for the
// channel (RabbitMQ's "consumer prefetch"). The former lifts the latter.
func (ch *channel) setQos(m *wire.BasicQos) error {
	if m.PrefetchSize != 0 {
		return raise(notImplemented, "prefetch_size!=0 (%d)", m.PrefetchSize)
	}
	s := ch.conn.srv
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.Global {
		ch.limit = int(m.PrefetchCount)
	} else {
		ch.prefetch, ch.limit = int(m.PrefetchCount), 0
	}
	ch.replyBare(wire.BasicQosOkID)
	ch.pumpLocked()
	return nil
}

// consume handles basic.consume. no-local is ignored, as RabbitMQ does.
func (ch *channel) consume(m *wire.BasicConsume) error {
	s := ch.conn.srv
	s.mu.Lock()
	defer s.mu.Unlock()
	if ch.consumers[m.ConsumerTag] != nil {
		return raise(notAllowed, "attempt to reuse consumer tag '%s'", m.ConsumerTag)
	}
	q, err := ch.queueLocked(m.Queue)
	switch {
	case err != nil:
		return err
	case q.exclusive != nil || m.Exclusive && len(q.consumers) > 0:
		return raise(accessRefused, "%s in exclusive use", q)
	case s.consumers >= s.cfg.MaxConsumers:
		return raise(notAllowed, "consumer limit (%d) is reached", s.cfg.MaxConsumers)
	}
	if err := checkConsumerArgs(q, m.Arguments); err != nil {
		return err
	}
	c := &consumer{tag: m.ConsumerTag, queue: q, ch: ch, noAck: m.NoAck, limit: ch.prefetch}
	if c.tag == "" {
		c.tag = "amq.ctag-" + randomID()
	}
	if m.Exclusive {
		q.exclusive = c
	}
	s.consumers++
	ch.consumers[c.tag] = c
	q.consumers = append(q.consumers, c)
	if !m.NoWait {
		ch.reply(&wire.BasicConsumeOk{ConsumerTag: c.tag})
	}
	q.pumpLocked()
	q.scheduleLocked()
	return nil
}

// checkConsumerArgs refuses priorities: all consumers are equal here.
func checkConsumerArgs(q *queue, t wire.Table) error {
	v, ok := t.Get("x-priority")
	if !ok {
		return nil
	}
	n, problem := integerArg(v, math.MinInt64, math.MaxInt64)
	switch {
	case problem != "":
		return invalidArg("x-priority", q.name, problem)
	case n != 0:
		return raise(notImplemented, "consumer priorities")
	}
	return nil
}

// cancel handles basic.cancel, also of a consumer that is gone already.
func (ch *channel) cancel(m *wire.BasicCancel) error {
	s := ch.conn.srv
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := ch.consumers[m.ConsumerTag]; c != nil {
		s.removeConsumerLocked(c)
	}
	if !m.NoWait {
		ch.reply(&wire.BasicCancelOk{ConsumerTag: m.ConsumerTag})
	}
	return nil
}

// removeConsumerLocked ends a consumer; what it has not acknowledged stays
// with its channel. An auto-delete queue goes with its last consumer.
func (s *Server) removeConsumerLocked(c *consumer) {
	q := c.queue
	s.consumers--
	delete(c.ch.consumers, c.tag)
	i := slices.Index(q.consumers, c)
	q.consumers = slices.Delete(q.consumers, i, i+1)
	if i < q.next {
		q.next--
	}
	if q.exclusive == c {
		q.exclusive = nil
	}
	if q.deleted {
		return
	}
	if q.autoDelete && len(q.consumers) == 0 {
		s.deleteQueueLocked(q)
		return
	}
	q.lastUse = s.now()
	q.scheduleLocked()
}

// notifyCancelled tells a client that understands it that the queue of a
// consumer is gone (RabbitMQ's "consumer cancel notification").
func (c *consumer) notifyCancelled() {
	if c.ch.conn.canCancel && !c.ch.closing {
		c.ch.reply(&wire.BasicCancel{ConsumerTag: c.tag, NoWait: true})
	}
}

// get handles basic.get.
func (ch *channel) get(m *wire.BasicGet) error {
	s := ch.conn.srv
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := ch.queueLocked(m.Queue)
	if err != nil {
		return err
	}
	q.lastUse = s.now()
	defer q.scheduleLocked()
	if q.headLocked() == nil {
		ch.reply(&wire.BasicGetEmpty{})
		return nil
	}
	e := q.popLocked()
	ch.tag++
	s.totals.delivered++
	ch.conn.out.sendContent(ch.id, &wire.BasicGetOk{
		DeliveryTag: ch.tag, Redelivered: e.redelivered,
		Exchange: e.msg.exchange, RoutingKey: e.msg.routingKey, Messages: uint32(q.count()),
	}, e.msg, ch.conn.frameMax)
	if m.NoAck {
		q.discardLocked(e)
		return nil
	}
	q.unacked++
	ch.unacked.push(delivery{tag: ch.tag, entry: e, queue: q})
	return nil
}
