// Package tui shows the rows of a ring on a terminal that a person works with:
// logtail -i.
//
// # The promise
//
//   - A key is answered within 50 ms, with a million rows in the ring and 10,000
//     more every second: rows are read, filtered and sought in slices of 5 ms
//     between keys, and only those in the window are painted.
//   - What is looked at stays where it is while rows come, and while old ones go
//     as long as it is not among them.
//   - The terminal is as it was when Run returns, for whatever reason.
//   - All text of records and peers passes sink/render.
//   - The mouse is left to the terminal, so that text can be selected.
//
// It does not know where rows come from, and changes none.
//
// # Goroutines
//
//	source --> ring --Wait--> Bubble Tea's loop (all of model) --> renderer
//	                 \--cursor--> save, a file at a time
package tui

import (
	"context"
	"fmt"
	"io"
	"runtime/debug"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"github.com/slogcast/slogcast/cmd/logtail/internal/view"
	"github.com/slogcast/slogcast/sink/filter"
	"github.com/slogcast/slogcast/sink/render"
)

// Config is what Run shows, and how.
type Config struct {
	// Ring holds the rows. Source fills it until ctx ends, or until it has no more
	// and returns nil. An error ends Run.
	Ring   *view.Ring
	Source func(ctx context.Context) error

	// Compile compiles a filter that is given as flags: -l warn. Its errors are
	// *filter.Error where they have a place.
	Compile func(words []string) (*filter.Filter, error)

	// Filter is the first filter, as JoinWords returns it.
	Filter string

	// Render says how records are shown, on a line each; Width and Format are not
	// looked at.
	Render render.Options

	// Status returns a short line about the source. May be nil.
	Status func(now time.Time) string

	// Live says that rows come as they are made.
	Live bool

	// Input and Output are those of the terminal. If nil, those of the process, or
	// for what is typed the terminal where its input is none.
	Input  io.Reader
	Output io.Writer
}

// Run shows the rows until the person quits, ctx ends (nil) or the source fails.
// It gives the source half a second or so to say goodbye, as long as that takes.
func Run(ctx context.Context, cfg Config) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	m, err := newModel(ctx, cfg)
	if err != nil {
		return err
	}
	opts := []tea.ProgramOption{tea.WithoutSignalHandler()}
	if cfg.Input != nil {
		opts = append(opts, tea.WithInput(cfg.Input))
	}
	if cfg.Output != nil {
		opts = append(opts, tea.WithOutput(cfg.Output))
	}
	if !cfg.Render.Color {
		opts = append(opts, tea.WithColorProfile(colorprofile.Ascii))
	}
	p := tea.NewProgram(m, opts...)
	// WithContext would not wait for who reads the keyboard.
	defer context.AfterFunc(ctx, p.Quit)()
	ended := make(chan error, 1)
	go func() {
		err := guarded(ctx, cfg.Source)
		ended <- err
		p.Send(endedMsg{err})
	}()
	_, err = p.Run()
	stopped := ctx.Err() != nil
	cancel()
	sourceErr := <-ended
	m.saving.Wait()
	switch {
	case sourceErr != nil:
		return sourceErr
	case err != nil && !stopped:
		return fmt.Errorf("show records: %w", err)
	}
	return nil
}

// guarded runs a source. If it panics, the terminal is to be restored first.
func guarded(ctx context.Context, source func(context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("receive records: panic: %v\n%s", p, debug.Stack())
		}
	}()
	return source(ctx)
}
