package broker

// relieveLocked brings memory below its limit by dropping what its owners have
// said may be dropped: the oldest records of streams, then the oldest messages
// of queues whose length limit drops from the head, then the bodies of
// messages that such queues have delivered and not had acknowledged. Were one
// of those to come back, it would be the next to drop.
//
// Without it a terminal that stands still would hold back all publishers.
func (s *Server) relieveLocked() {
	m := &s.memory
	target := s.cfg.Memory - s.cfg.Memory/16
	before := m.relieved
	for _, may := range []func(*queue) bool{(*queue).isStream, (*queue).lossy} {
		for m.used > target {
			q := s.largestLocked(may)
			if q == nil {
				break
			}
			q.shedLocked(target)
		}
	}
	if m.used > target {
		s.forgetDeliveredLocked(target)
	}
	if m.relieved != before {
		m.notify()
	}
}

// lossy reports whether the queue may drop what it has: it has a limit, drops
// from the head, and nobody gets what it drops.
func (q *queue) lossy() bool {
	a := &q.args
	return !a.stream && (a.hasMaxLength || a.hasMaxBytes) && !a.rejectPublish && !a.deadLetters
}

// largestLocked returns the queue with most bytes of those that may drop some.
func (s *Server) largestLocked(may func(*queue) bool) *queue {
	var largest *queue
	for _, q := range s.queues {
		if may(q) && q.count() > 0 && (largest == nil || q.size() > largest.size()) {
			largest = q
		}
	}
	return largest
}

// size returns what the ready messages count, their bodies as if nobody shared
// them.
func (q *queue) size() int64 { return q.readyBytes + int64(q.count())*(messageCost+entryCost) }

// shedLocked drops from the head until memory is at its target or the queue
// has half of its size: then another may be the largest.
func (q *queue) shedLocked(target int64) {
	for half := q.size() / 2; q.count() > 0 && q.size() >= half && q.srv.memory.used > target; {
		q.srv.memory.relieved++
		q.srv.totals.dropped++
		q.discardLocked(q.popLocked())
	}
}

// forgetDeliveredLocked lets go of messages that lossy queues have delivered,
// the oldest of each channel first. Their deliveries stay, to be acknowledged.
func (s *Server) forgetDeliveredLocked(target int64) {
	for c := range s.conns {
		for _, ch := range c.channels {
			for i := range ch.unacked.list {
				if s.memory.used <= target {
					return
				}
				d := &ch.unacked.list[i]
				if d.queue == nil || d.entry.msg == nil || !d.queue.lossy() {
					continue
				}
				s.memory.relieved++
				s.releaseLocked(d.entry.msg)
				d.entry.msg = nil
			}
		}
	}
}
