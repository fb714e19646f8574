package faults

import (
	"context"
	"sync"
	"time"

	"github.com/slogcast/slogcast/sink"
)

// tail is a sink.Tail and what it has shown and told. It is its own Writer.
type tail struct {
	run       *run
	stop      context.CancelFunc
	done      chan struct{} // closed when Tail has returned
	err       error         // of Tail, once done is closed
	connected chan struct{} // has a value for each connection

	mu   sync.Mutex // guards what follows
	seen *sightings
	gaps []sink.Gap
	gate chan struct{} // while set, Write waits for it to be closed
}

// startTail starts a Tail and waits until it is connected.
func startTail(r *run, url string) *tail {
	r.t.Helper()
	tl := launchTail(r, url)
	tl.awaitConnected()
	return tl
}

// launchTail starts a Tail.
func launchTail(r *run, url string) *tail {
	ctx, stop := context.WithCancel(context.Background())
	tl := &tail{
		run: r, stop: stop, done: make(chan struct{}), connected: make(chan struct{}, 10_000),
		seen: newSightings(),
	}
	cfg := sink.Config{URL: url, Exchange: r.exchange, Queue: sink.Queue{History: r.history}, ReuseRecords: true, Notify: tl.notify}
	go func() {
		defer close(tl.done)
		tl.err = sink.Tail(ctx, cfg, tl)
	}()
	return tl
}

func (tl *tail) awaitConnected() {
	tl.run.t.Helper()
	select {
	case <-tl.connected:
	case <-tl.done:
		tl.run.t.Fatalf("the tail has ended: %v", tl.err)
	case <-time.After(soon):
		tl.run.t.Fatal("the tail does not connect")
	}
}

func (tl *tail) notify(n sink.Notice) {
	if n.Connected != "" {
		tl.connected <- struct{}{}
	}
	if n.Gap != nil {
		tl.mu.Lock()
		defer tl.mu.Unlock()
		tl.gaps = append(tl.gaps, *n.Gap)
		tl.seen.tell(n.Gap)
	}
	if n.Filled != nil {
		tl.mu.Lock()
		defer tl.mu.Unlock()
		tl.seen.takeBack(n.Filled)
	}
}

// Write notes the records.
func (tl *tail) Write(_ context.Context, records []sink.Record) error {
	tl.mu.Lock()
	gate := tl.gate
	tl.mu.Unlock()
	if gate != nil {
		<-gate
	}
	tl.mu.Lock()
	defer tl.mu.Unlock()
	for i := range records {
		rec := &records[i]
		tl.seen.see(rec.Producer, rec.Seq, rec.Body, tl.run.attempted)
	}
	return nil
}

// hold makes Write wait until the function that it returns is called.
func (tl *tail) hold() (release func()) {
	tl.mu.Lock()
	defer tl.mu.Unlock()
	gate := make(chan struct{})
	tl.gate = gate
	return func() {
		tl.mu.Lock()
		defer tl.mu.Unlock()
		tl.gate = nil
		close(gate)
	}
}

// last returns the highest sequence number shown of a producer.
func (tl *tail) last(name string) uint64 {
	tl.mu.Lock()
	defer tl.mu.Unlock()
	return tl.seen.of(name).last
}

// end ends the Tail.
func (tl *tail) end() {
	tl.run.t.Helper()
	tl.stop()
	select {
	case <-tl.done:
		if tl.err != nil {
			tl.run.t.Errorf("tail: %v", tl.err)
		}
	case <-time.After(soon):
		tl.run.t.Error("the tail does not end")
	}
}
