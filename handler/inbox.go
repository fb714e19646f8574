package handler

import (
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
)

// inboxSize is how many bytes of records an inbox holds.
const inboxSize = 16 << 10

const maxInboxes = 16

// inbox takes records in front of the queue, so that goroutines on different
// processors do not wait for one another: each has another inbox, mostly. What
// is in it has its sequence number, and is moved into the queue when the inbox
// is full or the publisher asks for more.
type inbox struct {
	mu     sync.Mutex // guards what follows
	closed bool
	letters
	_ [64]byte // the next inbox has cache lines of its own
}

// letters are the records in an inbox, in the order of their numbers.
type letters struct {
	entries []entry // their chunk is nil: off and size are of data
	data    []byte
}

// newInboxes returns the inboxes of a queue of limit bytes, a power of two of
// them, none for a small one: what they may hold is taken from limit. Under Block
// there are none, as records must wait for room one by one.
func newInboxes(limit int, overflow Overflow) []inbox {
	// Two for each processor, as a goroutine may come with another's lane.
	n := 1
	for n < min(2*runtime.GOMAXPROCS(0), maxInboxes) {
		n *= 2
	}
	if overflow == Block || limit < 8*n*inboxSize {
		return nil
	}
	return make([]inbox, n)
}

// add takes a copy of the record, with the next of the sequence numbers, if it
// has room.
func (in *inbox) add(issued *atomic.Uint64, level slog.Level, unix int64, body []byte, whole bool) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	off := len(in.data)
	if in.closed || off+len(body) > inboxSize {
		return false
	}
	if in.data == nil {
		in.data = make([]byte, 0, inboxSize)
	}
	in.data = append(in.data, body...)
	// Filled in where it is: a copy of one that was just written would wait for
	// the processor's earlier writes.
	in.entries = append(in.entries, entry{})
	e := &in.entries[len(in.entries)-1]
	e.seq, e.unix, e.level, e.whole = issued.Add(1), unix, level, whole
	e.off, e.size = int32(off), int32(len(body))
	return true
}

// gatherLocked moves what is in the inboxes into the queue. It then gives e, if
// not nil, the next sequence number.
func (q *queue) gatherLocked(e *entry) {
	if e == nil && q.issued.Load() == q.seq {
		return
	}
	for i := range q.inboxes {
		q.inboxes[i].mu.Lock()
	}
	last := q.issued.Load()
	if e != nil {
		e.seq = q.issued.Add(1)
	}
	for i := range q.inboxes {
		in := &q.inboxes[i]
		in.letters, q.gathered[i] = q.gathered[i], in.letters
		in.mu.Unlock()
	}
	// Each number up to last is in one of them.
	var next [maxInboxes]int
	for i := 0; q.seq < last; {
		from := &q.gathered[i]
		if next[i] < len(from.entries) && from.entries[next[i]].seq == q.seq+1 {
			e := &from.entries[next[i]]
			q.acceptLocked(e, from.data[e.off:e.off+e.size])
			next[i]++
		} else if i++; i == len(q.inboxes) {
			i = 0
		}
	}
	for i := range q.gathered {
		g := &q.gathered[i]
		g.entries, g.data = g.entries[:0], g.data[:0]
	}
	q.loss.time()
}
