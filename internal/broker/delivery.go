package broker

import (
	"slices"
	"sort"
)

// A delivery is a message a client has and has not acknowledged.
type delivery struct {
	tag      uint64
	entry    entry
	queue    *queue
	consumer *consumer // nil for basic.get
}

// deliveries are those of a channel, by ascending tag. Settled ones leave a
// hole, and holes are closed when they are the majority.
type deliveries struct {
	space []delivery // list is its tail
	list  []delivery // a hole has no queue
	holes int
}

func (d *deliveries) count() int { return len(d.list) - d.holes }

func (d *deliveries) push(v delivery) {
	if len(d.list) == cap(d.list) {
		if len(d.list) > cap(d.space)/2 {
			d.space = make([]delivery, 0, max(16, 2*cap(d.space)))
		}
		d.list = append(d.space[:0], d.list...)
		// What has moved must not stay behind: it holds on to messages.
		clear(d.space[len(d.list):cap(d.space)])
	}
	d.list = append(d.list, v)
}

// take removes the delivery with a tag, or with multiple all up to it, where
// tag zero is all there are (AMQP 0-9-1, basic.ack). It returns them in a
// slice that is valid until the next push, or nil if the tag is unknown.
func (d *deliveries) take(tag uint64, multiple bool) []delivery {
	if multiple && tag == 0 {
		return d.takeAll()
	}
	i := sort.Search(len(d.list), func(i int) bool { return d.list[i].tag >= tag })
	if i == len(d.list) || d.list[i].tag != tag || d.list[i].queue == nil {
		return nil
	}
	if multiple {
		return d.takeFront(i + 1)
	}
	if i == 0 {
		return d.takeFront(1)
	}
	taken := []delivery{d.list[i]}
	d.list[i] = delivery{tag: tag}
	if d.holes++; d.holes > len(d.list)/2 {
		d.compact()
	}
	return taken
}

// takeFront removes the first n, holes included, and the holes behind them.
func (d *deliveries) takeFront(n int) []delivery {
	taken := d.list[:n:n]
	for _, v := range taken {
		if v.queue == nil {
			d.holes--
		}
	}
	for n < len(d.list) && d.list[n].queue == nil {
		n++
		d.holes--
	}
	d.list = d.list[n:]
	if wasteful(len(d.list), cap(d.space)) {
		d.space = make([]delivery, 0, cap(d.space)/2)
		d.list = append(d.space, d.list...)
	}
	return taken
}

func (d *deliveries) takeAll() []delivery {
	return d.takeFront(len(d.list))
}

// compact closes the holes.
func (d *deliveries) compact() {
	kept := make([]delivery, 0, d.count())
	for _, v := range d.list {
		if v.queue != nil {
			kept = append(kept, v)
		}
	}
	d.space, d.list, d.holes = kept, kept, 0
}

// A disposal is what becomes of settled messages.
type disposal int

const (
	dropMessages disposal = iota
	requeueMessages
	rejectMessages // they may go to a dead letter exchange
)

// disposalOf returns what basic.nack and basic.reject ask for.
func disposalOf(requeue bool) disposal {
	if requeue {
		return requeueMessages
	}
	return rejectMessages
}

// settle handles basic.ack, basic.nack and basic.reject.
func (ch *channel) settle(tag uint64, multiple bool, what disposal) error {
	s := ch.conn.srv
	s.mu.Lock()
	defer s.unlock()
	taken := ch.unacked.take(tag, multiple)
	if taken == nil && !(multiple && tag == 0) {
		return raise(preconditionFailed, "unknown delivery tag %d", tag)
	}
	var err error
	if what != dropMessages {
		err = checkReturnable(taken)
	}
	switch what {
	case requeueMessages:
		s.requeueLocked(taken)
	case rejectMessages:
		s.settleLocked(taken, func(d *delivery) { d.queue.endLocked(d.entry, rejected) })
	default:
		s.dropLocked(taken)
	}
	ch.continueLocked()
	return err
}

// checkReturnable refuses to give back what came from a stream: it was never
// taken out.
func checkReturnable(taken []delivery) error {
	for i := range taken {
		if q := taken[i].queue; q != nil && q.args.stream {
			return raise(notImplemented, "basic.nack and basic.reject not supported by stream queues %s", q)
		}
	}
	return nil
}

// continueLocked lets all consumers of a channel with a limit go on, after it
// has settled deliveries: those of other queues may have waited for that.
func (ch *channel) continueLocked() {
	if ch.limit > 0 {
		ch.pumpLocked()
	}
}

// dropLocked forgets deliveries and delivers more in their place.
func (s *Server) dropLocked(taken []delivery) {
	s.settleLocked(taken, func(d *delivery) { d.queue.discardLocked(d.entry) })
}

// requeueLocked puts deliveries back where they were.
func (s *Server) requeueLocked(taken []delivery) {
	s.settleLocked(taken, func(d *delivery) {
		switch q := d.queue; {
		case q.deleted || q.args.stream:
			q.discardLocked(d.entry)
		case d.entry.msg == nil: // see relieveLocked
			s.totals.dropped++
		default:
			q.putBackLocked(d.entry)
		}
	})
}

// settleLocked does something with each delivery, and when that is done for
// all lets each queue that is concerned go on.
func (s *Server) settleLocked(taken []delivery, do func(*delivery)) {
	var last *queue
	var others []*queue
	for i := range taken {
		d := &taken[i]
		if d.queue == nil {
			continue
		}
		if d.consumer != nil {
			d.consumer.active--
			d.consumer.ch.active--
		}
		d.queue.unacked--
		do(d)
		if last != nil && last != d.queue && !slices.Contains(others, last) {
			others = append(others, last)
		}
		last = d.queue
		*d = delivery{}
	}
	if last != nil {
		last.continueLocked()
	}
	for _, q := range others {
		if q != last {
			q.continueLocked()
		}
	}
}

// continueLocked delivers and trims after messages came back or consumers got
// free.
func (q *queue) continueLocked() {
	if q.deleted {
		return
	}
	q.pumpLocked()
	q.trimLocked()
}

// recover handles basic.recover: all deliveries of the channel go back.
func (ch *channel) recover(requeue bool) error {
	if !requeue {
		return raise(notImplemented, "requeue=false")
	}
	s := ch.conn.srv
	s.mu.Lock()
	defer s.unlock()
	taken := ch.unacked.takeAll()
	err := checkReturnable(taken)
	s.requeueLocked(taken)
	ch.continueLocked()
	return err
}
