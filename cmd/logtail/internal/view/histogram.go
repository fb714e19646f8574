package view

import (
	"context"
	"log/slog"
	"time"
)

// Levels are those that a histogram tells apart, from the one that matters
// least; the last one is that of records whose level can't be ranked.
var Levels = [...]string{"trace", "debug", "info", "warn", "error", "fatal", "other"}

// LevelIndex returns the place in Levels of a record's level.
func LevelIndex(l slog.Level, ranked bool) int {
	if !ranked {
		return len(Levels) - 1
	}
	// slog's levels are four apart; trace is below debug, fatal above error.
	return min(5, max(0, (int(l)-int(slog.LevelDebug)+4)>>2))
}

// Bar counts the records of a span of time, by Levels.
type Bar struct {
	Start time.Time
	Count [len(Levels)]uint32
}

// Histogram counts the records that the cursor comes to, in bars as wide as given,
// by their times. It looks at so many rows at most, a negative number is no
// bound, and at few more when ctx ends, and returns whether it has come to the
// end. Bars have no order, and there is none without a record.
func (c *Cursor) Histogram(ctx context.Context, width time.Duration, most int) (bars []Bar, end bool) {
	const between = 256 // rows, two looks at ctx
	place := make(map[int64]int)
	for ; most != 0; most-- {
		if most%between == 0 && ctx.Err() != nil {
			break
		}
		if !c.at.has(c.pos) {
			c.at = c.ring.part(c.pos, false)
			c.pos = max(c.pos, c.at.first)
			if !c.at.has(c.pos) {
				c.at = part{}
				return bars, true
			}
		}
		if c.query.passesOver(&c.at) {
			c.pos = c.at.next()
			continue
		}
		i := int(c.pos - c.at.first)
		c.pos++
		m := &c.at.rows[i]
		if m.kind != Record || m.time == noTime {
			continue
		}
		switch c.query.judge(m) {
		case no:
			continue
		case perhaps:
			c.at.unpack(i, &c.record)
			if !c.query.filter.Pass(&c.record) {
				continue
			}
		}
		start := m.time - (m.time%int64(width)+int64(width))%int64(width)
		at, ok := place[start]
		if !ok {
			at = len(bars)
			place[start] = at
			bars = append(bars, Bar{Start: time.Unix(0, start)})
		}
		bars[at].Count[LevelIndex(m.levelOf(), m.ranked)]++
	}
	return bars, false
}
