package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/slogcast/slogcast/sink"
	"github.com/slogcast/slogcast/sink/archive"
)

// archiveFlags say where and how records are kept.
type archiveFlags struct {
	file     string
	fsync    fsync
	size     size
	every    span
	utc      bool
	compress choice
	keep     int
	age      span
	bytes    size
	free     floor
	mode     fileMode
	raw      bool

	queue    string
	quorum   bool
	queueMax size
}

func newArchiveFlags() archiveFlags {
	return archiveFlags{
		fsync:    fsync(time.Second),
		compress: choice{"none", []string{"zstd", "gzip", "none"}},
		mode:     0o600,
	}
}

func (a *archiveFlags) register(f *pflag.FlagSet) {
	f.StringVar(&a.file, "file", "", "append the records to the file at `PATH`, do not show them\nSegments are beside it: app-20261125T040000.000Z.log. SIGHUP has it opened again, SIGUSR1 makes a segment.")
	f.Var(&a.fsync, "fsync", "flush records to the disk `WHEN`: always, 1s, rotate, none\nThey are acknowledged after that; with a duration, after it at the latest.")
	f.Var(&a.size, "rotate-size", "make a segment before the file has more than this `SIZE`: 100MB")
	f.Var(&a.every, "rotate-every", "make a segment every `DURATION`: 1h, 1d\nIt is counted from midnight, of local time or with --rotate-utc of UTC; weeks begin on Monday.")
	f.BoolVar(&a.utc, "rotate-utc", false, "count --rotate-every from midnight in UTC")
	f.Var(&a.compress, "compress", "compress segments, in the background: `FORMAT` zstd, gzip or none")
	f.Var(&count{&a.keep, 1, math.MaxInt32}, "keep", "keep this `NUMBER` of segments; the oldest go first")
	f.Var(&a.age, "keep-age", "keep segments for this `DURATION`: 30d")
	f.Var(&a.bytes, "keep-size", "keep at most this `SIZE`, the file included: 10GB")
	f.Var(&a.free, "min-free", "leave this `SIZE` of the disk free, the oldest segments go: 5%, 1GB")
	f.Var(&a.mode, "mode", "permissions of the files: `MODE`, in octal")
	f.StringVar(&a.queue, "queue", "", "receive through the durable queue of this `NAME`\nIt is created if it is missing, and keeps records while no archiver runs. Archivers that share one share the work, each into its own file.")
	f.BoolVar(&a.quorum, "quorum", false, "create --queue as a quorum queue, replicated in a cluster")
	f.Var(&a.queueMax, "queue-max", "bound --queue to this `SIZE`: 10GB; the oldest records go first")
	f.BoolVar(&a.raw, "raw", false, "keep the bodies alone, without @id, @app and @host\nWhat the broker sends again after a crash is then kept twice.")
}

func (a *archiveFlags) check() error {
	switch {
	case a.file == "-":
		return usagef("--file - is no file; logtail -o json writes to standard output")
	case a.queue != "" && a.file == "":
		return usagef("--queue needs --file")
	case strings.HasPrefix(a.queue, "amq."):
		return usagef("names of queues that begin with amq. are the broker's own; give --queue another")
	case a.queue == "" && (a.quorum || a.queueMax > 0):
		return usagef("--quorum and --queue-max need --queue")
	case a.every > 0 && time.Duration(a.every) < time.Millisecond:
		return usagef("--rotate-every is at least 1ms")
	}
	return nil
}

// The archive's queue has no bound while it lives, and what waits at the broker
// when the archive is ended is still written, unless it is in a queue of a name.
const (
	archivePrefetch = 1024
	archiveDrain    = 10 * time.Second
)

// archiveGC is the garbage collector's percentage unless GOGC says another: an
// archive runs for years beside other programs, and its heap is small.
const archiveGC = 50

