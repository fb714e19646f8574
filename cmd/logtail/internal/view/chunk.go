package view

import (
	"encoding/binary"
	"log/slog"
	"math"
	"strings"
	"time"
	"unsafe"

	"github.com/slogcast/slogcast/sink"
)

// Kind is what a row tells of.
type Kind byte

const (
	Record    Kind = iota // a record
	Gap                   // records are missing: lost on the way, or dropped by their producer
	Connected             // records come from now on
	Lost                  // the connection is lost
	Remark                // anything else that is good to know
	Skipped               // of a cursor: rows that the ring has forgotten before they were read
)

// rowMark is what is kept of a row for searching it.
type rowMark struct {
	time   int64  // nanoseconds since 1970, or noTime
	offset uint32 // of the row in the chunk's data
	level  int8   // as slog has it, at most ±maxLevel
	kind   Kind
	ranked bool // the level is known
}

const (
	markSize = int(unsafe.Sizeof(rowMark{}))

	// maxLevel bounds the levels of marks; they stand for those beyond, too.
	maxLevel = 100
)

func (m *rowMark) at() time.Time {
	if m.time == noTime {
		return time.Time{}
	}
	return time.Unix(0, m.time)
}

func (m *rowMark) levelOf() slog.Level { return slog.Level(m.level) }

// mark returns what is kept of a record for searching it.
func mark(r *sink.Record) (at time.Time, level int8, known bool) {
	l, known := r.Level()
	at, _ = r.Time()
	return at, int8(min(maxLevel, max(-maxLevel, l))), known
}

// noTime is the time of a row that has none.
const noTime = math.MinInt64

// nano returns nanoseconds since 1970, as near as they can be, or noTime.
func nano(t time.Time) int64 {
	const most = math.MaxInt64/1_000_000_000 - 1 // seconds
	switch s := t.Unix(); {
	case t.IsZero():
		return noTime
	case s > most:
		return math.MaxInt64
	case s < -most:
		return noTime + 1
	}
	return t.UnixNano()
}

// origin is what the records of a producer have in common.
type origin struct{ producer, app, host string }

// chunk is a part of a ring. It grows at its end until it is full, and what is in
// it never changes. The ring's lock guards it; a copy of its part needs none.
type chunk struct {
	part

	origin  map[origin]uint64 // places in origins
	texts   int               // bytes of origins
	counted int64             // of cost, by growth
}

// part is what there was of a chunk at a moment.
type part struct {
	first          uint64 // position of the first row
	data           []byte
	rows           []rowMark
	origins        []origin
	oldest, newest int64 // times
}

// originCost is what an origin takes beside its texts, here and in the map.
const originCost = 160

func newChunk(first uint64, size int) *chunk {
	c := &chunk{origin: make(map[origin]uint64)}
	c.part = part{first: first, data: make([]byte, 0, size), oldest: math.MaxInt64, newest: math.MinInt64}
	c.counted = c.cost()
	return c
}

func (p *part) next() uint64 { return p.first + uint64(len(p.rows)) }

// has reports whether the row at a position is in it.
func (p *part) has(pos uint64) bool { return pos >= p.first && pos < p.next() }

func (c *chunk) cost() int64 {
	return int64(cap(c.data)+cap(c.rows)*markSize+c.texts+len(c.origins)*originCost) + int64(unsafe.Sizeof(*c))
}

// growth returns how much the cost has grown since it was last asked for.
func (c *chunk) growth() int64 {
	cost := c.cost()
	grown := cost - c.counted
	c.counted = cost
	return grown
}

// takes reports whether there is room for a row of so many bytes.
func (c *chunk) takes(need int) bool {
	size := cap(c.data)
	return len(c.data)+need <= size && len(c.rows)*markSize < size && c.texts+len(c.origins)*originCost < size
}

// recordCost is what a packed record takes of a chunk's data, or a little more.
func recordCost(r *sink.Record) int {
	const numbers = 9 * binary.MaxVarintLen64
	return len(r.Body) + len(r.Headers) + len(r.Key) + len(r.Encoding) + len(r.LevelText()) + numbers
}

func (c *chunk) addRecord(r *sink.Record, at time.Time, level int8, known bool) {
	m := c.begin(Record, at)
	m.level, m.ranked = level, known
	c.data = binary.AppendUvarint(c.data, c.originOf(r))
	c.data = r.Pack(c.data)
	c.rows = append(c.rows, m)
}

func (c *chunk) add(kind Kind, at time.Time, data []byte) {
	m := c.begin(kind, at)
	c.data = append(c.data, data...)
	c.rows = append(c.rows, m)
}

func (c *chunk) begin(kind Kind, at time.Time) rowMark {
	t := nano(at)
	c.oldest, c.newest = min(c.oldest, t), max(c.newest, t)
	if t == noTime {
		c.newest = math.MaxInt64 // it passes any span
	}
	return rowMark{time: t, offset: uint32(len(c.data)), kind: kind}
}

// originOf returns the place of a record's origin in origins.
func (c *chunk) originOf(r *sink.Record) uint64 {
	key := origin{r.Producer, r.App, r.Host}
	if i, ok := c.origin[key]; ok {
		return i
	}
	key = origin{strings.Clone(key.producer), strings.Clone(key.app), strings.Clone(key.host)}
	i := uint64(len(c.origins))
	c.origin[key] = i
	c.origins = append(c.origins, key)
	c.texts += len(key.producer) + len(key.app) + len(key.host)
	return i
}

// bytes returns the data of a row.
func (p *part) bytes(i int) []byte {
	start, end := int(p.rows[i].offset), len(p.data)
	if i+1 < len(p.rows) {
		end = int(p.rows[i+1].offset)
	}
	return p.data[start:end:end]
}

// unpack reads the record of a row.
func (p *part) unpack(i int, r *sink.Record) {
	b := p.bytes(i)
	place, n := binary.Uvarint(b)
	r.Unpack(b[n:])
	from := &p.origins[place]
	r.Producer, r.App, r.Host = from.producer, from.app, from.host
}

// packGap appends a gap, as unpackGap reads it.
func packGap(dst []byte, g *sink.Gap) []byte {
	dst = binary.AppendUvarint(dst, g.First)
	dst = binary.AppendUvarint(dst, g.Last)
	for _, text := range []string{g.Producer, g.App, g.Host, g.Cause} {
		dst = append(binary.AppendUvarint(dst, uint64(len(text))), text...)
	}
	return dst
}

func unpackGap(b []byte) *sink.Gap {
	uvarint := func() uint64 {
		n, size := binary.Uvarint(b)
		b = b[size:]
		return n
	}
	text := func() string {
		size := uvarint()
		s := string(b[:size])
		b = b[size:]
		return s
	}
	return &sink.Gap{First: uvarint(), Last: uvarint(), Producer: text(), App: text(), Host: text(), Cause: text()}
}
