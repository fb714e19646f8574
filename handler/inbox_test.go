package handler

import (
	"encoding/binary"
	"log/slog"
	"sync"
	"testing"
	"time"
)

// inboxed returns a queue with inboxes in front, however few processors there
// are, and room for limit bytes behind them.
func inboxed(limit int, overflow Overflow) *queue {
	q := newQueue(limit, overflow, 0)
	q.limit, q.inboxes, q.gathered = limit, make([]inbox, 4), make([]letters, 4)
	return q
}

// TestEveryGoroutinesRecordsLeaveInOrder has records put and taken at once, with
// room for all and for few of them.
func TestEveryGoroutinesRecordsLeaveInOrder(t *testing.T) {
	const goroutines, each = 8, 5000
	for _, limit := range []int{1 << 20, 10_000} {
		q := inboxed(limit, DropOldest)
		var putting sync.WaitGroup
		for g := range goroutines {
			putting.Go(func() {
				for i := range each {
					var body [100]byte
					body[0] = byte(g)
					binary.BigEndian.PutUint64(body[1:], uint64(i+1))
					// Goroutines move from one processor to another.
					if err := q.put(uint32(g+i/100), slog.LevelInfo, time.Time{}, body[:], true); err != nil {
						t.Errorf("put: %v", err)
					}
				}
			})
		}
		done := make(chan struct{})
		go func() { putting.Wait(); q.close(); close(done) }()
		var last [goroutines]uint64
		var seq, came uint64
		take := func() bool {
			next := q.fill(64, 0, 64)
			for i := range next {
				e := &next[i]
				g, n := e.body()[0], binary.BigEndian.Uint64(e.body()[1:])
				if n <= last[g] || e.seq <= seq {
					t.Fatalf("record %d of goroutine %d, number %d, after %d, number %d", n, g, e.seq, last[g], seq)
				}
				if came++; e.missing != e.seq-came {
					t.Fatalf("record %d, the %dth to come, has %d missing before it", e.seq, came, e.missing)
				}
				last[g], seq = n, e.seq
			}
			q.settle(len(next), confirmed)
			return len(next) > 0
		}
		for {
			if take() {
				continue
			}
			select { // a wake that is missed lets the test hang
			case <-q.wake:
				continue
			case <-done:
			}
			if !take() {
				break
			}
		}
		l, accepted, records, bytes := q.snapshot()
		if shed := l.dropped[shed].total(); accepted != goroutines*each || l.confirmed != came || came+shed != accepted || records != 0 || bytes != 0 {
			t.Errorf("limit %d: %d accepted, %d came, %d records left, ledger %+v", limit, accepted, came, records, l)
		}
		if q.put(0, slog.LevelInfo, time.Time{}, nil, true) != ErrClosed {
			t.Error("put after close is not refused")
		}
	}
}

// TestRecordsInInboxesAreDroppedByPolicy fills the queue behind the inboxes.
func TestRecordsInInboxesAreDroppedByPolicy(t *testing.T) {
	q := inboxed(40, ShedByLevel)
	putAll(q, "wwddwi")
	l, accepted, records, bytes := q.snapshot()
	if accepted != 6 || records != 4 || bytes != 40 || l.dropped[shed] != (tally{2, 0, 0, 0}) {
		t.Errorf("got %d accepted, %d records of %d bytes, ledger %+v", accepted, records, bytes, l)
	}
	if loss, ok := q.takeLoss(); ok {
		t.Errorf("a loss is told while the queue is full: %+v", loss)
	}
	q.fill(4, 0, 4)
	q.settle(4, confirmed)
	if loss, ok := q.takeLoss(); !ok || loss.total() != 2 || loss.first.IsZero() || loss.last.Before(loss.first) {
		t.Errorf("got loss %+v", loss)
	}
}

func TestRecordLargerThanAnInboxKeepsItsPlace(t *testing.T) {
	q := inboxed(1<<20, ShedByLevel)
	putAll(q, "iw")
	if err := q.put(0, slog.LevelInfo, time.Time{}, make([]byte, inboxSize+1), true); err != nil {
		t.Fatal(err)
	}
	putAll(q, "e")
	next := q.fill(10, 0, 10)
	if len(next) != 4 || next[2].seq != 3 || next[2].size != inboxSize+1 || next[3].body()[0] != 'e' {
		t.Errorf("got %d records", len(next))
	}
}

func TestSmallQueuesAndBlockHaveNoInboxes(t *testing.T) {
	for _, q := range []*queue{newQueue(100_000, ShedByLevel, 0), newQueue(defaultBuffer, Block, 0)} {
		if len(q.inboxes) != 0 {
			t.Errorf("limit %d, overflow %d: got %d inboxes", q.limit, q.overflow, len(q.inboxes))
		}
	}
	if q := newQueue(defaultBuffer, ShedByLevel, 0); len(q.inboxes) == 0 || q.limit+len(q.inboxes)*inboxSize != defaultBuffer {
		t.Errorf("the default has %d inboxes, and %d bytes behind them", len(q.inboxes), q.limit)
	}
}