// settings makes the settings of an archive of a live tail's.
func (a *archiveFlags) settings(cfg *sink.Config) {
	cfg.MaxLength, cfg.MaxBytes = -1, -1
	cfg.Prefetch = archivePrefetch
	cfg.Linger = time.Second
	if a.fsync > 0 {
		cfg.Linger = time.Duration(a.fsync)
	}
	if a.queue == "" {
		cfg.Drain = archiveDrain
		return
	}
	cfg.Queue = sink.Queue{Name: a.queue, Quorum: a.quorum}
	if a.queueMax > 0 {
		cfg.MaxBytes = int(a.queueMax)
	}
}

// options are what the flags say of the archive.
func (a *archiveFlags) options(u *ui) archive.Options {
	opts := archive.Options{
		Raw:         a.raw,
		Mode:        fs.FileMode(a.mode),
		Fsync:       archive.Fsync(a.fsync),
		RotateSize:  int64(a.size),
		RotateEvery: time.Duration(a.every),
		Keep: archive.Retention{
			Segments:    a.keep,
			Age:         time.Duration(a.age),
			Bytes:       int64(a.bytes),
			FreeBytes:   int64(a.free.bytes),
			FreePercent: a.free.percent,
		},
		OnNotice: func(text string) { u.notice("%s", text) },
		OnError: func(err error) {
			if err == nil {
				u.notice("the disk takes records again")
				return
			}
			u.error(err)
			u.hint("records wait at the broker until the disk takes them; nothing is acknowledged before")
		},
	}
	if a.compress.value != "none" {
		opts.Compress = archive.Compression(a.compress.value)
	}
	if a.utc {
		opts.Location = time.UTC
	}
	return opts
}

// run archives what is selected until ctx ends.
func (a *archiveFlags) run(ctx context.Context, selected *selection, cfg sink.Config, s *state) (err error) {
	u := selected.ui
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(archiveGC)
	}
	opts := a.options(u)
	if q := &cfg.Queue; q.History {
		if opts.Since = q.From.Since; q.From.First {
			opts.Since = time.Unix(0, 0)
		}
	}
	file, err := archive.Open(a.file, opts)
	if err != nil {
		return err
	}
	defer func() {
		if _, stalled := errors.AsType[*sink.Stalled](err); stalled {
			return // the file is being written to
		}
		if closeErr := file.Close(); err == nil {
			err = closeErr
		}
	}()
	defer onSignals(u, file)()
	a.settings(&cfg)
	if selected.match.All() { // else what is not in the archive need not be missing
		cfg.Known = file.Last()
	}
	counted := &counter{Archive: file, state: s}
	err = selected.run(ctx, cfg, counted, sink.Tail)
	u.notice("archived %d records to %s", counted.safe, a.file)
	if left, ok := errors.AsType[*archive.Unwritten](err); ok {
		u.hint(a.unwritten(left.Records))
	}
	return err
}

// unwritten says what becomes of the records that the disk did not take.
func (a *archiveFlags) unwritten(n int) string {
	if a.queue != "" {
		return fmt.Sprintf("%d records that had come wait in queue %q, with what else is there", n, a.queue)
	}
	return fmt.Sprintf("%d records that had come are lost with this tail's queue, and so is what waits in it", n)
}

// onSignals has SIGHUP open the file again and SIGUSR1 make a segment, until the
// function that it returns is called.
func onSignals(u *ui, file *archive.Archive) (stop func()) {
	signals, done := make(chan os.Signal, 1), make(chan struct{})
	notify(signals)
	go func() {
		defer close(done)
		for s := range signals {
			do := file.Rotate
			if s == reopenSignal {
				do = file.Reopen
			}
			if err := do(); err != nil {
				u.error(err)
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		close(signals)
		<-done
	}
}

// counter counts the records that an archive has safe, and tells the state while
// it writes.
type counter struct {
	*archive.Archive
	state         *state
	records, safe int // appended, and committed
}

func (c *counter) Append(ctx context.Context, records []sink.Record) error {
	defer c.state.writes()()
	err := c.Archive.Append(ctx, records)
	if err == nil {
		c.records += len(records)
	}
	return err
}

func (c *counter) Commit(ctx context.Context) error {
	defer c.state.writes()()
	err := c.Archive.Commit(ctx)
	if err == nil {
		c.safe = c.records
	}
	return err
}
