package view

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/slogcast/slogcast/sink"
)

// Row is a row as a cursor shows it.
type Row struct {
	Pos  uint64 // its position; that of the first one of those Skipped
	Kind Kind
	Time time.Time // of the record, or when it was noticed

	Record *sink.Record // of Kind Record
	Gap    *sink.Gap    // of Kind Gap
	Text   string       // of any other: a line for people
	Count  uint64       // of Skipped: how many rows

	Level  slog.Level // of a record, at most ±100
	Ranked bool       // the level is known, or the record has none and counts as info
}

// Cursor is a viewer's place in a ring. It is for one goroutine at a time, and
// needs no closing.
type Cursor struct {
	ring   *Ring
	query  *Query
	pos    uint64 // of the row that Next would return
	at     part   // what was last read
	row    Row
	record sink.Record // reused
}

// Cursor returns a cursor between the rows before pos and those from pos on. It
// shows what the query asks for; nil asks for all. A position that is past the
// end is that of the row to come.
func (r *Ring) Cursor(pos uint64, query *Query) *Cursor {
	c := &Cursor{ring: r, query: query}
	c.Seek(pos)
	return c
}

// Pos returns the position of the row that is looked at next.
func (c *Cursor) Pos() uint64 { return c.pos }

// Seek moves the cursor.
func (c *Cursor) Seek(pos uint64) { c.pos = min(max(pos, 1), c.ring.next()) }

func (r *Ring) next() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last().next()
}

// Next returns the next row that the query asks for. It is not ok at the end, for
// the time being; Ring.Wait tells when to ask again. Where the ring has forgotten
// what the cursor had before it, the row is of Kind Skipped. It is valid until
// the cursor is used again.
func (c *Cursor) Next() (*Row, bool) { return c.NextOf(-1) }

// NextOf is Next that looks at about so many rows at most, and then is not ok,
// too. A negative number is no bound.
func (c *Cursor) NextOf(most int) (*Row, bool) {
	for ; most != 0; most-- {
		if !c.at.has(c.pos) {
			c.at = c.ring.part(c.pos, false)
			if c.pos < c.at.first {
				return c.skip(), true
			}
			if !c.at.has(c.pos) {
				c.at = part{} // nothing of the chunk is kept for those who wait
				return nil, false
			}
		}
		if c.query.passesOver(&c.at) {
			c.pos = c.at.next()
			continue
		}
		i := int(c.pos - c.at.first)
		c.pos++
		if c.look(i) {
			return &c.row, true
		}
	}
	return nil, false
}

// Prev returns the row before the cursor that the query asks for, and moves the
// cursor before it. It is not ok at the beginning of what the ring has.
func (c *Cursor) Prev() (*Row, bool) { return c.PrevOf(-1) }

// PrevOf is Prev that looks at about so many rows at most, and then is not ok,
// too. A negative number is no bound.
func (c *Cursor) PrevOf(most int) (*Row, bool) {
	for ; most != 0; most-- {
		if !c.at.has(c.pos - 1) {
			c.at = c.ring.part(c.pos, true)
			if !c.at.has(c.pos - 1) {
				return nil, false
			}
		}
		if c.query.passesOver(&c.at) {
			c.pos = c.at.first
			continue
		}
		c.pos--
		if c.look(int(c.pos - c.at.first)) {
			return &c.row, true
		}
	}
	return nil, false
}

// skip is the row that tells of what the ring has forgotten.
func (c *Cursor) skip() *Row {
	n := c.at.first - c.pos
	c.row = Row{Pos: c.pos, Kind: Skipped, Count: n, Time: time.Now(), Text: fmt.Sprintf("skipped %d rows: they left the ring before they were read", n)}
	c.pos = c.at.first
	return &c.row
}

// look reads a row, and reports whether the query asks for it.
func (c *Cursor) look(i int) bool {
	m := &c.at.rows[i]
	verdict := c.query.judge(m)
	if verdict == no {
		return false
	}
	c.row = Row{Pos: c.at.first + uint64(i), Kind: m.kind, Time: m.at(), Level: m.levelOf(), Ranked: m.ranked}
	switch m.kind {
	case Record:
		c.at.unpack(i, &c.record)
		if verdict == perhaps && !c.query.filter.Pass(&c.record) {
			return false
		}
		c.row.Record = &c.record
	case Gap:
		g := unpackGap(c.at.bytes(i))
		g.Time = m.at()
		c.row.Gap, c.row.Text = g, g.String()
	default:
		c.row.Text = string(c.at.bytes(i))
	}
	return true
}
