package handler

import "time"

// cause is why a record was dropped.
type cause int

const (
	shed cause = iota
	oversize
	closed
	refused
	causes
)

// ledger counts what became of records.
type ledger struct {
	confirmed uint64
	dropped   [causes]tally
	unknown   uint64
}

// tally counts records by rank of their level.
type tally [ranks]uint64

func (t *tally) total() (n uint64) {
	for _, of := range t {
		n += of
	}
	return n
}

// loss is what has been shed since it was last reported.
type loss struct {
	tally
	first, last time.Time
	timed       uint64 // of them, those whose time is known
}

// time notes when the records counted since the last call were shed. Asking the
// clock for each of them would double what they cost.
func (l *loss) time() {
	if l.total() == l.timed {
		return
	}
	l.timed = l.total()
	l.last = time.Now()
	if l.first.IsZero() {
		l.first = l.last
	}
}

// outcome is what became of published records.
type outcome int

const (
	confirmed outcome = iota
	unknown           // nobody asked
	givenUp           // refused by the broker, repeatedly
)

// dropLocked counts a record that is not kept, unless that was done when it was
// replaced by the one at hand.
func (q *queue) dropLocked(why cause, e *entry, body []byte) {
	if e.whole {
		q.countLocked(why, e, body)
	}
}

func (q *queue) countLocked(why cause, e *entry, body []byte) {
	q.ledger.dropped[why][rank(e.level)]++
	if why == shed {
		q.loss.tally[rank(e.level)]++
	}
	if q.fallback != nil {
		q.fallback.offer(e, body)
	}
}

// takeLoss returns what has been shed since it was last called, once there is
// room again.
func (q *queue) takeLoss() (l loss, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.lossKnownLocked() {
		return loss{}, false
	}
	l, q.loss = q.loss, loss{}
	return l, true
}

// lossKnown reports whether takeLoss has something to return.
func (q *queue) lossKnown() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.lossKnownLocked()
}

func (q *queue) lossKnownLocked() bool { return q.loss.total() > 0 && q.bytes <= q.limit/2 }
