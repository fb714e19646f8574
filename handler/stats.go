package handler

import (
	"time"
)

// Stats are counts since New, all of one instant. Every record given to Handle
// is in exactly one of Confirmed, Dropped, Unknown and PendingRecords; after a
// clean Close, Accepted = Confirmed + Dropped.Total(), unless Unconfirmed.
type Stats struct {
	Accepted       uint64  `json:"accepted"`        // given to Handle: the last sequence number
	Confirmed      uint64  `json:"confirmed"`       // taken by the broker
	Dropped        Dropped `json:"dropped"`         // lost, and known to be
	Unknown        uint64  `json:"unknown"`         // published, but given up before the broker answered; all, if Unconfirmed
	PendingRecords int     `json:"pending_records"` // in the buffer, those on their way included
	PendingBytes   int     `json:"pending_bytes"`   // of Options.Buffer in use
	Fallback       struct {
		Taken   uint64 `json:"taken"`    // dropped records that Options.Fallback has taken
		LeftOut uint64 `json:"left_out"` // those that came too fast for it, or that it failed at
	} `json:"fallback"`
	Reconnects uint64 `json:"reconnects"` // connections after the first
	Connected  bool   `json:"connected"`
	LastError  string `json:"last_error,omitempty"` // without any password
}

// Dropped are counts of lost records by cause, and once more by level.
type Dropped struct {
	Shed     uint64 `json:"shed"`     // the buffer was full
	Oversize uint64 `json:"oversize"` // over MaxRecord, or lost to a panic: a substitute was sent; or more than the broker takes
	Closed   uint64 `json:"closed"`   // handled after Close, or left when Close's context ended
	Refused  uint64 `json:"refused"`  // the broker said no (basic.nack), until there was no room or no time left

	Levels LevelCounts `json:"levels"` // the same records, all causes together
}

// LevelCounts are counts of records by level; one between two of slog's counts
// as the lower.
type LevelCounts struct {
	Debug uint64 `json:"debug"`
	Info  uint64 `json:"info"`
	Warn  uint64 `json:"warn"`
	Error uint64 `json:"error"`
}

// Total returns the sum of all causes.
func (d Dropped) Total() uint64 { return d.Shed + d.Oversize + d.Closed + d.Refused }

func (t *tally) levels() LevelCounts { return LevelCounts{t[0], t[1], t[2], t[3]} }

// Stats returns the counts so far.
func (h *Handler) Stats() Stats {
	l, accepted, records, bytes := h.pub.buffer.snapshot()
	s := Stats{
		Accepted:       accepted,
		Confirmed:      l.confirmed,
		Dropped:        l.stats(),
		Unknown:        l.unknown,
		PendingRecords: records,
		PendingBytes:   bytes,
	}
	if f := h.pub.buffer.fallback; f != nil {
		s.Fallback.Taken, s.Fallback.LeftOut = f.counts()
	}
	h.pub.status.fill(&s)
	return s
}

func (l *ledger) stats() Dropped {
	var all tally
	for _, t := range l.dropped {
		for rank, n := range t {
			all[rank] += n
		}
	}
	return Dropped{
		Shed:     l.dropped[shed].total(),
		Oversize: l.dropped[oversize].total(),
		Closed:   l.dropped[closed].total(),
		Refused:  l.dropped[nacked].total(),
		Levels:   all.levels(),
	}
}

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
