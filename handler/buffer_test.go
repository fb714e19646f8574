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

// levelsOf are the levels of the letters in the buffer's tests.
var levelsOf = map[rune]slog.Level{'d': slog.LevelDebug, 'i': slog.LevelInfo, 'w': slog.LevelWarn, 'e': slog.LevelError}

// ten is what a record of ten bytes costs.
const ten = headSize + 10

// putAll puts a record of ten bytes for each letter.
func putAll(b *buffer, letters string) {
	for _, l := range letters {
		_ = b.put(0, levelsOf[l], time.Time{}, []byte(strings.Repeat(string(l), 10)), 0)
	}
}

// takeAll takes n records at most.
func takeAll(b *buffer, n int) []entry {
	records, _ := b.take(nil, n, 1<<30)
	return records
}

// drain takes everything, and returns a letter and the sequence number of each.
func drain(b *buffer) (out []string) {
	for {
		next := takeAll(b, 3)
		if len(next) == 0 {
			return out
		}
		for i := range next {
			out = append(out, fmt.Sprintf("%c%d", next[i].body[0], next[i].seq))
		}
		b.settle(next, confirmed)
	}
}

func TestFullBufferDropsByPolicy(t *testing.T) {
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
			b := newBuffer(4*ten, tt.overflow, 0)
			putAll(b, tt.put)
			l, accepted, records, bytes := b.snapshot()
			if records != 4 || bytes != 4*ten || accepted != uint64(len(tt.put)) || l.dropped[shed].total() != uint64(len(tt.put)-4) {
				t.Errorf("got %d records of %d bytes, %d accepted, ledger %+v", records, bytes, accepted, l)
			}
			if got := strings.Join(drain(b), " "); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestRecordsInTheWindowAreNotDropped(t *testing.T) {
	b := newBuffer(4*ten, ShedByLevel, 0)
	putAll(b, "dddd")
	out := takeAll(b, 3)
	putAll(b, "ee") // d4 makes room for e5, and that for e6; d1 to d3 are on their way
	b.giveBack(out)
	if got, want := strings.Join(drain(b), " "), "d1 d2 d3 e6"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestRecordLargerThanTheBufferIsDropped(t *testing.T) {
	for _, overflow := range []Overflow{ShedByLevel, DropOldest, Block} {
		b := newBuffer(headSize+5, overflow, time.Hour)
		putAll(b, "e")
		if l, _, records, _ := b.snapshot(); l.dropped[shed].total() != 1 || records != 0 {
			t.Errorf("overflow %d: got ledger %+v", overflow, l)
		}
	}
}

func TestBlockWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBuffer(2*ten, Block, time.Minute)
		start := time.Now()
		putAll(b, "ii")
		time.AfterFunc(10*time.Second, func() {
			b.settle(takeAll(b, 1), confirmed)
		})
		putAll(b, "i")
		if waited := time.Since(start); waited != 10*time.Second {
			t.Errorf("waited %v, want 10s", waited)
		}
		putAll(b, "i")
		if waited := time.Since(start); waited != 70*time.Second {
			t.Errorf("gave up after %v, want a minute", waited-10*time.Second)
		}
		if l, _, _, _ := b.snapshot(); l.dropped[shed].total() != 1 {
			t.Errorf("got ledger %+v, want 1 shed", l)
		}
	})
}

func TestCloseWakesWhoWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBuffer(ten, Block, time.Hour)
		putAll(b, "i")
		failed := make(chan error)
		go func() { failed <- b.put(0, slog.LevelInfo, time.Time{}, []byte("0123456789"), 0) }()
		synctest.Wait()
		b.close()
		if err := <-failed; !errors.Is(err, ErrClosed) {
			t.Errorf("got %v, want ErrClosed", err)
		}
	})
}

func TestFlushWaitsForWhatCameBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBuffer(1000, ShedByLevel, 0)
		putAll(b, "iii")
		done := make(chan error)
		go func() { done <- b.flush(context.Background()) }()
		synctest.Wait()
		putAll(b, "iii")
		out := takeAll(b, 10)
		b.settle(out[:2], confirmed)
		synctest.Wait()
		select {
		case <-done:
			t.Error("flush returned with a record left")
		default:
		}
		b.settle(out[2:3], confirmed)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestFlushEndsWithItsContext(t *testing.T) {
	b := newBuffer(1000, ShedByLevel, 0)
	putAll(b, "i")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.flush(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func TestWhatComesBackIsTakenFirst(t *testing.T) {
	b := newBuffer(1000, ShedByLevel, 0)
	putAll(b, "iwedi")
	first := takeAll(b, 4)
	b.giveBack([]entry{first[3], first[1]})
	b.giveBack([]entry{first[2]})
	putAll(b, "w")
	b.settle(first[:1], confirmed)
	if got, want := strings.Join(drain(b), " "), "w2 e3 d4 i5 w6"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// What came back is shed like what was never taken, and is told as what it was.
func TestWhatCameBackIsShedByRank(t *testing.T) {
	b := newBuffer(4*ten, ShedByLevel, 0)
	putAll(b, "ddde")
	out := takeAll(b, 4)
	out[0].flags |= published
	out[1].flags |= refused
	b.giveBack(out)
	putAll(b, "eeee")
	l, _, records, bytes := b.snapshot()
	if l.unknown != 1 || l.dropped[nacked].total() != 1 || l.dropped[shed].total() != 2 || records != 4 || bytes != 4*ten {
		t.Errorf("got %d records of %d bytes, ledger %+v", records, bytes, l)
	}
	next := takeAll(b, 10)
	if len(next) != 4 || next[0].missing != 4 {
		t.Errorf("got %d records, %d missing before the first", len(next), next[0].missing)
	}
}

// TestBufferAccountsForEveryRecord lets random operations run against a model.
func TestBufferAccountsForEveryRecord(t *testing.T) {
	for seed := range uint64(80) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		overflow := []Overflow{ShedByLevel, DropOldest}[seed%2]
		b := newBuffer(300_000, overflow, 0)
		if seed%4 >= 2 {
			b = inboxed(300_000, overflow)
		}
		bodies := map[uint64]string{}
		var out []entry
		for range 1000 {
			switch rnd.IntN(5) {
			case 0, 1:
				size := 1 + rnd.IntN(2000)
				if rnd.IntN(50) == 0 {
					size = 1 + rnd.IntN(2*chunkSize)
				}
				body := strings.Repeat(string(rune('a'+rnd.IntN(26))), size)
				f := flags(0)
				if rnd.IntN(50) == 0 {
					f = substitute
				}
				_ = b.put(rnd.Uint32(), slog.Level(rnd.IntN(16)-6), time.Time{}, []byte(body), f)
				bodies[b.issued.Load()] = body
			case 2:
				out, _ = b.take(out, 1+rnd.IntN(50), rnd.IntN(100_000))
			case 3:
				n := rnd.IntN(len(out) + 1)
				b.settle(out[:n], []outcome{confirmed, confirmed, confirmed, tooLarge, unknown}[rnd.IntN(5)])
				out = out[n:]
			case 4:
				rnd.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
				n := rnd.IntN(len(out) + 1)
				for i := range out[:n] {
					out[i].flags |= []flags{0, 0, published, refused}[rnd.IntN(4)]
				}
				b.giveBack(out[:n])
				out = out[n:]
			}
			inWindow := 0
			for i := range out {
				e := &out[i]
				inWindow += e.cost()
				if string(e.body) != bodies[e.seq] {
					t.Fatalf("seed %d: record %d has changed in the window", seed, e.seq)
				}
			}
			l, accepted, records, bytes := b.snapshot()
			if got := accountedFor(&l) + uint64(records); got != accepted || bytes > b.limit || bytes < inWindow {
				t.Fatalf("seed %d: accepted %d, accounted for %d: %+v, %d records of %d bytes in hand", seed, accepted, got, l, records, bytes)
			}
		}
		b.close()
		left, dropped := b.abandon()
		l, accepted, records, bytes := b.snapshot()
		if accountedFor(&l) != accepted || records != 0 || bytes != 0 || left < 0 || dropped < 0 {
			t.Fatalf("seed %d: accepted %d, accounted for %d: %+v", seed, accepted, accountedFor(&l), l)
		}
	}
}

func accountedFor(l *ledger) uint64 {
	total := l.confirmed + l.unknown
	for _, n := range l.dropped {
		total += n.total()
	}
	return total
}

func TestPutWakesAnIdlePublisherOnce(t *testing.T) {
	b := newBuffer(1000, ShedByLevel, 0)
	_, seen := b.take(nil, 10, 1000)
	b.arm(seen)
	putAll(b, "iii")
	if len(b.wake) != 1 {
		t.Fatal("not woken")
	}
	<-b.wake
	next, seen := b.take(nil, 10, 1000)
	if len(next) != 3 || !slices.IsSortedFunc(next, func(a, b entry) int { return int(a.seq) - int(b.seq) }) {
		t.Errorf("got %d records, want 3 in order", len(next))
	}
	putAll(b, "i")
	if b.arm(seen); len(b.wake) != 1 {
		t.Error("not woken by what came before it was armed")
	}
}
