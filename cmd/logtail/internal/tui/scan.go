package tui

import (
	"time"

	"github.com/slogcast/slogcast/cmd/logtail/internal/view"
)

// scanner looks at the rows: it learns facts of new ones, keeps the index of what
// is shown, and seeks. It does so in slices of time between keys, on the
// goroutine of the model.
type scanner struct {
	ring   *view.Ring
	cursor *view.Cursor
	facts  facts
	index  index
	choice choice
	seek   *seek // nil when nothing is sought

	onApp func() // a new app has come
}

const (
	sliceTime = 5 * time.Millisecond // a key waits for two of them at most
	sliceRows = 64                   // between two looks at the clock
)

// work goes on with what is to be done for a slice of time, and reports whether
// there is more.
func (s *scanner) work(now func() time.Time) (more bool) {
	bounds := s.ring.Stats()
	s.forget(bounds.First)
	end := now().Add(sliceTime)
	for {
		busy := s.learn(bounds.Next)
		busy = s.lookForward() || busy
		busy = s.lookBack() || busy
		if !busy {
			busy = s.seekOn()
		}
		if !busy {
			return false
		}
		if !now().Before(end) {
			return true
		}
	}
}

// read returns the row at a position, nil when it has left the ring. It is valid
// until the next call.
func (s *scanner) read(position uint64) *view.Row {
	if s.cursor.Pos() != position {
		s.cursor.Seek(position)
	}
	row, ok := s.cursor.Next()
	if !ok || row.Pos != position || row.Kind == view.Skipped {
		return nil
	}
	return row
}

// forget drops what has left the ring.
func (s *scanner) forget(first uint64) {
	if s.facts.next() < first {
		s.facts.forget(first)
		s.index.forget(first)
		s.index.high = first
		return
	}
	s.facts.forget(first)
	s.index.forget(first)
}

// learn reads new rows, some at a time.
func (s *scanner) learn(next uint64) bool {
	for range sliceRows {
		position := s.facts.next()
		if position >= next {
			return false
		}
		row := s.read(position)
		if s.facts.learn(row) {
			s.onApp()
		}
		if s.index.high == position {
			// It is at hand now, and need not be read again.
			s.index.high++
			if row != nil && s.choice.passFact(&s.facts, s.facts.at(position)) && s.choice.passRow(row) {
				s.index.newer = append(s.index.newer, position)
			}
		}
	}
	return true
}

// passes reports whether a row that facts knows is shown.
func (s *scanner) passes(position uint64) bool {
	if !s.choice.passFact(&s.facts, s.facts.at(position)) {
		return false
	}
	if s.choice.lifted || s.choice.filter == nil {
		return true
	}
	row := s.read(position)
	return row != nil && s.choice.passRow(row)
}

func (s *scanner) lookForward() bool {
	for range sliceRows {
		if s.index.high >= s.facts.next() {
			return false
		}
		if s.passes(s.index.high) {
			s.index.newer = append(s.index.newer, s.index.high)
		}
		s.index.high++
	}
	return true
}

func (s *scanner) lookBack() bool {
	for range sliceRows {
		if s.index.low <= s.facts.first {
			return false
		}
		s.index.low--
		if s.passes(s.index.low) {
			s.index.older = append(s.index.older, s.index.low)
		}
	}
	return true
}

// choose changes what is shown, and looks from a position outwards.
func (s *scanner) choose(c choice, from uint64) {
	s.choice = c
	s.index.restart(min(max(from, s.facts.first), s.facts.next()))
}

// looked returns the share of the rows that have been looked at, in per cent.
func (s *scanner) looked() int {
	if len(s.facts.of) == 0 {
		return 100
	}
	return int((s.index.high - s.index.low) * 100 / uint64(len(s.facts.of)))
}

// seek is a search among the rows that are shown.
type seek struct {
	what    string // that is sought, for messages
	pass    func(position uint64) bool
	forward bool
	at      uint64 // the last that was looked at
	found   func(position uint64)
	missed  func()
}

// seekOn looks at some more rows.
func (s *scanner) seekOn() bool {
	for range sliceRows {
		if s.seek == nil {
			return false
		}
		k := s.seek
		next, ok := s.index.before(k.at)
		if k.forward {
			next, ok = s.index.after(k.at)
		}
		switch {
		case !ok:
			s.seek = nil
			k.missed()
		case k.pass(next):
			s.seek = nil
			k.found(next)
		}
		k.at = next
	}
	return true
}
