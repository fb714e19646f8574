package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/slogcast/slogcast/sink"
	"github.com/slogcast/slogcast/sink/filter"
)

// selection is what the filter flags ask for: which records go to a Writer, and
// what ends the command.
type selection struct {
	*ui
	match          *filter.Filter
	exitOn, failOn *filter.Filter // may be nil
	limit, expect  int            // 0 for none
	before, after  int
	timeout        time.Duration
	since, until   time.Time                                                    // of the records, for a source that can pass over others; zero for none
	runner         *runner                                                      // of --exec, may be nil
	counting       func(filter func(*sink.Record) bool) func(*sink.Record) bool // sees what passes; may be nil

	keys *sink.Keys // where else records have level, message and time; may be nil

	end   context.CancelFunc // of the source
	found bool               // exitOn or failOn has; nothing passes any more
	fails string             // the message of the record that failOn has found
}

// source hands records to a Writer until ctx ends or it has no more, as sink.Tail
// does.
type source func(context.Context, sink.Config, sink.Writer) error

// run hands the records of interest from a source to w. It returns when the
// source ends, because it has been told to or not.
func (s *selection) run(ctx context.Context, cfg sink.Config, w sink.Writer, from source) error {
	outer := ctx
	ctx, s.end = context.WithCancel(ctx)
	defer s.end()
	if s.timeout > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, s.timeout)
		defer stop()
	}
	window := &filter.Window{Writer: w, Limit: s.most(), Before: s.before, After: s.after, Done: s.end}
	if s.hasContext() {
		window.Match = s.passes
		if separator, ok := w.(interface{ Separate() error }); ok {
			window.Separate = func() { _ = separator.Separate() } // the next Write tells, too
		}
	}
	cfg.Filter = s.look
	if s.counting != nil {
		cfg.Filter = s.counting(s.look)
	}
	if s.hasContext() || s.most() > 0 {
		w = window
	}
	err := from(ctx, cfg, w)
	if s.runner != nil {
		s.runner.finish(outer)
	}
	if err != nil {
		return err
	}
	timedOut := errors.Is(ctx.Err(), context.DeadlineExceeded)
	if problem := s.verdict(window.Matches(), timedOut); problem != "" {
		return &verdictError{errors.New(problem)}
	}
	return nil
}

func (s *selection) hasContext() bool { return s.before > 0 || s.after > 0 }

// skip returns what tells the lines of archives that nobody is going to look at, or
// nil.
func (s *selection) skip() func(line []byte) bool {
	if s.hasContext() || s.exitOn != nil || s.failOn != nil || s.keys != nil {
		return nil
	}
	return s.match.Rejects()
}

// most returns after how many records the command ends, 0 for never.
func (s *selection) most() int {
	if s.limit == 0 || s.expect == 0 {
		return max(s.limit, s.expect)
	}
	return min(s.limit, s.expect)
}

// look sees every record, and reports whether it goes on to the Writer.
func (s *selection) look(r *sink.Record) bool {
	r.Keys = s.keys
	if s.found {
		return false
	}
	if s.failOn != nil && s.failOn.Pass(r) {
		s.found, s.fails = true, fmt.Sprintf("%.200q", r.Message())
	} else if s.exitOn != nil && s.exitOn.Pass(r) {
		s.found = true
	}
	if s.found {
		defer s.end() // the source still writes what it has
	}
	return s.hasContext() || s.passes(r)
}

// passes reports whether a record is of interest, and runs --exec for it.
func (s *selection) passes(r *sink.Record) bool {
	if !s.match.Pass(r) {
		return false
	}
	if s.runner != nil {
		s.runner.offer(r)
	}
	return true
}

// verdict returns what is wrong with the records that have come, if anything.
func (s *selection) verdict(matches int, timedOut bool) string {
	within := ""
	if timedOut {
		within = fmt.Sprintf(" within %v", s.timeout)
	}
	switch {
	case s.fails != "":
		return "a record is one of --fail-on: " + s.fails
	case matches < s.expect:
		return fmt.Sprintf("expected %d records, got %d%s", s.expect, matches, within)
	case timedOut && s.exitOn != nil && !s.found && s.expect == 0:
		return "no record was one of --exit-on" + within
	}
	return ""
}
