package faults

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/slogcast/slogcast/handler"
	"github.com/slogcast/slogcast/internal/brokertest"
	"github.com/slogcast/slogcast/sink"
)

// lookBack are the sizes of TestHistoryOverCuts.
type lookBack struct {
	records, rate, tails int // of all three producers
	since                time.Duration
}

// TestHistoryOverCuts has three producers log while tails begin in the past, at
// moments of their own, and lose their connection twice each: each has every
// record from its start on once, or tells the gap. With -full, 100,000 records and
// ten tails that begin 30 s ago.
func TestHistoryOverCuts(t *testing.T) {
	size := lookBack{6000, 3000, 4, time.Second}
	if *full {
		size = lookBack{100_000, 2500, 10, 30 * time.Second}
	}
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		r := start(t, b, "history: tails that begin in the past, cut twice each", false)
		r.keepHistory()
		var loads []func()
		for range 3 {
			a := r.produce(b.URL, handler.Options{Buffer: 64 << 20}, 0)
			loads = append(loads, a.load(size.rate/3))
		}
		began, lasts := time.Now(), time.Duration(size.records)*time.Second/time.Duration(size.rate)
		var tails []*backward
		var running sync.WaitGroup
		for range size.tails {
			tl := &backward{run: r, at: began.Add(rand.N(lasts)), cuts: []time.Duration{rand.N(lasts / 4), rand.N(lasts / 4)}, since: size.since, proxy: r.proxy(), cut: make(chan struct{}), seen: newSightings(), times: recordTimes{}}
			tl.ctx, tl.stop = context.WithCancel(context.Background())
			tails = append(tails, tl)
			running.Go(tl.watch)
		}
		wait(time.Until(began.Add(lasts)))
		for _, stop := range loads {
			stop()
		}
		for _, a := range r.producers {
			a.closeClean()
		}
		all := r.drain()
		late, known := time.Now().Add(patience), recordTimes{}
		for _, tl := range tails {
			<-tl.cut
			for !tl.has(all) && time.Now().Before(late) {
				wait(10 * time.Millisecond)
			}
			tl.stop()
		}
		running.Wait()
		for _, tl := range tails {
			for id, times := range tl.times {
				for seq, at := range times {
					known.note(id, seq, at)
				}
			}
		}
		shown := 0
		for _, tl := range tails {
			shown += tl.check(all, known)
		}
		for _, c := range r.closers {
			c()
		}
		back(t, r.before, soon)
		t.Logf("%d records in %v, %d shown by %d tails", len(all.byRecord), lasts, shown, size.tails)
	})
}

// keepHistory makes the stream, which goes with the run.
func (r *run) keepHistory() {
	cfg := sink.Config{URL: r.broker.URL, Exchange: r.exchange}
	if _, err := sink.CreateHistory(r.t.Context(), cfg, sink.Retention{MaxBytes: 1e9}); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		r.broker.Use(r.t, func(ch *amqp.Channel) {
			if _, err := ch.QueueDelete(sink.HistoryName(r.exchange), false, false, false); err != nil {
				r.t.Error(err)
			}
		})
	})
}

// backward is a tail that begins in the past.
type backward struct {
	run   *run
	at    time.Time       // when it begins
	cuts  []time.Duration // one after the other, from then on
	since time.Duration
	proxy *brokertest.Proxy
	ctx   context.Context
	stop  context.CancelFunc
	cut   chan struct{} // closed when the cuts are done
	from  time.Time     // that it asked for
	err   error

	mu    sync.Mutex // guards times
	times recordTimes

	// Owned by Tail's goroutine, and its Writer's, until watch returns.
	seen   *sightings
	notice []string
}

// recordTimes are the times of records, by producer and number.
type recordTimes map[string]map[uint64]time.Time

func (r recordTimes) note(id string, seq uint64, at time.Time) {
	if r[id] == nil {
		r[id] = map[uint64]time.Time{}
	}
	r[id][seq] = at
}

// has reports whether the last record of each producer has come.
func (b *backward) has(all *sightings) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, has := range all.handlers {
		if _, ok := b.times[id][has.last]; !ok {
			return false
		}
	}
	return true
}

