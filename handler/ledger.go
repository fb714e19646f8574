package handler

import "time"

// cause is why a record was dropped.
type cause int

const (
	shed     cause = iota // the buffer was full
	oversize              // over MaxRecord, lost to a panic, or more than the broker takes
	closed                // after Close, or left when its context ended
	nacked                // given up after the broker had refused it
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
	tooLarge          // the broker takes none of that size
)

// giveUpLocked lets go of a record that waited. It reports whether that was
// dropped: one that the network has taken may have reached the broker, and what
// became of it is unknown.
func (b *buffer) giveUpLocked(why cause, e *entry) (dropped bool) {
	switch {
	case e.has(substitute): // counted when it was replaced
	case e.has(published):
		b.ledger.unknown++
	case e.has(refused):
		b.dropLocked(nacked, e)
		dropped = true
	default:
		b.dropLocked(why, e)
		dropped = true
	}
	b.leaveLocked(e)
	e.chunk.release()
	return dropped
}

// dropLocked counts a record that is not kept, unless that was done when it was
// replaced by the one at hand.
func (b *buffer) dropLocked(why cause, e *entry) {
	if !e.has(substitute) {
		b.countLocked(why, e)
	}
}

func (b *buffer) countLocked(why cause, e *entry) {
	b.ledger.dropped[why][rank(e.level)]++
	if why == shed {
		b.loss.tally[rank(e.level)]++
	}
	if b.fallback != nil {
		b.fallback.offer(e)
	}
}

// takeLoss returns what has been shed since it was last called, once there is
// room again.
func (b *buffer) takeLoss() (l loss, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.lossKnownLocked() {
		return loss{}, false
	}
	l, b.loss = b.loss, loss{}
	return l, true
}

// lossKnown reports whether takeLoss has something to return.
func (b *buffer) lossKnown() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lossKnownLocked()
}

func (b *buffer) lossKnownLocked() bool { return b.loss.total() > 0 && b.bytes <= b.limit/2 }
