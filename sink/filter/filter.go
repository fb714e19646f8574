// Package filter says which records are of interest: the one language of all
// commands of logtail, and of any program that uses sink.
//
// # The promise
//
//   - A mistake in a filter is told when it is compiled, with its place; a
//     compiled filter gives an answer for any record and never panics.
//   - A filter never hides what it cannot judge: a record whose level can't be
//     ranked passes every comparison of levels in Level and Where, one
//     without any time passes Since and Until, and one on which an expression
//     would take too long passes Where.
//   - Values are compared as what they are: numbers exactly, whatever their
//     size; durations, times and levels as such, also where the record has
//     them as text.
//   - The time a filter takes grows in proportion to the record. Patterns are
//     RE2, and expressions have a bound on their steps.
//
// # Comparisons
//
// Two numbers, or a number and a text that reads as one, are compared as
// decimal numbers: 9007199254740993 is not 9007199254740992, and 0.10 is 0.1.
// A duration ("250ms", "1h30m", "2d") is compared as a duration with another, and
// with a number, which stands for nanoseconds, as slog writes durations. A time
// (RFC 3339, "2006-01-02 15:04:05", "2006-01-02") is compared as a time
// with another, and with a number, which stands for seconds, milliseconds,
// microseconds or nanoseconds since 1970, told apart by their size. Two other
// texts are compared byte by byte. Whatever else is different in kind is
// neither equal nor in any order.
//
// The package does not change records, and does not know where they come from.
package filter

import (
	"log/slog"
	"regexp"
	"slices"
	"time"

	"github.com/slogcast/slogcast/sink"
)

// Func reports whether a record is of interest. It keeps nothing of it. Nil
// passes all.
type Func func(*sink.Record) bool

// AtLeast passes records of the level and above. A record without a level counts
// as INFO; one whose level can't be ranked passes.
func AtLeast(level slog.Leveler) Func {
	return func(r *sink.Record) bool {
		l, known := r.Level()
		return !known || l >= level.Level()
	}
}

// Options are what a filter asks of a record: all of it. The zero Options pass
// every record.
type Options struct {
	// Level is a level or a range of them, as ParseLevel reads it.
	Level string

	// Grep are regular expressions (RE2), of which one must match the message, a
	// key or a value; of Exclude none may. One without upper-case letters matches
	// any case.
	Grep, Exclude []string

	// App and Host are globs, of which one must match the record's App or Host:
	// * stands for any text, ? for a character, [a-z] for one of several.
	App, Host []string

	// Field are conditions on attributes: KEY OP VALUE, with =, !=, ~, !~, >, >=,
	// < or <=, or KEY alone for an attribute that is there. KEY is a dotted path
	// into groups, or level, msg, time, app, host or id. In quotes it may hold
	// anything; a VALUE in quotes is a text and never a number, duration or time.
	// ~ matches a regular expression as Grep does. Of an array one element must
	// meet the condition. != and !~ are the opposite of = and ~: they hold when
	// there is no such attribute.
	Field []string

	// Where are expressions, as Expression describes them.
	Where []string

	// Since and Until are the first time that passes, and the first that does not.
	// Zero is no bound.
	Since, Until time.Time

	// Now is the clock of now() in expressions. If nil, time.Now.
	Now func() time.Time
}

// Filter is a compiled filter, for any number of goroutines.
type Filter struct {
	tests    []Func           // all must pass, the cheapest first
	glances  []glance         // of those tests that have one
	patterns []*regexp.Regexp // to highlight
}

// Compile checks the options. An error is an *Error.
func (o Options) Compile() (*Filter, error) {
	f := &Filter{}
	now := o.Now
	if now == nil {
		now = time.Now
	}
	if err := f.addLevel(o.Level); err != nil {
		return nil, err
	}
	f.addTimes(o.Since, o.Until)
	for _, step := range []struct {
		flag  string
		texts []string
		add   func(flag string, texts []string) error
	}{
		{"app", o.App, func(flag string, texts []string) error {
			return f.addGlobs(flag, texts, func(r *sink.Record) string { return r.App })
		}},
		{"host", o.Host, func(flag string, texts []string) error {
			return f.addGlobs(flag, texts, func(r *sink.Record) string { return r.Host })
		}},
		{"field", o.Field, f.addFields},
		{"where", o.Where, func(flag string, texts []string) error { return f.addExpressions(flag, texts, now) }},
		{"grep", o.Grep, f.addGrep},
		{"exclude", o.Exclude, f.addExclude},
	} {
		if err := step.add(step.flag, step.texts); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// Pass reports whether the record meets all that is asked. It keeps nothing of
// it.
func (f *Filter) Pass(r *sink.Record) bool {
	for _, test := range f.tests {
		if !test(r) {
			return false
		}
	}
	return true
}

// Rejects returns a function that reports whether the record of a line of an
// archive, with nil Keys, does certainly not pass, where the bytes of the line are
// enough to tell. That costs a fraction of making the record, and is right about lines that
// are no records, too; that it is false says nothing. It is for one goroutine, and nil if
// it is always false.
func (f *Filter) Rejects() func(line []byte) bool {
	if len(f.glances) == 0 {
		return nil
	}
	l := new(look)
	return func(line []byte) bool {
		return l.at(line) && slices.ContainsFunc(f.glances, func(g glance) bool { return g(l) == no })
	}
}

// All reports whether the filter passes every record.
func (f *Filter) All() bool { return len(f.tests) == 0 }

// Patterns returns the regular expressions whose matches are of interest: those
// of Grep, and of Field with ~.
func (f *Filter) Patterns() []*regexp.Regexp { return f.patterns }

func (f *Filter) addLevel(text string) error {
	if text == "" {
		return nil
	}
	low, high, err := ParseLevel(text)
	if err != nil {
		return err
	}
	f.tests = append(f.tests, func(r *sink.Record) bool {
		l, known := r.Level()
		return !known || low <= l && l <= high
	})
	f.glances = append(f.glances, func(l *look) verdict { return verdictOf(low <= l.level && l.level <= high) })
	return nil
}

func (f *Filter) addTimes(since, until time.Time) {
	if since.IsZero() && until.IsZero() {
		return
	}
	f.tests = append(f.tests, func(r *sink.Record) bool {
		t, _ := r.Time()
		return t.IsZero() || !t.Before(since) && (until.IsZero() || t.Before(until))
	})
}