// watch runs the tail until it is stopped.
func (b *backward) watch() {
	wait(time.Until(b.at))
	b.from = time.Now().Add(-b.since)
	go func() {
		defer close(b.cut)
		for _, after := range b.cuts {
			wait(after)
			b.proxy.Cut()
		}
	}()
	b.err = sink.Tail(b.ctx, sink.Config{
		URL: b.proxy.URL, Exchange: b.run.exchange, Queue: sink.Queue{History: true, From: sink.Offset{Since: b.from}},
		Notify: func(n sink.Notice) {
			b.notice = append(b.notice, n.String())
			if n.Gap != nil {
				b.seen.tell(n.Gap)
			}
			if n.Filled != nil {
				b.seen.takeBack(n.Filled)
			}
		},
	}, b)
}

// Write notes the records.
func (b *backward) Write(_ context.Context, records []sink.Record) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range records {
		rec := &records[i]
		b.seen.see(rec.Producer, rec.Seq, rec.Body, b.run.attempted)
		at, _ := rec.Time()
		b.times.note(rec.Producer, rec.Seq, at)
	}
	return nil
}

// check compares what a tail has shown and told with what the broker took. known are
// the times of the records that any tail has shown. It returns how many were shown.
func (b *backward) check(all *sightings, known recordTimes) (shown int) {
	t := b.run.t
	t.Helper()
	if b.err != nil {
		t.Errorf("tail: %v", b.err)
	}
	b.run.foreign("tail showed", b.seen)
	for id, has := range all.handlers {
		got := b.seen.handler(id)
		first := has.last + 1
		for seq := range got.times {
			first = min(first, seq)
		}
		shown += len(got.times)
		if first > has.last {
			t.Errorf("tail since %v: nothing of producer %s is shown: %q", b.from, all.names[id], b.notice)
			continue
		}
		var missing, repeats int
		for seq := first; seq <= has.last; seq++ {
			if has.times[seq] > 0 && got.times[seq] == 0 && !got.told[seq] {
				missing++
			}
		}
		repeats = got.repeats()
		// The record before the first one shown must be too old.
		if at, ok := known[id][first-1]; ok && !at.Before(b.from) {
			missing++
		}
		if missing+repeats+got.late > 0 {
			t.Errorf("tail since %s: of producer %s %d are missing, %d came again, %d out of order; it begins with #%d of %s, ends with #%d of %d: %q",
				b.from.Format("05.000"), all.names[id], missing, repeats, got.late, first, b.times[id][first].Format("05.000"), got.last, has.last, fmt.Sprint(b.notice))
		}
	}
	return shown
}

// TestHistoryFirstRecord measures how long a tail that begins a second ago takes to
// its first record, at the end of a stream of 10 million records in batches, and of
// a million without. It is about the disk, which the embedded broker does without.
func TestHistoryFirstRecord(t *testing.T) {
	if !*full {
		t.Log("not measured: it needs -full")
		return
	}
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		if b.Name == "embedded" {
			return
		}
		firstRecord(t, b, 10_000_000, 100)
		firstRecord(t, b, 1_000_000, 1)
	})
}

func firstRecord(t *testing.T, b *brokertest.Broker, records, batch int) {
	exchange := b.Exchange(t)
	cfg := sink.Config{URL: b.URL, Exchange: exchange, Queue: sink.Queue{History: true}}
	if _, err := sink.CreateHistory(t.Context(), cfg, sink.Retention{MaxBytes: 10e9}); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := sink.DeleteHistory(context.Background(), cfg); err != nil {
			t.Error(err)
		}
	}()
	h, err := handler.New(b.URL, &handler.Options{
		Exchange: exchange, Buffer: 64 << 20, Overflow: handler.Block, BlockTimeout: patience, Batch: handler.Batch{Records: batch},
	})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(h)
	for n := range records {
		log.Info("numbered", "n", n, "fill", "a record of a usual length, as services write it", "path", "/cart/checkout")
	}
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		publish(t, b, exchange, 1)
		began := time.Now()
		cfg.Queue.From.Since = began.Add(-time.Second)
		ctx, stop := context.WithTimeout(t.Context(), soon)
		first := &firstWrite{stop: stop}
		if err := sink.Tail(ctx, cfg, first); err != nil || first.at.IsZero() {
			t.Fatalf("no record came: %v", err)
		}
		t.Logf("%d records, %d a message: the first of the last second after %v", records, batch, first.at.Sub(began).Round(time.Millisecond))
	}
}

// firstWrite is a Writer that ends its Tail.
type firstWrite struct {
	stop func()
	at   time.Time
}

func (f *firstWrite) Write(context.Context, []sink.Record) error {
	if f.at.IsZero() {
		f.at = time.Now()
	}
	f.stop()
	return nil
}
