package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/slogcast/slogcast/cmd/logtail/internal/tui"
	"github.com/slogcast/slogcast/cmd/logtail/internal/view"
	"github.com/slogcast/slogcast/sink"
	"github.com/slogcast/slogcast/sink/filter"
)

// interactiveFlags are those of logtail -i.
type interactiveFlags struct {
	on   bool
	ring size
}

func (i *interactiveFlags) register(f *pflag.FlagSet) {
	i.ring = defaultRing
	f.BoolVarP(&i.on, "interactive", "i", false, "look at the records with keys: scroll back, search, filter\n? shows the keys. The filters of the command line can be changed while records come.")
	f.Var(&i.ring, "ring", "`SIZE` of the records that -i keeps to look back at")
}

// others are flags that say what happens to records, where -i leaves that to a
// person.
var others = []string{
	"limit", "after", "before", "context", "exit-on", "fail-on", "expect", "timeout", "exec",
	"file", "output", "template", "fold", "status", "web",
}

// check finds flags that do not go together, and output that is no terminal.
func (i *interactiveFlags) check(u *ui, f *pflag.FlagSet) error {
	if !i.on {
		if f.Changed("ring") {
			return usagef("--ring needs -i")
		}
		return nil
	}
	for _, name := range others {
		if f.Changed(name) {
			return usagef("-i and --%s do not go together", name)
		}
	}
	if !isTerminal(u.stdout) || dumb() {
		return usagef("-i needs a terminal to write to, and one that can do more than print")
	}
	return nil
}

// interactive is what is to be looked at.
type interactive struct {
	*ui
	ring    *view.Ring
	filters []string // the words of the first filter
	output  *outputFlags
	status  func(now time.Time) string // may be nil
	live    bool
}

// start makes the ring. From then on notices are rows of it, until stop is called;
// the selection passes everything, as the person decides what is shown.
func (i *interactiveFlags) start(u *ui, f *pflag.FlagSet, selected *selection, output *outputFlags) (v *interactive, stop func()) {
	v = &interactive{ui: u, ring: view.New(int64(i.ring)), filters: filterWords(f), output: output}
	selected.match = &filter.Filter{}
	return v, u.divert(&noteWriter{ring: v.ring})
}

// run shows the ring until the person quits or the source fails.
func (v *interactive) run(ctx context.Context, source func(context.Context) error) error {
	keys := v.stdin
	if !isTerminal(keys) {
		keys = nil // those of the terminal itself: records, or nothing, come from there
	}
	return tui.Run(ctx, tui.Config{
		Ring:    v.ring,
		Source:  source,
		Compile: func(words []string) (*filter.Filter, error) { return compileWords(v.ui, words) },
		Filter:  tui.JoinWords(v.filters),
		Render:  v.output.options(v.ui, &selection{match: &filter.Filter{}}),
		Status:  v.status,
		Live:    v.live,
		Input:   keys,
		Output:  v.stdout,
	})
}

// lineFlags are those that a filter line takes.
var lineFlags = []string{"level", "app", "host", "field", "where", "grep", "exclude", "since", "until"}

// filterWords returns what the flags of a command say of records, as words of a
// filter line.
func filterWords(f *pflag.FlagSet) (words []string) {
	line := pflag.NewFlagSet("", pflag.ContinueOnError)
	new(filterFlags).register(line)
	for _, name := range lineFlags {
		flag, word := f.Lookup(name), "--"+name
		if short := line.Lookup(name).Shorthand; short != "" {
			word = "-" + short
		}
		if many, ok := flag.Value.(pflag.SliceValue); ok {
			for _, value := range many.GetSlice() {
				words = append(words, word, value)
			}
		} else if value := flag.Value.String(); value != "" {
			words = append(words, word, value)
		}
	}
	return words
}

// compileWords compiles the words of a filter line, which are flags.
func compileWords(u *ui, words []string) (*filter.Filter, error) {
	var f filterFlags
	line := pflag.NewFlagSet("", pflag.ContinueOnError)
	line.SetOutput(io.Discard)
	line.Usage = func() {}
	f.register(line)
	if err := line.Parse(words); err != nil {
		if bad, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
			return nil, &filter.Error{Flag: bad.GetFlag().Name, Text: bad.GetValue(), Problem: bad.Unwrap().Error()}
		}
		return nil, err
	}
	if rest := line.Args(); len(rest) > 0 {
		return nil, &filter.Error{Text: rest[0], Problem: "this is no flag: an expression goes behind -w, a text behind -g"}
	}
	for _, name := range others {
		if line.Changed(name) {
			return nil, fmt.Errorf("--%s is not for here", name)
		}
	}
	selected, err := f.compile(u)
	if err != nil {
		return nil, err
	}
	return selected.match, nil
}

// divert has what goes to standard error go elsewhere, until stop is called.
func (u *ui) divert(w io.Writer) (stop func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	before := u.stderr
	u.stderr = w
	return func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.stderr = before
	}
}

// noteWriter makes a row of each line, which comes in one Write.
type noteWriter struct{ ring *view.Ring }

func (n *noteWriter) Write(p []byte) (int, error) {
	text := strings.TrimPrefix(strings.TrimSpace(string(p)), "logtail: ")
	if text != "" {
		n.ring.Note(sink.Notice{Remark: text})
	}
	return len(p), nil
}
