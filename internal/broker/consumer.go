package broker

import (
	"math"
	"slices"

	"github.com/slogcast/slogcast/internal/wire"
)

// A consumer is a subscription of a channel to a queue.
type consumer struct {
	tag      string
	queue    *queue
	ch       *channel
	noAck    bool
	limit    int    // unacknowledged deliveries at most; zero for no limit
	priority int64  // those with a higher one come first
	active   int    // unacknowledged deliveries; guarded by Server.mu
	offset   uint64 // of the next record, in a stream; guarded by Server.mu
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
	if q.args.stream {
		q.pumpStreamLocked()
		return
	}
	for len(q.consumers) > 0 && q.headLocked() != nil {
		c := q.nextConsumerLocked()
		if c == nil {
			break
		}
		e := q.popLocked()
		c.deliverLocked(e)
		if c.noAck {
			q.discardLocked(e)
		}
	}
	if q.expiring > 0 || q.due != never {
		q.scheduleLocked()
	}
}

// nextConsumerLocked returns whose turn it is, or nil if none can take more.
// Those of one priority take turns; a lower one gets what all above can't take.
func (q *queue) nextConsumerLocked() *consumer {
	if q.args.singleActive {
		if q.active.ready() {
			return q.active
		}
		return nil
	}
	for from := 0; from < len(q.consumers); {
		to := from + 1
		for to < len(q.consumers) && q.consumers[to].priority == q.consumers[from].priority {
			to++
		}
		class := q.consumers[from:to]
		for range class {
			c := class[q.next%len(class)]
			q.next = (q.next + 1) % len(class)
			if c.ready() {
				return c
			}
		}
		from = to
	}
	return nil
}

// activateLocked chooses the one consumer that gets anything (RabbitMQ's "single
// active consumer") until it goes. One with a higher priority comes too late.
func (q *queue) activateLocked() {
	if q.args.singleActive && q.active == nil && len(q.consumers) > 0 {
		q.active = q.consumers[0]
	}
}

// deliverLocked sends a message to the consumer. Without acknowledgements it is
// done then.
func (c *consumer) deliverLocked(e entry) {
	ch, q, s := c.ch, c.queue, c.queue.srv
	ch.tag++
	s.totals.delivered++
	shares := ch.conn.out.deliver(ch.id, wire.BasicDeliver{
		ConsumerTag: c.tag, DeliveryTag: ch.tag, Redelivered: e.redelivered(),
		Exchange: e.msg.exchange, RoutingKey: e.msg.routingKey,
	}, content{e.msg, q.header(&e), ch.conn.frameMax})
	if shares {
		s.retainLocked(e.msg)
	}
	if c.noAck {
		return
	}
	if q.args.stream {
		e.msg = nil // it is the stream's
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
	defer s.unlock()
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
	defer s.unlock()
	if ch.consumers[m.ConsumerTag] != nil {
		return raise(notAllowed, "attempt to reuse consumer tag '%s'", m.ConsumerTag)
	}
	if s.consumers >= s.cfg.MaxConsumers {
		return raise(notAllowed, "consumer limit (%d) is reached", s.cfg.MaxConsumers)
	}
	c, err := ch.newConsumerLocked(m)
	if err != nil {
		return err
	}
	q := c.queue
	if m.Exclusive && !q.args.stream {
		q.exclusive = c
	}
	s.consumers++
	ch.consumers[c.tag] = c
	behind := slices.IndexFunc(q.consumers, func(o *consumer) bool { return o.priority < c.priority })
	if behind < 0 {
		behind = len(q.consumers)
	}
	q.consumers = slices.Insert(q.consumers, behind, c)
	q.activateLocked()
	if !m.NoWait {
		ch.reply(&wire.BasicConsumeOk{ConsumerTag: c.tag})
	}
	q.pumpLocked()
	q.scheduleLocked()
	return nil
}

// newConsumerLocked checks what a client asks for. The consumer is not yet
// known to its queue.
func (ch *channel) newConsumerLocked(m *wire.BasicConsume) (*consumer, error) {
	c := &consumer{tag: m.ConsumerTag, ch: ch, noAck: m.NoAck, limit: ch.prefetch}
	if c.tag == "" {
		c.tag = "amq.ctag-" + randomID()
	}
	var err error
	if m.Queue == replyTo {
		c.queue, err = ch.replyQueueLocked(m)
		return c, err
	}
	if c.queue, err = ch.queueLocked(m.Queue); err != nil {
		return nil, err
	}
	q := c.queue
	if err := q.args.kind.checkConsumerArgs(q.name, m.Arguments); err != nil {
		return nil, err
	}
	if q.args.stream {
		if err = ch.checkStreamConsumer(q, m); err == nil {
			c.offset, err = q.seekLocked(q.name, m.Arguments)
		}
		return c, err
	}
	switch {
	case q.args.kind == quorum && ch.limit > 0:
		return nil, raise(notImplemented, "%s does not support global qos", q)
	case q.exclusive != nil || m.Exclusive && len(q.consumers) > 0:
		return nil, raise(accessRefused, "%s in exclusive use", q)
	case q.args.singleActive && m.Exclusive:
		return nil, raise(accessRefused, "%s in exclusive use", q)
	}
	c.priority, err = priorityOf(q.name, m.Arguments)
	return c, err
}

// priorityOf returns the priority of a consumer.
func priorityOf(queue string, args wire.Table) (int64, error) {
	v, ok := args.Get("x-priority")
	if !ok {
		return 0, nil
	}
	n, problem := integerArg(v, math.MinInt64, math.MaxInt64)
	if problem != "" {
		return 0, invalidArg("x-priority", queue, problem)
	}
	return n, nil
}

// cancel handles basic.cancel, also of a consumer that is gone already.
func (ch *channel) cancel(m *wire.BasicCancel) error {
	s := ch.conn.srv
	s.mu.Lock()
	defer s.unlock()
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
	if q.active == c {
		q.active = nil
		q.activateLocked()
	}
	if q.deleted {
		return
	}
	if q.autoDelete && len(q.consumers) == 0 {
		s.deleteQueueLocked(q)
		return
	}
	q.lastUse = s.now()
	if q.args.singleActive {
		s.waking = append(s.waking, q) // another one is active now
	}
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
	defer s.unlock()
	q, err := ch.queueLocked(m.Queue)
	if err != nil {
		return err
	}
	if q.args.stream {
		return raise(notImplemented, "basic.get not supported by stream queues %s", q)
	}
	q.lastUse = s.now()
	defer q.scheduleLocked()
	if q.headLocked() == nil {
		ch.reply(&wire.BasicGetEmpty{})
		return nil
	}
	e := q.popLocked()
	q.headLocked() // what has expired is not left
	ch.tag++
	s.totals.delivered++
	shares := ch.conn.out.sendContent(ch.id, &wire.BasicGetOk{
		DeliveryTag: ch.tag, Redelivered: e.redelivered(),
		Exchange: e.msg.exchange, RoutingKey: e.msg.routingKey, Messages: uint32(q.count()),
	}, content{e.msg, q.header(&e), ch.conn.frameMax})
	if shares {
		s.retainLocked(e.msg)
	}
	if m.NoAck {
		q.discardLocked(e)
		return nil
	}
	q.unacked++
	ch.unacked.push(delivery{tag: ch.tag, entry: e, queue: q})
	return nil
}
