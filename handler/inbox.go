package handler

import (
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
)

// inboxSize is how many bytes of entries an inbox holds.
const inboxSize = 16 << 10

const maxInboxes = 16

// inbox takes records in front of the buffer, so that goroutines on different
// processors do not wait for one another: each has another inbox, mostly. What
// is in it has its sequence number, and is moved into the buffer when the inbox
// is full or the publisher asks for more.
type inbox struct {
	mu     sync.Mutex // guards what follows
	closed bool
	data   []byte   // entries, in the order of their numbers
	_      [64]byte // the next inbox has cache lines of its own
}

// newInboxes returns the inboxes of a buffer of limit bytes, a power of two of
// them, none for a small one: what they may hold is taken from limit. Under Block
// there are none, as records must wait for room one by one.
func newInboxes(limit int, overflow Overflow) []inbox {
	// Two for each processor, as a goroutine may come with another's.
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
func (in *inbox) add(issued *atomic.Uint64, level slog.Level, unix int64, body []byte, f flags) bool {
	n := size(len(body))
	in.mu.Lock()
	defer in.mu.Unlock()
	at := len(in.data)
	if in.closed || at+n > inboxSize {
		return false
	}
	if in.data == nil {
		in.data = make([]byte, 0, inboxSize)
	}
	in.data = in.data[:at+n]
	whole := in.data[at:]
	putHead(whole, issued.Add(1), 0, unix, level, len(body), f)
	copy(whole[headSize:], body)
	return true
}

// gatherLocked moves what is in the inboxes into the buffer. It then gives e, if
// not nil, the next sequence number.
func (b *buffer) gatherLocked(e *entry) {
	if e == nil && b.issued.Load() == b.seq {
		return
	}
	for i := range b.inboxes {
		b.inboxes[i].mu.Lock()
	}
	last := b.issued.Load()
	if e != nil {
		e.seq = b.issued.Add(1)
	}
	var from [maxInboxes][]byte
	for i := range b.inboxes {
		in := &b.inboxes[i]
		from[i] = in.data
		in.data, b.spare[i] = b.spare[i][:0], in.data
		in.mu.Unlock()
	}
	// Each number up to last is in one of them.
	for i := 0; b.seq < last; {
		if len(from[i]) > 0 && seqAt(from[i]) == b.seq+1 {
			n := sizeAt(from[i])
			b.acceptWholeLocked(from[i][:n])
			from[i] = from[i][n:]
		} else if i++; i == len(b.inboxes) {
			i = 0
		}
	}
	b.loss.time()
}
