package handler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// levelsOf are the levels of the letters in the queue's tests.
var levelsOf = map[rune]slog.Level{'d': slog.LevelDebug, 'i': slog.LevelInfo, 'w': slog.LevelWarn, 'e': slog.LevelError}

// putAll puts a record of ten bytes for each letter.
func putAll(q *queue, letters string) {
	for _, l := range letters {
		_ = q.put(0, levelsOf[l], time.Time{}, []byte(strings.Repeat(string(l), 10)), true)
	}
}

// drain takes everything, and returns a letter and the sequence number of each.
func drain(q *queue) (out []string) {
	for {
		next := q.fill(3, 0, 3)
		if len(next) == 0 {
			return out
		}
		for i := range next {
			out = append(out, fmt.Sprintf("%c%d", next[i].body()[0], next[i].seq))
		}
		q.settle(len(next), confirmed)
	}
}

func TestFullQueueDropsByPolicy(t *testing.T) {
	for _, tt := range []struct {
		name     string
		overflow Overflow
		put      string // into room for four
		want     string
	}{
		{"nothing while there is room", ShedByLevel, "diwe", "d1 i2 w3 e4"},
		{"the lowest level first", ShedByLevel, "edwie", "e1 w3 i4 e5"},
		{"the oldest of the lowest level", ShedByLevel, "didie", "i2 d3 i4 e5"},
		{"info once no debug is left", ShedByLevel, "dieeee", "e3 e4 e5 e6"},
		{"warn before error", ShedByLevel, "weeee", "e2 e3 e4 e5"},
		{"the oldest among equals", ShedByLevel, "iiiiii", "i3 i4 i5 i6"},
		{"a new one below all others", ShedByLevel, "wwwwdi", "w1 w2 w3 w4"},
		{"the oldest whatever its level", DropOldest, "eeeedd", "e3 e4 d5 d6"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q := newQueue(40, tt.overflow, 0)
			putAll(q, tt.put)
			l, accepted, records, bytes := q.snapshot()
			if records != 4 || bytes != 40 || accepted != uint64(len(tt.put)) || l.dropped[shed].total() != uint64(len(tt.put)-4) {
				t.Errorf("got %d records of %d bytes, %d accepted, ledger %+v", records, bytes, accepted, l)
			}
			if got := strings.Join(drain(q), " "); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestRecordsInTheWindowAreNotDropped(t *testing.T) {
	q := newQueue(40, ShedByLevel, 0)
	putAll(q, "dddd")
	q.fill(3, 0, 3)
	putAll(q, "ee") // d4 makes room, then e5; d1 to d3 are on their way
	if got, want := strings.Join(drain(q), " "), "d1 d2 d3 e6"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestRecordLargerThanTheBufferIsDropped(t *testing.T) {
	for _, overflow := range []Overflow{ShedByLevel, DropOldest, Block} {
		q := newQueue(5, overflow, time.Hour)
		putAll(q, "e")
		if l, _, records, _ := q.snapshot(); l.dropped[shed].total() != 1 || records != 0 {
			t.Errorf("overflow %d: got ledger %+v", overflow, l)
		}
	}
}

func TestBlockWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(20, Block, time.Minute)
		start := time.Now()
		putAll(q, "ii")
		time.AfterFunc(10*time.Second, func() {
			q.fill(1, 0, 1)
			q.settle(1, confirmed)
		})
		putAll(q, "i")
		if waited := time.Since(start); waited != 10*time.Second {
			t.Errorf("waited %v, want 10s", waited)
		}
		putAll(q, "i")
		if waited := time.Since(start); waited != 70*time.Second {
			t.Errorf("gave up after %v, want a minute", waited-10*time.Second)
		}
		if l, _, _, _ := q.snapshot(); l.dropped[shed].total() != 1 {
			t.Errorf("got ledger %+v, want 1 shed", l)
		}
	})
}

func TestCloseWakesWhoWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(10, Block, time.Hour)
		putAll(q, "i")
		failed := make(chan error)
		go func() { failed <- q.put(0, slog.LevelInfo, time.Time{}, []byte("0123456789"), true) }()
		synctest.Wait()
		q.close()
		if err := <-failed; !errors.Is(err, ErrClosed) {
			t.Errorf("got %v, want ErrClosed", err)
		}
	})
}

func TestFlushWaitsForWhatCameBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1000, ShedByLevel, 0)
		putAll(q, "iii")
		done := make(chan error)
		go func() { done <- q.flush(context.Background()) }()
		synctest.Wait()
		putAll(q, "iii")
		q.fill(10, 0, 10)
		q.settle(2, confirmed)
		synctest.Wait()
		select {
		case <-done:
			t.Error("flush returned with a record left")
		default:
		}
		q.settle(1, confirmed)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestFlushEndsWithItsContext(t *testing.T) {
	q := newQueue(1000, ShedByLevel, 0)
	putAll(q, "i")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := q.flush(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func TestRefusedRecordIsTriedAgainBehindTheOthers(t *testing.T) {
	q := newQueue(1000, ShedByLevel, 0)
	putAll(q, "iwe")
	q.fill(3, 0, 3)
	if !q.retry() || string(q.window[0].body()[:1]) != "w" || string(q.window[2].body()[:1]) != "i" {
		t.Errorf("got window %v", q.window)
	}
	q.settle(2, confirmed)
	if !q.retry() {
		t.Error("given up at the second refusal")
	}
	if q.retry() {
		t.Error("not given up at the third refusal")
	}
	q.settle(1, givenUp)
	if l, _, records, _ := q.snapshot(); l.dropped[refused].total() != 1 || l.confirmed != 2 || records != 0 {
		t.Errorf("got ledger %+v", l)
	}
}

// TestQueueAccountsForEveryRecord lets random operations run against a model.
func TestQueueAccountsForEveryRecord(t *testing.T) {
	for seed := range uint64(60) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		overflow := []Overflow{ShedByLevel, DropOldest}[seed%2]
		q := newQueue(300_000, overflow, 0)
		if seed%4 >= 2 {
			q = inboxed(300_000, overflow)
		}
		bodies := map[uint64]string{}
		sent, last, came := 0, uint64(0), uint64(0)
		for range 1000 {
			switch rnd.IntN(4) {
			case 0, 1:
				size := rnd.IntN(2000)
				if rnd.IntN(100) == 0 {
					size = rnd.IntN(2 * chunkSize)
				}
				body := strings.Repeat(string(rune('a'+rnd.IntN(26))), size)
				_ = q.put(rnd.Uint32(), slog.Level(rnd.IntN(16)-6), time.Time{}, []byte(body), rnd.IntN(50) > 0)
				bodies[q.issued.Load()] = body
			case 2:
				next := q.fill(50, sent, 20)
				for i := range next {
					if next[i].seq <= last {
						t.Fatalf("seed %d: record %d after %d", seed, next[i].seq, last)
					}
					last = next[i].seq
					came++
					if next[i].missing+came-q.refused != last {
						t.Fatalf("seed %d: record %d, the %dth to come, has %d missing before it", seed, last, came, next[i].missing)
					}
				}
				sent += len(next)
			case 3:
				n := rnd.IntN(sent + 1)
				q.settle(n, []outcome{confirmed, confirmed, confirmed, givenUp, unknown}[rnd.IntN(5)])
				sent -= n
			}
			for i := range q.window {
				if e := &q.window[i]; string(e.body()) != bodies[e.seq] {
					t.Fatalf("seed %d: record %d has changed in the window", seed, e.seq)
				}
			}
			l, accepted, records, bytes := q.snapshot()
			lost := l.dropped[shed].total() + l.dropped[oversize].total() + l.dropped[refused].total()
			inHand := accepted - l.confirmed - l.unknown - lost
			// The substitute of a record that was too large is in hand, but not counted.
			if inHand > uint64(records) || bytes > q.limit {
				t.Fatalf("seed %d: accepted %d, ledger %+v, %d records of %d bytes in hand", seed, accepted, l, records, bytes)
			}
		}
		q.close()
		left, dropped := q.abandon()
		l, accepted, records, bytes := q.snapshot()
		total := l.confirmed + l.unknown
		for _, n := range l.dropped {
			total += n.total()
		}
		if total != accepted || records != 0 || bytes != 0 || left > sent || dropped < 0 {
			t.Fatalf("seed %d: accepted %d, accounted for %d: %+v", seed, accepted, total, l)
		}
	}
}

func TestPutWakesAnIdlePublisherOnce(t *testing.T) {
	q := newQueue(1000, ShedByLevel, 0)
	q.fill(10, 0, 10)
	putAll(q, "iii")
	if len(q.wake) != 1 {
		t.Fatal("not woken")
	}
	<-q.wake
	next := q.fill(10, 0, 10)
	if len(next) != 3 || !slices.IsSortedFunc(next, func(a, b entry) int { return int(a.seq) - int(b.seq) }) {
		t.Errorf("got %d records, want 3 in order", len(next))
	}
}
