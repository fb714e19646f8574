package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/slogcast/slogcast/sink"
	"github.com/slogcast/slogcast/sink/archive"
)

// archiveThenLive is a source: the records of an archive, and then the live ones.
//
// The live tail is bound first, and what comes waits. The archive is read, and what
// somebody writes to it meanwhile, until it has the record before the first live one
// of each producer; if it does not get that, for a while. What it has is left out of
// what came live. A record without a number can't be known by that.
//
//	archive -> archived -> Writer, until released is closed
//	broker  -> Tail     -> Write waits for released -> Writer
type archiveThenLive struct {
	*ui
	sources []archive.Source
	since   time.Time
	writer  filtered // archived's until released is closed, then Write's

	bound    chan struct{} // closed when the live tail is connected for the first time
	released chan struct{} // closed when the archive has been read

	mu       sync.Mutex // guards what follows, until released is closed
	at       time.Time  // when it was bound
	archived map[string]uint64
	first    map[string]uint64 // live ones that wait
	waits    bool              // some do
	written  time.Time         // the archive's last new one
	newest   time.Time         // of the archive's times
	again    bool              // it is not read for the first time
	unproven int               // records of the archive without a number

	joined map[string]bool // producers that have been seen live; Write's
	notify func(sink.Notice)
	live   []sink.Record // reused
}

// settled is how long an archive may have nothing new until it is at its end, and
// waitForArchive the same while live records wait that are not next.
const (
	settled        = 1500 * time.Millisecond // an archiver flushes each second
	waitForArchive = 5 * time.Second
)

// tail is a source.
func (a *archiveThenLive) tail(ctx context.Context, cfg sink.Config, w sink.Writer) error {
	a.writer = filtered{w, cfg.Filter}
	a.bound, a.released = make(chan struct{}), make(chan struct{})
	a.archived, a.first, a.joined = map[string]uint64{}, map[string]uint64{}, map[string]bool{}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	cfg.Filter = nil // the numbers of all records are looked at
	a.notify = cfg.Notify
	var once sync.Once
	cfg.Notify = func(n sink.Notice) {
		if n.Connected != "" {
			once.Do(func() {
				a.at = time.Now()
				close(a.bound)
			})
		}
		a.notify(n)
	}
	tailed := make(chan error, 1)
	go func() { tailed <- sink.Tail(ctx, cfg, a) }()
	select {
	case <-a.bound:
	case err := <-tailed:
		return err
	}
	err := a.read(ctx)
	if err != nil {
		stop()
	}
	close(a.released)
	if tailErr := <-tailed; err == nil {
		err = tailErr
	}
	return err
}

// read hands over the records of the archive until the live ones follow.
func (a *archiveThenLive) read(ctx context.Context) error {
	a.written = time.Now()
	opts := archive.ReadOptions{Since: a.since, OnProblem: a.error}
	for tick := time.Tick(200 * time.Millisecond); ; a.again = true {
		if err := archive.Read(ctx, a.sources, opts, archived{a}); err != nil || ctx.Err() != nil {
			return err
		}
		if a.follows() {
			break
		}
		const skew = time.Minute // of what is written beside one another
		if from := a.newest.Add(-skew); from.After(a.since) {
			opts.Since = from
		}
		select {
		case <-tick:
		case <-ctx.Done():
		}
	}
	if a.unproven > 0 {
		a.notice("%s of the archive without a number: what came of their kind while this tail was being connected may be missing, or be here twice", plural(a.unproven, "record"))
	}
	return nil
}

// follows reports whether the archive has all that is before what came live, or has
// got nothing for so long that it will not.
func (a *archiveThenLive) follows() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	quiet := time.Since(a.written)
	if !a.waits {
		return quiet > settled
	}
	for producer, seq := range a.first {
		if a.archived[producer]+1 < seq {
			return quiet > waitForArchive
		}
	}
	return true
}

// archived is the Writer of the archive's records.
type archived struct{ *archiveThenLive }

func (a archived) Write(ctx context.Context, records []sink.Record) error {
	a.mu.Lock()
	fresh := kept(records, a.isFresh)
	a.mu.Unlock()
	return a.writer.Write(ctx, fresh)
}

// isFresh reports whether a record of the archive was not shown yet.
func (a archived) isFresh(r *sink.Record) bool {
	t, _ := r.Time()
	switch last, known := a.archived[r.Producer]; {
	case r.Seq == 0 && (a.again || t.After(a.at)):
		return false // it has come live, most likely
	case r.Seq == 0:
		a.unproven++
	case known && r.Seq <= last && a.again:
		return false
	case known && r.Seq <= last:
		// It came late, or is there twice.
	default:
		a.archiveThenLive.archived[r.Producer] = r.Seq
		a.written = time.Now()
	}
	if t.After(a.newest) && t.Before(a.at) {
		a.newest = t
	}
	return true
}

// Write takes the live records, once the archive has been read.
func (a *archiveThenLive) Write(ctx context.Context, records []sink.Record) error {
	select {
	case <-a.released:
	default:
		a.hold(records)
		select {
		case <-a.released:
		case <-ctx.Done():
			return nil
		}
	}
	a.live = a.live[:0]
	for i := range records {
		if a.isNew(&records[i]) {
			a.live = append(a.live, records[i])
		}
	}
	return a.writer.Write(ctx, a.live)
}

// hold notes which records wait.
func (a *archiveThenLive) hold(records []sink.Record) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waits = true
	for i := range records {
		r := &records[i]
		if _, ok := a.first[r.Producer]; !ok && r.Seq > 0 {
			a.first[r.Producer] = r.Seq
		}
	}
}

// isNew reports whether a live record was not in the archive, and tells what neither
// has.
func (a *archiveThenLive) isNew(r *sink.Record) bool {
	last, known := a.archived[r.Producer]
	if r.Seq == 0 || !known {
		return true
	}
	if r.Seq <= last {
		return false
	}
	if !a.joined[r.Producer] && r.Seq > last+1 {
		a.notify(sink.Notice{Gap: &sink.Gap{
			Producer: r.Producer, App: r.App, Host: r.Host, First: last + 1, Last: r.Seq - 1, Time: time.Now(),
			Cause: "neither the archive nor this tail has them",
		}})
	}
	a.joined[r.Producer] = true
	return true
}

// fromArchive returns the source that begins with archives.
func (p *pastFlags) fromArchive(u *ui, selected *selection) (source, error) {
	sources, err := archive.Find(p.from...)
	if err != nil {
		return nil, fmt.Errorf("find --from: %w", err)
	}
	from := &archiveThenLive{ui: u, sources: sources, since: selected.since}
	return from.tail, nil
}
