package main

import (
	"context"
	"time"

	"github.com/spf13/pflag"

	"github.com/slogcast/slogcast/sink"
	"github.com/slogcast/slogcast/sink/archive"
)

// archiveFlags say where and how records are kept.
type archiveFlags struct{ file string }

func (a *archiveFlags) register(f *pflag.FlagSet) {
	f.StringVar(&a.file, "file", "", "append the records to the file at `PATH`, do not show them")
}

func (a *archiveFlags) check() error {
	if a.file == "-" {
		return usagef("--file - is no file; logtail -o json writes to standard output")
	}
	return nil
}

// The archive's queue has no bound while it lives, fsync is shared by what
// comes within linger, and what waits at the broker when the archive is ended
// is still written.
const (
	archivePrefetch = 1024
	archiveLinger   = 50 * time.Millisecond
	archiveDrain    = 10 * time.Second
)

// archiveSettings makes the settings of an archive of a live tail's.
func archiveSettings(cfg *sink.Config) {
	cfg.MaxLength, cfg.MaxBytes = -1, -1
	cfg.Prefetch = archivePrefetch
	cfg.Linger = archiveLinger
	cfg.Drain = archiveDrain
}

// run archives what is selected until ctx ends.
func (a *archiveFlags) run(ctx context.Context, selected *selection, cfg sink.Config) (err error) {
	u := selected.ui
	file, err := archive.Open(a.file, archive.Options{OnError: func(err error) {
		if err == nil {
			u.notice("the disk takes records again")
			return
		}
		u.error(err)
		u.hint("nothing is lost: records wait at the broker until the disk takes them")
	}})
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := file.Close(); err == nil {
			err = closeErr
		}
	}()
	archiveSettings(&cfg)
	counted := &counter{Writer: file}
	err = selected.run(ctx, cfg, counted, sink.Tail)
	u.notice("archived %d records to %s", counted.records, a.file)
	return err
}

// counter counts the records that a Writer has safe.
type counter struct {
	sink.Writer
	records int
}

func (c *counter) Write(ctx context.Context, records []sink.Record) error {
	if err := c.Writer.Write(ctx, records); err != nil {
		return err
	}
	c.records += len(records)
	return nil
}
