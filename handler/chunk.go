package handler

import (
	"log/slog"
	"sync"
	"time"
)

// entry is one encoded record in the queue.
type entry struct {
	seq     uint64
	missing uint64 // sequence numbers below seq that will never come
	unix    int64  // the record's time, whole seconds; 0 when it has none
	chunk   *chunk
	off     int32
	size    int32
	level   slog.Level
	tries   uint8 // how often the broker has refused it
	whole   bool  // not the substitute of a record that was lost in encoding
	sent    bool  // published at least once
}

// time returns the record's time, whole seconds; zero when it has none.
func (e *entry) time() time.Time {
	if e.unix == 0 {
		return time.Time{}
	}
	return time.Unix(e.unix, 0)
}

// body returns the encoded record. It stays as it is until release.
func (e *entry) body() []byte { return e.chunk.data[e.off : e.off+e.size] }

// release lets go of the entry's memory.
func (e *entry) release() { e.chunk.release() }

// chunkSize is how much memory the queue takes at a time. A record larger than
// that has a chunk of its own.
const chunkSize = 64 << 10

// chunk is a piece of memory that holds consecutive records of one rank. The
// queue's mutex guards it, except data, whose written part never changes while
// records point into it.
type chunk struct {
	data    []byte
	used    int // bytes of data
	entries []entry
	head    int // entries before it have been popped
	live    int // records that point into data, and one more while a fifo appends
	next    *chunk
}

var chunks = sync.Pool{New: func() any { return &chunk{data: make([]byte, chunkSize)} }}

func newChunk(n int) *chunk {
	var c *chunk
	if n > chunkSize {
		c = &chunk{data: make([]byte, n)}
	} else {
		c = chunks.Get().(*chunk)
	}
	c.live = 1
	return c
}

// release ends one use of c. The last one makes it free for other records.
func (c *chunk) release() {
	c.live--
	if c.live > 0 || len(c.data) != chunkSize {
		return
	}
	c.used, c.entries, c.head, c.next = 0, c.entries[:0], 0, nil
	chunks.Put(c)
}

// fifo is a queue of records in chunks. The queue's mutex guards it.
type fifo struct{ first, last *chunk }

func (f *fifo) empty() bool { return f.first == nil || f.first.head == len(f.first.entries) }

// head returns the oldest record. It must not be called on an empty fifo.
func (f *fifo) head() *entry { return &f.first.entries[f.first.head] }

// push appends a copy of e with a copy of body.
func (f *fifo) push(e *entry, body []byte) {
	if f.last == nil || len(f.last.data)-f.last.used < len(body) {
		c := newChunk(len(body))
		if f.last == nil {
			f.first = c
		} else {
			f.last.next = c
			drained := f.first == f.last && f.empty()
			f.last.release()
			if drained {
				f.first = c
			}
		}
		f.last = c
	}
	c := f.last
	c.entries = append(c.entries, *e)
	kept := &c.entries[len(c.entries)-1]
	kept.chunk, kept.off, kept.size = c, int32(c.used), int32(len(body))
	copy(c.data[c.used:], body)
	c.used += len(body)
	c.live++
}

// pop removes the oldest record. The caller releases it, and then looks at it no
// more.
func (f *fifo) pop() *entry {
	c := f.first
	e := &c.entries[c.head]
	c.head++
	if c.head == len(c.entries) && c.next != nil {
		f.first = c.next
	}
	return e
}
