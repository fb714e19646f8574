package handler

import (
	"encoding/binary"
	"log/slog"
	"sync"
	"time"
)

// entry is one encoded record that has left its fifo.
type entry struct {
	seq     uint64
	missing uint64 // sequence numbers below seq that will never come
	unix    int64  // the record's time, whole seconds; 0 when it has none
	level   slog.Level
	body    []byte // in chunk
	chunk   *chunk
	flags
}

// flags say what is known of an entry.
type flags uint8

const (
	// substitute: it stands for a record that was lost in encoding, and counted.
	substitute flags = 1 << iota

	// published: the network has taken all of it, on a connection that is lost.
	published

	// refused: the broker has said no.
	refused
)

func (f flags) has(which flags) bool { return f&which != 0 }

// time returns the record's time, whole seconds; zero when it has none.
func (e *entry) time() time.Time {
	if e.unix == 0 {
		return time.Time{}
	}
	return time.Unix(e.unix, 0)
}

// Entries are kept one behind the other, each a head and its body: sequence
// number, missing, time, level, length and flags.
const headSize = 8 + 8 + 8 + 8 + 4 + 4

// size returns how many bytes an entry with a body of n bytes has.
func size(n int) int { return headSize + n }

// cost returns how much memory an entry of n bytes takes. What has a chunk of its
// own gets what Go's allocator has: steps of about a kilobyte, and whole pages of
// 8 KiB from 32 KiB on.
func cost(n int) int {
	switch {
	case n <= largeEntry:
		return n
	case n <= 32<<10:
		return (n + 1<<10 - 1) &^ (1<<10 - 1)
	}
	return (n + 8<<10 - 1) &^ (8<<10 - 1)
}

func (e *entry) size() int { return size(len(e.body)) }
func (e *entry) cost() int { return cost(e.size()) }

// putHead writes the head of an entry into the first bytes of b.
func putHead(b []byte, seq, missing uint64, unix int64, level slog.Level, n int, f flags) {
	_ = b[headSize-1]
	binary.LittleEndian.PutUint64(b[0:], seq)
	binary.LittleEndian.PutUint64(b[8:], missing)
	binary.LittleEndian.PutUint64(b[16:], uint64(unix))
	binary.LittleEndian.PutUint64(b[24:], uint64(level))
	binary.LittleEndian.PutUint64(b[32:], uint64(n)|uint64(f)<<32)
}

// readEntry returns the entry at the start of b, whose body it aliases.
func readEntry(b []byte) entry {
	e := entry{
		seq:     binary.LittleEndian.Uint64(b[0:]),
		missing: binary.LittleEndian.Uint64(b[8:]),
		unix:    int64(binary.LittleEndian.Uint64(b[16:])),
		level:   slog.Level(binary.LittleEndian.Uint64(b[24:])),
		flags:   flags(binary.LittleEndian.Uint32(b[36:])),
	}
	n := int(binary.LittleEndian.Uint32(b[32:]))
	e.body = b[headSize : headSize+n : headSize+n]
	return e
}

// What the entry at the start of b has in its head.
func seqAt(b []byte) uint64       { return binary.LittleEndian.Uint64(b) }
func levelAt(b []byte) slog.Level { return slog.Level(binary.LittleEndian.Uint64(b[24:])) }
func sizeAt(b []byte) int         { return headSize + int(binary.LittleEndian.Uint32(b[32:])) }
func flagsAt(b []byte) flags      { return flags(b[36]) }

// chunkSize is how much memory a fifo takes at a time. An entry of more than a
// sixteenth of it has a chunk of its own, so that little is left over at the end
// of each.
const (
	chunkSize  = 64 << 10
	largeEntry = chunkSize / 16
)

// chunk is a piece of memory that holds consecutive entries of one fifo. Whoever
// guards the fifo guards it, except data: its written part never changes while
// entries point into it.
type chunk struct {
	data []byte // its length is what has been written
	read int    // bytes of data that have been popped
	live int    // entries in data or out of it, and one more while a fifo appends
	next *chunk
}

var chunks = sync.Pool{New: func() any { return &chunk{data: make([]byte, 0, chunkSize)} }}

func newChunk(n int) *chunk {
	var c *chunk
	if n > largeEntry {
		c = &chunk{data: make([]byte, 0, n)}
	} else {
		c = chunks.Get().(*chunk)
	}
	c.live = 1
	return c
}

// release ends one use of c. The last one makes it free for other entries.
func (c *chunk) release() {
	c.live--
	if c.live > 0 || cap(c.data) != chunkSize {
		return
	}
	c.data, c.read, c.next = c.data[:0], 0, nil
	chunks.Put(c)
}

// fifo holds entries in chunks, in the order in which they were pushed. The mutex
// of its owner guards it. Its zero value is empty.
type fifo struct{ first, last *chunk }

func (f *fifo) empty() bool { return f.first == nil || f.first.read == len(f.first.data) }

// seq returns the sequence number of the oldest entry. f must not be empty.
func (f *fifo) seq() uint64 { return seqAt(f.oldest()) }

// push appends a copy of e.
func (f *fifo) push(e *entry) {
	n := e.size()
	c := f.last
	if c == nil || cap(c.data)-len(c.data) < n {
		c = f.grow(n)
	}
	at := len(c.data)
	c.data = c.data[:at+n]
	putHead(c.data[at:], e.seq, e.missing, e.unix, e.level, len(e.body), e.flags)
	copy(c.data[at+headSize:], e.body)
	c.live++
}

// pushWhole appends a copy of an entry as it is in memory.
func (f *fifo) pushWhole(b []byte) {
	c := f.last
	if c == nil || cap(c.data)-len(c.data) < len(b) {
		c = f.grow(len(b))
	}
	c.data = append(c.data, b...)
	c.live++
}

// oldest returns the oldest entry as it is in memory, and what follows it. f must
// not be empty.
func (f *fifo) oldest() []byte { return f.first.data[f.first.read:] }

// drop removes the oldest entry, of n bytes, and lets go of it.
func (f *fifo) drop(n int) {
	c := f.first
	c.read += n
	if c.read == len(c.data) && c.next != nil {
		f.first = c.next
	}
	c.release()
}

// grow appends a chunk for an entry of n bytes.
func (f *fifo) grow(n int) *chunk {
	c := newChunk(n)
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
	return c
}

// pop removes the oldest entry. The caller releases its chunk, and then looks at
// its body no more.
func (f *fifo) pop() entry {
	c := f.first
	e := readEntry(c.data[c.read:])
	e.chunk = c
	c.read += e.size()
	if c.read == len(c.data) && c.next != nil {
		f.first = c.next
	}
	return e
}

// clear lets go of the memory of an empty fifo.
func (f *fifo) clear() {
	if f.last != nil && f.empty() {
		f.last.release()
		f.first, f.last = nil, nil
	}
}
