package view

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/slogcast/slogcast/sink"
)

const (
	// minSize is the least that a ring may have.
	minSize = 64 << 10

	// maxChunk bounds a chunk, and so what a viewer that stands still keeps from
	// being freed.
	maxChunk = 256 << 10

	// chunksOf is how many chunks a ring has at least: it forgets that share of its
	// rows at a time.
	chunksOf = 64
)

// Ring holds the last rows of a stream: records, and what is to be known of it.
// It is a sink.Writer. All of its methods may be called at any time.
type Ring struct {
	size  int64 // bytes that it may hold
	chunk int   // bytes of a chunk

	mu      sync.Mutex    // guards what follows
	chunks  []*chunk      // the oldest first, never empty
	held    int64         // bytes of all chunks
	stats   Stats         // but for First, Next and Bytes
	changed chan struct{} // closed when a row has come; nil while nobody waits
}

// New returns a ring that holds so many bytes, at least 64 KiB. A record that
// takes more than an eighth of it is not kept; a row says so in its place.
func New(size int64) *Ring {
	size = max(size, minSize)
	r := &Ring{size: size, chunk: int(min(maxChunk, size/chunksOf))}
	r.chunks = []*chunk{newChunk(1, r.chunk)}
	r.held = r.chunks[0].cost()
	return r
}

// Stats are numbers of a ring.
type Stats struct {
	First, Next uint64    // positions: of the oldest row, and of the one to come
	Bytes, Size int64     // that it holds, and that it may
	Records     uint64    // that have come, since the beginning
	Gaps        uint64    // that have come
	Missing     uint64    // records, of those gaps
	Oldest      time.Time // the first time of about the first rows; zero for none
	Last        time.Time // when the last record came
	Connected   bool      // to a broker, as far as notices tell
}

// Stats returns the numbers of now.
func (r *Ring) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.stats
	s.First, s.Next = r.chunks[0].first, r.last().next()
	s.Bytes, s.Size = r.held, r.size
	if at := r.chunks[0].oldest; at != math.MaxInt64 && at != noTime {
		s.Oldest = time.Unix(0, at)
	}
	return s
}

// Write adds records. It does not wait, and does not fail.
func (r *Ring) Write(_ context.Context, records []sink.Record) error {
	for i := range records {
		record := &records[i]
		at, level, known := mark(record) // before the lock: it reads the record
		r.mu.Lock()
		r.stats.Records++
		r.stats.Last = record.Received
		r.addRecord(record, at, level, known)
		r.mu.Unlock()
	}
	r.wake()
	return nil
}

// Note adds a row for a notice, as sink.Config.Notify is told of it.
func (r *Ring) Note(n sink.Notice) {
	if n.Behind != nil {
		return // it is of no time
	}
	now := time.Now()
	r.mu.Lock()
	switch {
	case n.Gap != nil:
		r.stats.Gaps++
		r.stats.Missing += n.Gap.Count()
		now = n.Gap.Time
		r.add(Gap, now, packGap(nil, n.Gap))
	case n.Connected != "":
		r.stats.Connected = true
		r.add(Connected, now, []byte(n.String()))
	case n.Lost != nil:
		r.stats.Connected = false
		r.add(Lost, now, []byte(n.String()))
	default:
		r.add(Remark, now, []byte(n.Remark))
	}
	r.mu.Unlock()
	r.wake()
}

// addRecord adds a record, or says that it is too large.
func (r *Ring) addRecord(record *sink.Record, at time.Time, level int8, known bool) {
	need := recordCost(record)
	if int64(need) > r.size/8 {
		r.add(Remark, at, fmt.Appendf(nil, "a record of %d bytes of %.255q is not kept here: the most is %d", len(record.Body), record.App, r.size/8))
		return
	}
	c := r.room(need)
	c.addRecord(record, at, level, known)
	r.settle(c)
}

func (r *Ring) add(kind Kind, at time.Time, data []byte) {
	c := r.room(len(data))
	c.add(kind, at, data)
	r.settle(c)
}

// room returns the chunk that takes a row of so many bytes, and has the oldest
// ones make room for it.
func (r *Ring) room(need int) *chunk {
	c := r.last()
	if c.takes(need) {
		return c
	}
	c = newChunk(c.next(), max(r.chunk, need))
	r.held += c.cost()
	r.chunks = append(r.chunks, c)
	return c
}

// settle counts what the newest chunk has come to hold, and forgets the oldest
// ones that are too much.
func (r *Ring) settle(c *chunk) {
	r.held += c.growth()
	forget := 0
	for r.held > r.size && forget < len(r.chunks)-1 {
		r.held -= r.chunks[forget].cost()
		forget++
	}
	r.chunks = slices.Delete(r.chunks, 0, forget)
}

func (r *Ring) last() *chunk { return r.chunks[len(r.chunks)-1] }

// wake tells those that wait.
func (r *Ring) wake() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.changed != nil {
		close(r.changed)
		r.changed = nil
	}
}

// Wait returns when there is a row at the position or behind it, or with the
// error of ctx.
func (r *Ring) Wait(ctx context.Context, pos uint64) error {
	for {
		r.mu.Lock()
		if r.last().next() > pos {
			r.mu.Unlock()
			return nil
		}
		if r.changed == nil {
			r.changed = make(chan struct{})
		}
		changed := r.changed
		r.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// part returns what there is of the chunk with the row at pos, or with the first
// one behind it that there is. With backwards it is the one with the row before
// pos.
func (r *Ring) part(pos uint64, backwards bool) part {
	if backwards && pos > 0 {
		pos--
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	i, found := slices.BinarySearchFunc(r.chunks, pos, func(c *chunk, pos uint64) int {
		switch {
		case c.first > pos:
			return 1
		case c.first < pos:
			return -1
		}
		return 0
	})
	if !found && i > 0 {
		i--
	}
	return r.chunks[i].part
}

// SeekTime returns the position of the first row of that time or a later one, or
// that of the row to come. Rows are in the order in which they came, which is
// only about that of their times.
func (r *Ring) SeekTime(t time.Time) uint64 {
	r.mu.Lock()
	parts := make([]part, len(r.chunks))
	for i, c := range r.chunks {
		parts[i] = c.part
	}
	r.mu.Unlock()
	from := nano(t)
	for _, p := range parts {
		if p.newest < from {
			continue
		}
		for i := range p.rows {
			if p.rows[i].time >= from {
				return p.first + uint64(i)
			}
		}
	}
	return parts[len(parts)-1].next()
}
