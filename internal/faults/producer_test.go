package faults

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slogcast/slogcast/handler"
)

// producer is a Handler with the records given to it.
type producer struct {
	run  *run
	name string
	h    *handler.Handler
	fill string

	// control is given the same records as h, to tell what of h's times is the
	// machine's. It is nil in the quick part.
	control slog.Handler
	errs    chan error // what OnError was told, as far as there was room

	attempted atomic.Int64
	closed    bool
	left      bool // closed while records were in it: the last may be missed

	mu        sync.Mutex      // guards what follows
	latencies []time.Duration // of Handle
	controls  []time.Duration // of slog.JSONHandler, for some of the same records
}

// produce makes a Handler that publishes to url. Each of its records has fill
// bytes more than it needs.
func (r *run) produce(url string, opts handler.Options, fill int) *producer {
	r.t.Helper()
	p := &producer{
		run:  r,
		fill: strings.Repeat("x", fill),
		errs: make(chan error, 10_000),
	}
	opts.Exchange, opts.App = r.exchange, "faults"
	opts.OnError = func(err error) {
		select {
		case p.errs <- err:
		default:
		}
	}
	h, err := handler.New(url, &opts)
	if err != nil {
		r.t.Fatal(err)
	}
	p.h = h
	if *full {
		p.control = slog.NewJSONHandler(io.Discard, nil)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	p.name = string(rune('a'+len(r.producers)%26)) + strings.Repeat("'", len(r.producers)/26)
	r.producers = append(r.producers, p)
	return p
}

// log gives the next record to the Handler, and keeps how long that took.
func (p *producer) log() { p.logAt(time.Now()) }

// logAt is log with a record of another time.
func (p *producer) logAt(at time.Time) {
	n := int(p.attempted.Add(1))
	r := slog.NewRecord(at, slog.LevelInfo, "numbered", 0)
	r.AddAttrs(slog.String("p", p.name), slog.Int("n", n), slog.String("sum", sum(p.name, n)))
	if p.fill != "" {
		r.AddAttrs(slog.String("fill", p.fill))
	}
	start := time.Now()
	_ = p.h.Handle(context.Background(), r) // counted by the Handler
	took := time.Since(start)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.latencies = append(p.latencies, took)
	if p.control != nil {
		start = time.Now()
		_ = p.control.Handle(context.Background(), r)
		p.controls = append(p.controls, time.Since(start))
	}
}

// load logs at a rate, a second's records, from a goroutine of its own until
// the function that it returns is called. What could not be logged in time is
// logged later.
func (p *producer) load(rate int) (stop func()) {
	end := make(chan struct{})
	var working sync.WaitGroup
	working.Go(func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		start, done := time.Now(), 0
		for {
			select {
			case <-end:
				return
			case <-tick.C:
			}
			for due := int(time.Since(start).Seconds() * float64(rate)); done < due; done++ {
				p.log()
			}
		}
	})
	return sync.OnceFunc(func() {
		close(end)
		working.Wait()
	})
}

// await waits until the Handler's Stats are as wanted, and returns how long
// that took. Stats have no event of their own.
func (p *producer) await(what string, within time.Duration, want func(handler.Stats) bool) time.Duration {
	p.run.t.Helper()
	start := time.Now()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		s := p.h.Stats()
		took := time.Since(start)
		if want(s) {
			return took
		}
		if took > within {
			p.run.t.Errorf("producer %s is not %s after %v: %+v", p.name, what, took.Round(time.Millisecond), s)
			return took
		}
		<-tick.C
	}
}

// confirming waits until the broker has confirmed a record that was not when
// it was called, and returns how long that took.
func (p *producer) confirming(within time.Duration) time.Duration {
	p.run.t.Helper()
	before := p.h.Stats().Confirmed
	return p.await("confirming", within, func(s handler.Stats) bool { return s.Confirmed > before })
}

// confirmed waits until the broker has confirmed n records.
func (p *producer) confirmed(n int) {
	p.run.t.Helper()
	p.await("confirmed", soon, func(s handler.Stats) bool { return s.Confirmed >= uint64(n) })
}

// lost waits until the Handler has noticed that its connection is gone.
func (p *producer) lost(within time.Duration) time.Duration {
	p.run.t.Helper()
	return p.await("disconnected", within, func(s handler.Stats) bool { return !s.Connected })
}

// close closes the Handler, and returns how long that took.
func (p *producer) close(patience time.Duration) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	p.closed = true
	start := time.Now()
	err := p.h.Close(ctx)
	took := time.Since(start)
	p.left = err != nil
	return took, err
}

// closeClean closes the Handler when nothing hinders it.
func (p *producer) closeClean() {
	p.run.t.Helper()
	if _, err := p.close(patience); err != nil {
		p.run.t.Errorf("close producer %s: %v", p.name, err)
	}
}

// balance checks that every record is in one of the Handler's counts.
func (p *producer) balance(t *testing.T, s handler.Stats) {
	t.Helper()
	sum := s.Confirmed + s.Dropped.Total() + s.Unknown + uint64(s.PendingRecords)
	if s.Accepted != uint64(p.attempted.Load()) || s.Accepted != sum {
		t.Errorf("producer %s: %d were given to Handle, accounted for are %d: %+v", p.name, p.attempted.Load(), sum, s)
	}
	if p.closed && s.PendingRecords != 0 {
		t.Errorf("producer %s: closed, and %d records are pending", p.name, s.PendingRecords)
	}
}

// times adds Handle's p50, p99.9 and maximum to the row, and the p99.9 of the
// control.
func (r *run) times() {
	var handle, control []time.Duration
	for _, p := range r.producers {
		p.mu.Lock()
		handle, control = append(handle, p.latencies...), append(control, p.controls...)
		p.mu.Unlock()
	}
	slices.Sort(handle)
	slices.Sort(control)
	if n := len(handle); n > 0 {
		r.row.p50, r.row.p999, r.row.most = handle[n/2], handle[n*999/1000], handle[n-1]
	}
	if n := len(control); n > 0 {
		r.row.control = control[n*999/1000]
	}
}
