package handler

import "log/slog"

// Overflow says what happens to records when the buffer is full.
type Overflow int

const (
	// ShedByLevel makes room by dropping the oldest record of the lowest level
	// present: DEBUG goes first, then INFO, then WARN, and ERROR last. A new
	// record below everything that is kept is dropped itself.
	ShedByLevel Overflow = iota

	// DropOldest makes room by dropping the oldest record.
	DropOldest

	// Block makes Handle wait for room, at most Options.BlockTimeout; then the
	// new record is dropped.
	Block
)

// ranks are the classes of levels that ShedByLevel tells apart.
const ranks = 4

func rank(l slog.Level) int {
	switch {
	case l < slog.LevelInfo:
		return 0
	case l < slog.LevelWarn:
		return 1
	case l < slog.LevelError:
		return 2
	}
	return 3
}

// makeRoomLocked drops waiting records, as the policy has it, until n more
// bytes fit. It reports false when the new record itself has to go.
func (b *buffer) makeRoomLocked(n, newRank int) bool {
	if n > b.limit {
		return false
	}
	for b.bytes+n > b.limit {
		victim := b.victimLocked(newRank)
		if victim == nil {
			return false
		}
		b.shedLocked(victim)
	}
	return true
}

// shedLocked drops the oldest record of f.
func (b *buffer) shedLocked(f *fifo) {
	oldest := f.oldest()
	if b.fallback != nil || len(b.flushes) > 0 || b.progress != nil || flagsAt(oldest) != 0 {
		e := f.pop()
		b.giveUpLocked(shed, &e)
		b.movedLocked()
		return
	}
	n, r := sizeAt(oldest), rank(levelAt(oldest))
	b.ledger.dropped[shed][r]++
	b.loss.tally[r]++
	b.bytes -= cost(n)
	b.entries--
	b.pending--
	f.drop(n)
}

// victimLocked returns the fifo whose oldest record is to be dropped for one
// of rank newRank, nil when there is none.
func (b *buffer) victimLocked(newRank int) *fifo {
	switch b.overflow {
	case DropOldest:
		return b.oldestLocked()
	case ShedByLevel:
		for r := range newRank + 1 {
			if f := b.waiting[r].oldest(); !f.empty() {
				return f
			}
		}
	}
	return nil
}
