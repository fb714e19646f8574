package main

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/spf13/pflag"

	"github.com/slogcast/slogcast/sink/filter"
)

// maxContext bounds -A, -B and -C.
const maxContext = 10_000

// filterFlags say which records are of interest, and what they lead to. They are
// the same for every command that reads records.
type filterFlags struct {
	options      filter.Options
	level        levels
	since, until string

	limit, before, after, around int

	exitOn, failOn string
	expect         int
	timeout        time.Duration
	exec           string

	noShortField bool // -f means something else
	bySource     bool // a source that can begins at --since: no record is hidden for its clock
}

func (f *filterFlags) register(set *pflag.FlagSet) {
	set.VarP(&f.level, "level", "l", "records of this `LEVEL` and above, or a range: warn, info+2, debug..info\nA record without a level counts as info; one whose level nobody knows is shown.")
	set.StringArrayVarP(&f.options.Grep, "grep", "g", nil, "records that match `RE`, in message, keys or values\nRE2; without upper-case letters it matches any case. Given again: any of them.")
	set.StringArrayVarP(&f.options.Exclude, "exclude", "v", nil, "no records that match `RE`")
	set.StringArrayVar(&f.options.App, "app", nil, "records of apps that match `GLOB`\nGiven again: any of them.")
	set.StringArrayVar(&f.options.Host, "host", nil, "records of hosts that match `GLOB`\nGiven again: any of them.")
	short := "f"
	if f.noShortField {
		short = ""
	}
	set.StringArrayVarP(&f.options.Field, "field", short, nil, "records with a `FIELD` or a value of it: 'took > 250ms'\nKEY OP VALUE, or KEY alone; OP is = != ~ !~ > >= < or <=. A key with spaces goes in double quotes. Given again: all of them.")
	set.StringArrayVarP(&f.options.Where, "where", "w", nil, "records for which `EXPR` holds: 'status >= 500 and app == \"web\"'\nThe language is that of expr-lang.org, over level, msg, time, app, host, id and every attribute; attr(\"a-b\") is one whose name is no word. What is missing is nil. Given again: all of them.")
	set.StringVar(&f.since, "since", "", "records from this `TIME` on: 15m, 2d, today, 2026-11-25 08:30")
	set.StringVar(&f.until, "until", "", "records before this `TIME`")
	set.VarP(&count{&f.limit, 0, math.MaxInt32}, "limit", "n", "end after this `NUMBER` of records")
	set.VarP(&count{&f.after, 0, maxContext}, "after", "A", "show this `NUMBER` of records after each, too")
	set.VarP(&count{&f.before, 0, maxContext}, "before", "B", "show this `NUMBER` of records before each, too")
	set.VarP(&count{&f.around, 0, maxContext}, "context", "C", "show this `NUMBER` of records before and after each, too")
	set.StringVar(&f.exitOn, "exit-on", "", "end at a record for which `EXPR` holds\nEXPR is as in --where, or a level as in --level. All records are looked at, also those that are not shown.")
	set.StringVar(&f.failOn, "fail-on", "", "end at a record for which `EXPR` holds, with exit code 3")
	set.Var(&count{&f.expect, 0, math.MaxInt32}, "expect", "end after this `NUMBER` of records; fewer are exit code 3")
	set.Var((*duration)(&f.timeout), "timeout", "wait this `TIME` for --expect or --exit-on, then exit with code 3")
	set.StringVar(&f.exec, "exec", "", "run the shell's `COMMAND` for each record, which is on its standard input\nOne runs at a time; records that come meanwhile are counted, and it is not run for them.")
}

// compile returns what the flags ask for, or a usageError.
func (f *filterFlags) compile(u *ui) (*selection, error) {
	if f.timeout > 0 && f.expect == 0 && f.exitOn == "" {
		return nil, usagef("--timeout needs --expect or --exit-on, which it waits for")
	}
	now, o := time.Now(), f.options
	o.Level = f.level.text
	for _, bound := range []struct {
		flag, text string
		at         *time.Time
	}{{"since", f.since, &o.Since}, {"until", f.until, &o.Until}} {
		if bound.text == "" {
			continue
		}
		at, err := filter.ParseTime(bound.text, now, time.Local)
		if err != nil {
			return nil, usagef("--%s: %w", bound.flag, err)
		}
		*bound.at = at
	}
	since := o.Since
	if f.bySource && since.Before(now) {
		o.Since = time.Time{}
	}
	match, err := o.Compile()
	if err != nil {
		return nil, &usageError{err, "logtail"}
	}
	s := &selection{
		ui: u, match: match, limit: f.limit, expect: f.expect, timeout: f.timeout,
		before: cmp.Or(f.before, f.around), after: cmp.Or(f.after, f.around),
		since: since, until: o.Until,
	}
	if s.exitOn, err = trigger("exit-on", f.exitOn); err != nil {
		return nil, err
	}
	if s.failOn, err = trigger("fail-on", f.failOn); err != nil {
		return nil, err
	}
	if f.exec != "" {
		s.runner = &runner{ui: u, command: f.exec}
	}
	return s, nil
}

// trigger compiles a level or an expression, nil for none.
func trigger(flag, text string) (*filter.Filter, error) {
	if text == "" {
		return nil, nil
	}
	o := filter.Options{Where: []string{text}}
	if _, _, err := filter.ParseLevel(text); err == nil {
		o = filter.Options{Level: text}
	}
	compiled, err := o.Compile()
	if err != nil {
		return nil, &usageError{fmt.Errorf("--%s is as %w", flag, err), "logtail"}
	}
	return compiled, nil
}

// levels is a flag that holds a level or a range of them.
type levels struct{ text string }

func (l *levels) Type() string   { return "LEVEL" }
func (l *levels) String() string { return l.text }
func (l *levels) completions() []string {
	return []string{"trace", "debug", "info", "notice", "warn", "error", "fatal"}
}

func (l *levels) Set(s string) error {
	_, _, err := filter.ParseLevel(s)
	if mistake, ok := errors.AsType[*filter.Error](err); ok {
		return errors.New(mistake.Problem) // the flag and s are told with it
	}
	l.text = s
	return err
}
