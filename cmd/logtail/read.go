package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/slogcast/slogcast/sink"
	"github.com/slogcast/slogcast/sink/archive"
)

// readCommand shows the records of archives.
type readCommand struct {
	*ui
	filters filterFlags
	output  outputFlags
	keys    interactiveFlags
	follow  bool
	failed  int // files that could not be read to their end
}

func newRead(u *ui) *cobra.Command {
	r := readCommand{ui: u, output: newOutputFlags()}
	r.filters.noShortField = true // -f follows, as with tail
	cmd := &cobra.Command{
		Use:   "read PATH…|-",
		Short: "Show the records of archives, plain or compressed",
		Long: `Show the records of archives, plain or compressed.

A PATH is the file of an archive, whose segments are read first; a folder with
archives; one segment or another file of lines; or - for standard input. The
records of one archive come in its order, those of several merged by their times.
JSON that is written over several lines is one record. Files may be in UTF-16, with
its byte order mark.`,
		Example: `  logtail read app.log
  logtail read --since 15m -l warn app.log
  logtail read -f app.log
  zstdcat old/*.zst | logtail read -`,
		Args: somePaths,
		RunE: func(cmd *cobra.Command, paths []string) error { return r.run(cmd.Context(), cmd.Flags(), paths) },
	}
	group(cmd, groupFilters, r.filters.register)
	group(cmd, groupOutput, func(f *pflag.FlagSet) {
		r.output.register(f)
		r.keys.register(f)
		f.BoolVarP(&r.follow, "follow", "f", false, "go on with what is appended, as tail -F does")
	})
	return cmd
}

// somePaths refuses a command that says nothing to read.
func somePaths(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return &usageError{errors.New("name the archive's file, a folder, or - for standard input"), cmd.CommandPath()}
	}
	return nil
}

func (r *readCommand) run(ctx context.Context, flags *pflag.FlagSet, paths []string) error {
	if err := r.output.check(); err != nil {
		return err
	}
	if err := r.keys.check(r.ui, flags); err != nil {
		return err
	}
	selected, err := r.filters.compile(r.ui)
	if err != nil {
		return err
	}
	selected.keys = r.output.recordKeys()
	sources, err := archive.Find(paths...)
	if errors.Is(err, fs.ErrNotExist) && r.follow && strings.ContainsAny(paths[0], "=<>~") {
		return usagef("%w; -f follows here, and a condition is given with --field", err)
	}
	if err != nil {
		return err
	}
	opts := archive.ReadOptions{
		Since: selected.since, Until: selected.until,
		Follow: r.follow,
		Skip:   selected.skip(),
		Input:  r.stdin,
		OnProblem: func(err error) {
			r.failed++
			r.error(err)
		},
	}
	if !isTerminal(r.stdout) { // else the records show how far it has come
		opts.OnProgress = r.progressOf(sources)
	}
	read := func(ctx context.Context, w sink.Writer) error {
		return selected.run(ctx, sink.Config{}, w, func(ctx context.Context, cfg sink.Config, w sink.Writer) error {
			return archive.Read(ctx, sources, opts, &filtered{w, cfg.Filter})
		})
	}
	if r.keys.on {
		return r.interact(ctx, flags, selected, read)
	}
	err = read(ctx, r.output.terminal(r.ui, selected))
	if err != nil {
		return err
	}
	if r.failed > 0 {
		return fmt.Errorf("%d of the files could not be read to their end", r.failed)
	}
	return nil
}

// interact shows the records to a person who has the keyboard.
func (r *readCommand) interact(ctx context.Context, flags *pflag.FlagSet, selected *selection, read func(context.Context, sink.Writer) error) error {
	v, stop := r.keys.start(r.ui, flags, selected, &r.output)
	defer stop()
	v.live = r.follow
	return v.run(ctx, func(ctx context.Context) error {
		err := read(ctx, v.ring)
		if s := v.ring.Stats(); s.First > 1 && err == nil {
			r.notice("these are the last of %d records: --ring says how much is kept, --since and --until what is read", s.Records)
		}
		return err
	})
}

// progressOf returns what shows how far long work has come.
func (u *ui) progressOf(sources []archive.Source) func(read int64) {
	if !isTerminal(u.stderr) {
		return nil
	}
	var all int64
	for i := range sources {
		all += sources[i].Size()
	}
	began := time.Now()
	shown := began
	return func(read int64) {
		if now := time.Now(); now.Sub(shown) > 200*time.Millisecond {
			shown = now
			rate := float64(read) / now.Sub(began).Seconds() / 1e6
			u.status(fmt.Sprintf("read %d MB, files of %d MB, %.0f MB/s", read/1e6, all/1e6, rate))
		}
	}
}

// filtered is a Writer of the records that are of interest.
type filtered struct {
	sink.Writer
	keep func(*sink.Record) bool
}

func (f *filtered) Write(ctx context.Context, records []sink.Record) error {
	if records = kept(records, f.keep); len(records) == 0 {
		return nil
	}
	return f.Writer.Write(ctx, records)
}

// kept returns the records that keep wants, in their order, which it puts before the
// others: each stays with the memory that it was read into, which the next one is going to
// use again.
func kept(records []sink.Record, keep func(*sink.Record) bool) []sink.Record {
	n := 0
	for i := range records {
		if !keep(&records[i]) {
			continue
		}
		if n < i {
			records[n], records[i] = records[i], records[n]
		}
		n++
	}
	return records[:n]
}
