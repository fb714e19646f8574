package bench

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/slogcast/slogcast/handler"
	"github.com/slogcast/slogcast/sink"
	"github.com/slogcast/slogcast/sink/archive"
	"github.com/slogcast/slogcast/sink/render"
)

// attrs returns the attributes of a record of about the size asked for, of one
// kind after the other.
func (l *Load) attrs() []slog.Attr {
	var attrs []slog.Attr
	for i := range l.Attrs {
		key := fmt.Sprintf("a%d", i+1)
		attrs = append(attrs, []slog.Attr{
			slog.String(key, "/users/42"), slog.Int(key, 200), slog.Duration(key, 1234567), slog.Float64(key, 0.75), slog.Bool(key, true),
		}[i%5])
	}
	var bare strings.Builder
	slog.New(slog.NewJSONHandler(&bare, nil)).LogAttrs(context.Background(), slog.LevelInfo, "bench", attrs...)
	if rest := l.Size - bare.Len() - len(`,"pad":""`); rest > 0 {
		attrs = append(attrs, slog.String("pad", strings.Repeat("x", rest)))
	}
	return attrs
}

// produceSlogcast logs through handler.
func produceSlogcast(ctx context.Context, o *order, p *pace) (*produced, error) {
	l := o.Load
	opts := handler.Options{
		App:         "bench",
		Exchange:    o.Exchange,
		Buffer:      l.Buffer,
		Transient:   l.Transient,
		Unconfirmed: l.Unconfirmed,
		Batch:       handler.Batch{Records: l.Batch, Linger: l.Linger},
	}
	if l.Rate == 0 {
		// As fast as it goes is as fast as the broker takes it.
		opts.Overflow, opts.BlockTimeout = handler.Block, time.Hour
	}
	h, err := handler.New(o.URL, &opts)
	if err != nil {
		return nil, err
	}
	if err := connected(ctx, h); err != nil {
		return nil, err
	}
	log, attrs := slog.New(h), l.attrs()
	start, cpu := time.Now(), cpuTime()
	var running sync.WaitGroup
	for range l.Producers {
		running.Go(func() {
			for p.next(ctx, l.stride()) {
				for range l.stride() {
					log.LogAttrs(ctx, slog.LevelInfo, "bench", attrs...)
				}
			}
		})
	}
	running.Wait()
	closeCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	if err := h.Close(closeCtx); err != nil {
		return nil, err
	}
	s := h.Stats()
	return &produced{
		Start: start, Took: time.Since(start), CPU: cpuTime() - cpu,
		Accepted: s.Accepted, Confirmed: s.Confirmed, Dropped: s.Dropped.Total(), Unknown: s.Unknown,
	}, nil
}

// connected waits for the broker, so that connecting is not measured, or until
// ctx ends.
func connected(ctx context.Context, h *handler.Handler) error {
	late := time.NewTimer(10 * time.Second)
	defer late.Stop()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for !h.Stats().Connected {
		select {
		case <-poll.C:
		case <-ctx.Done():
			return nil
		case <-late.C:
			return fmt.Errorf("connect: %s", cmp.Or(h.Stats().LastError, "the broker does not answer"))
		}
	}
	return nil
}

// benchWriter is a Writer with a meter.
type benchWriter struct {
	sink.Writer
	mu    sync.Mutex // guards meter
	meter *meter
	last  map[string]uint64 // sequence number, of each producer
}

func (w *benchWriter) Write(ctx context.Context, records []sink.Record) error {
	if err := w.Writer.Write(ctx, records); err != nil {
		return err
	}
	w.count(records)
	return nil
}

func (w *benchWriter) count(records []sink.Record) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range records {
		r := &records[i]
		w.meter.count(r.Body, now)
		if r.Seq <= w.last[r.Producer] {
			w.meter.Duplicates++
		}
		w.last[r.Producer] = r.Seq
	}
}

// benchArchive is a benchWriter whose records are made safe later.
type benchArchive struct {
	*benchWriter
	*archive.Archive
}

func (w *benchArchive) Write(ctx context.Context, records []sink.Record) error {
	return w.benchWriter.Write(ctx, records)
}

func (w *benchArchive) Append(ctx context.Context, records []sink.Record) error {
	if err := w.Archive.Append(ctx, records); err != nil {
		return err
	}
	w.count(records)
	return nil
}

func (w *benchWriter) look() (int, time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.meter.Records, w.meter.Last
}

// discard is a Writer, and an io.Writer, that keeps nothing.
type discard struct{}

func (discard) Write(context.Context, []sink.Record) error { return nil }

// tailSlogcast receives through sink until all that is expected has come.
func (s *side) tailSlogcast() error {
	cfg := sink.Config{URL: s.URL, Exchange: s.Exchange, ReuseRecords: true}
	w := &benchWriter{meter: newMeter(s.Load), last: make(map[string]uint64)}
	var to sink.Writer = w
	switch s.Load.Sink {
	case "pretty":
		w.Writer = render.New(&nowhere{}, render.Options{Color: true, Escape: true})
	case "file":
		debug.SetGCPercent(50) // as logtail --file does
		path, remove, err := temporaryFile()
		if err != nil {
			return err
		}
		defer remove()
		file, err := archive.Open(path, archive.Options{})
		if err != nil {
			return err
		}
		defer file.Close()
		w.Writer, to = file, &benchArchive{w, file}
		s.archive(&cfg)
	default:
		w.Writer = discard{}
	}
	cfg.Notify = func(n sink.Notice) {
		w.mu.Lock()
		defer w.mu.Unlock()
		switch {
		case n.Gap != nil:
			w.meter.Gaps += n.Gap.Count()
		case n.Connected != "":
			_ = s.say(word{Ready: true})
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	failed, ended := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(ended)
		failed <- sink.Tail(ctx, cfg, to)
	}()
	if err := s.wait(w.look, failed); err != nil {
		return err
	}
	account := w.meter.account() // nothing comes any more
	cancel()
	<-ended
	return s.say(word{Tailed: account})
}
