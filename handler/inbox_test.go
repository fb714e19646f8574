package handler

import (
	"encoding/binary"
	"log/slog"
	"sync"
	"testing"
	"time"
)

// inboxed returns a buffer with inboxes in front, however few processors there
// are, and room for limit bytes behind them.
func inboxed(limit int, overflow Overflow) *buffer {
	b := newBuffer(limit, overflow, 0)
	b.limit, b.inboxes = limit, make([]inbox, 4)
	return b
}

// TestEveryGoroutinesRecordsLeaveInOrder has records put and taken at once, with
// room for all and for few of them.
func TestEveryGoroutinesRecordsLeaveInOrder(t *testing.T) {
	const goroutines, each = 8, 5000
	for _, limit := range []int{1 << 20, 10_000} {
		b := inboxed(limit, DropOldest)
		var putting sync.WaitGroup
		for g := range goroutines {
			putting.Go(func() {
				for i := range each {
					var body [100]byte
					body[0] = byte(g)
					binary.BigEndian.PutUint64(body[1:], uint64(i+1))
					// Goroutines move from one processor to another.
					if err := b.put(uint32(g+i/100), slog.LevelInfo, time.Time{}, body[:], 0); err != nil {
						t.Errorf("put: %v", err)
					}
				}
			})
		}
		done := make(chan struct{})
		go func() { putting.Wait(); b.close(); close(done) }()
		var last [goroutines]uint64
		var seq, came uint64
		take := func() bool {
			next := takeAll(b, 64)
			for i := range next {
				e := &next[i]
				g, n := e.body[0], binary.BigEndian.Uint64(e.body[1:])
				if n <= last[g] || e.seq <= seq {
					t.Fatalf("record %d of goroutine %d, number %d, after %d, number %d", n, g, e.seq, last[g], seq)
				}
				if came++; e.missing != e.seq-came {
					t.Fatalf("record %d, the %dth to come, has %d missing before it", e.seq, came, e.missing)
				}
				last[g], seq = n, e.seq
			}
			b.settle(next, confirmed)
			_, seen := b.take(nil, 0, 0)
			b.arm(seen)
			return len(next) > 0
		}
		for {
			if take() {
				continue
			}
			select { // a wake that is missed lets the test hang
			case <-b.wake:
				continue
			case <-done:
			}
			if !take() {
				break
			}
		}
		l, accepted, records, bytes := b.snapshot()
		if shed := l.dropped[shed].total(); accepted != goroutines*each || l.confirmed != came || came+shed != accepted || records != 0 || bytes != 0 {
			t.Errorf("limit %d: %d accepted, %d came, %d records left, ledger %+v", limit, accepted, came, records, l)
		}
		if b.put(0, slog.LevelInfo, time.Time{}, []byte("x"), 0) != ErrClosed {
			t.Error("put after close is not refused")
		}
	}
}

// TestRecordsInInboxesAreDroppedByPolicy fills the buffer behind the inboxes.
func TestRecordsInInboxesAreDroppedByPolicy(t *testing.T) {
	b := inboxed(4*ten, ShedByLevel)
	putAll(b, "wwddwi")
	l, accepted, records, bytes := b.snapshot()
	if accepted != 6 || records != 4 || bytes != 4*ten || l.dropped[shed] != (tally{2, 0, 0, 0}) {
		t.Errorf("got %d accepted, %d records of %d bytes, ledger %+v", accepted, records, bytes, l)
	}
	if loss, ok := b.takeLoss(); ok {
		t.Errorf("a loss is told while the buffer is full: %+v", loss)
	}
	b.settle(takeAll(b, 4), confirmed)
	if loss, ok := b.takeLoss(); !ok || loss.total() != 2 || loss.first.IsZero() || loss.last.Before(loss.first) {
		t.Errorf("got loss %+v", loss)
	}
}

func TestRecordLargerThanAnInboxKeepsItsPlace(t *testing.T) {
	b := inboxed(1<<20, ShedByLevel)
	putAll(b, "iw")
	if err := b.put(0, slog.LevelInfo, time.Time{}, make([]byte, inboxSize+1), 0); err != nil {
		t.Fatal(err)
	}
	putAll(b, "e")
	next := takeAll(b, 10)
	if len(next) != 4 || next[2].seq != 3 || len(next[2].body) != inboxSize+1 || next[3].body[0] != 'e' {
		t.Errorf("got %d records", len(next))
	}
}

func TestSmallBuffersAndBlockHaveNoInboxes(t *testing.T) {
	for _, b := range []*buffer{newBuffer(100_000, ShedByLevel, 0), newBuffer(defaultBuffer, Block, 0)} {
		if len(b.inboxes) != 0 {
			t.Errorf("limit %d, overflow %d: got %d inboxes", b.limit, b.overflow, len(b.inboxes))
		}
	}
	if b := newBuffer(defaultBuffer, ShedByLevel, 0); len(b.inboxes) == 0 || b.limit+len(b.inboxes)*inboxSize != defaultBuffer {
		t.Errorf("the default has %d inboxes, and %d bytes behind them", len(b.inboxes), b.limit)
	}
}
