package faults

import (
	"context"
	"sync"
	"time"

	"github.com/slogcast/slogcast/sink"
)

// watcher is a tail of a scenario, at the broker itself and not through what is
// broken.
type watcher struct {
	s    *trial
	stop context.CancelFunc
	done chan struct{} // closed when Tail has returned
	err  error         // of Tail, once done is closed

	ended bool       // owned by the trial
	mu    sync.Mutex // guards what follows
	seen  *sighted
	times map[uint64]int
	told  map[uint64]bool
	last  uint64
}

// watch starts a watcher and waits until it is connected.
func watch(s *trial) *watcher {
	ctx, stop := context.WithCancel(context.Background())
	w := &watcher{s: s, stop: stop, done: make(chan struct{}), seen: newSighted(), times: map[uint64]int{}, told: map[uint64]bool{}}
	connected := make(chan struct{}, 100)
	cfg := sink.Config{URL: s.b.URL, Exchange: s.exchange, ReuseRecords: true, Notify: func(n sink.Notice) {
		if n.Connected != "" {
			connected <- struct{}{}
		}
		if n.Gap != nil {
			w.mu.Lock()
			defer w.mu.Unlock()
			for _, span := range n.Gap.Spans {
				for seq := span.First; seq <= span.Last; seq++ {
					w.told[seq] = true
				}
			}
		}
		if n.Filled != nil {
			w.mu.Lock()
			defer w.mu.Unlock()
			for _, span := range n.Filled.Spans {
				for seq := span.First; seq <= span.Last; seq++ {
					delete(w.told, seq)
				}
			}
		}
	}}
	go func() {
		defer close(w.done)
		w.err = sink.Tail(ctx, cfg, w)
	}()
	select {
	case <-connected:
	case <-w.done:
	case <-time.After(soon):
		s.errorf("the tail does not connect")
	}
	return w
}

// Write notes the records.
func (w *watcher) Write(_ context.Context, records []sink.Record) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range records {
		if seq := records[i].Seq; seq > 0 {
			w.seen.see(w.s, seq, records[i].Body)
			w.times[seq]++
			w.last = max(w.last, seq)
		}
	}
	return nil
}

func (w *watcher) saw(seq uint64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.times[seq] > 0
}

// check waits for the last record that the broker got, and compares.
func (w *watcher) check(seen *sighted) {
	late := time.After(soon)
	for poll := time.Tick(time.Millisecond); seen.last > 0 && !w.saw(seen.last); {
		select {
		case <-poll:
			continue
		case <-w.done:
			w.s.errorf("the tail has ended: %v", w.err)
		case <-late:
			w.s.errorf("the tail does not show #%d", seen.last)
		}
		return
	}
	w.end() // what is missing is told a while later, or at the end
	w.mu.Lock()
	defer w.mu.Unlock()
	twice, heard := 0, false
	var silent []uint64
	var unheard uint64
	for seq := uint64(1); seq <= w.last; seq++ {
		heard = heard || w.times[seq] > 0
		switch {
		case w.times[seq] > 0 || w.told[seq]:
		case !heard && w.s.opts.Unconfirmed:
			// A tail knows what was before the first record by its producer alone, and
			// that does not know it either: Flush or Close has told the program.
			unheard++
		default:
			silent = append(silent, seq)
		}
		if w.times[seq] > 1 {
			twice++
		}
	}
	if st := w.s.h.Stats(); unheard > st.Unknown+st.Dropped.Total() {
		w.s.errorf("the tail did not hear of %d records, of which %d are known to the program", unheard, st.Unknown+st.Dropped.Total())
	}
	if len(silent) > 0 || twice > 0 {
		w.s.errorf("the tail showed %d of %d, neither shown nor told %d: %v, %d twice", len(w.times), w.last, len(silent), silent[:min(len(silent), 10)], twice)
	}
}

// end ends the Tail. It may be called again.
func (w *watcher) end() {
	if w.ended {
		return
	}
	w.ended = true
	w.stop()
	select {
	case <-w.done:
		if w.err != nil {
			w.s.errorf("tail: %v", w.err)
		}
	case <-time.After(soon):
		w.s.errorf("the tail does not end")
	}
}
