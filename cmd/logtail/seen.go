package main

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/slogcast/slogcast/sink"
	"github.com/slogcast/slogcast/sink/archive"
)

// seenFor is how long the shell waits for names that records have, and seenSince
// from how long ago a history is looked at for them.
const (
	seenFor   = time.Second
	seenSince = 15 * time.Minute
)

// seen collects the names that records have. It is a Writer for more than one
// goroutine.
type seen struct {
	of    func(*sink.Record) string // immutable
	mu    sync.Mutex                // guards names
	names map[string]bool
}

func (s *seen) Write(_ context.Context, records []sink.Record) error {
	const most = 1000
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range records {
		if name := s.of(&records[i]); len(s.names) < most && isWord(name) {
			s.names[name] = true
		}
	}
	return nil
}

// isWord reports whether a shell takes a name as it is. Anybody may be called
// $(reboot).
func isWord(name string) bool {
	return name != "" && name[0] != '-' && strings.IndexFunc(name, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("._:@/+-", r)
	}) < 0
}

// completeSeen has the shell complete --app and --host of cmd with what records
// have: those of the archives that read is given; else those of the last minutes,
// where there is a history, and those that come while the shell waits. What the
// command line says of the broker counts.
func completeSeen(u *ui, cmd *cobra.Command, server string) {
	for flag, of := range map[string]func(*sink.Record) string{
		"app":  func(r *sink.Record) string { return r.App },
		"host": func(r *sink.Record) string { return r.Host },
	} {
		if f := cmd.Flags().Lookup(flag); f == nil || heading(f) != groupFilters {
			continue
		}
		// It fails for a name that does not exist only.
		_ = cmd.RegisterFlagCompletionFunc(flag, func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			ctx, cancel := context.WithTimeout(cmd.Context(), seenFor)
			defer cancel()
			s := &seen{of: of, names: make(map[string]bool)}
			// Of an error the command itself tells.
			if cmd.Flags().Lookup("url") == nil {
				_ = s.inArchives(ctx, args)
			} else if cfg, err := seenConfig(u, cmd, server); err == nil {
				s.atBroker(ctx, cfg)
			}
			return slices.Sorted(maps.Keys(s.names)), cobra.ShellCompDirectiveNoFileComp
		})
	}
}

func (s *seen) inArchives(ctx context.Context, paths []string) error {
	sources, err := archive.Find(paths...)
	if err != nil {
		return err
	}
	return archive.Read(ctx, sources, archive.ReadOptions{}, s)
}

func (s *seen) atBroker(ctx context.Context, cfg sink.Config) {
	past := cfg
	past.Keys = nil
	past.Queue = sink.Queue{History: true, From: sink.Offset{Since: time.Now().Add(-seenSince)}}
	var tails sync.WaitGroup
	for _, cfg := range []sink.Config{cfg, past} {
		tails.Go(func() { _ = sink.Tail(ctx, cfg, s) })
	}
	tails.Wait()
}

// seenConfig is what the command line and the environment say of the broker.
func seenConfig(u *ui, cmd *cobra.Command, server string) (sink.Config, error) {
	settled, err := applyServer(u, cmd, server)
	if err == nil {
		err = fromEnvironment(cmd, settled)
	}
	if err != nil {
		return sink.Config{}, err
	}
	text := func(flag string) string { return cmd.Flags().Lookup(flag).Value.String() }
	c := connectionFlags{url: text("url"), urlFile: text("url-file")}
	url, err := c.broker(u)
	cfg := sink.Config{URL: url, Exchange: text("exchange"), ExistingExchange: true} // whoever presses a key wants none
	if keys, ok := cmd.Flags().Lookup("key").Value.(pflag.SliceValue); ok {
		cfg.Keys = keys.GetSlice()
	}
	return cfg, err
}
