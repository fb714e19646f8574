package main

import (
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// A flag is declared once, in the register method of the struct that holds it,
// and every command that has it calls that method. Its usage's first line is for
// --help, which shows a line a flag; what follows is for the manual. A value
// that implements completer is completed by the shell.

// The groups of the flags that several commands share. A flag of the same name
// in the same group means the same.
const (
	groupConnection = "Connection"
	groupFilters    = "Filters"
	groupOutput     = "Output"
	groupArchive    = "Archive"
	groupEmbedded   = "Embedded broker"
	groupGeneral    = "General"
)

// groupOf is the annotation of a flag that holds its group.
const groupOf = "group"

// group adds the flags that register declares to a command, under a heading of
// its help.
func group(cmd *cobra.Command, heading string, register func(*pflag.FlagSet)) {
	set := pflag.NewFlagSet(heading, pflag.ContinueOnError)
	set.SortFlags = false
	register(set)
	set.VisitAll(func(f *pflag.Flag) { f.Annotations = map[string][]string{groupOf: {heading}} })
	cmd.Flags().SortFlags = false
	cmd.Flags().AddFlagSet(set)
}

// heading returns the group of a flag.
func heading(f *pflag.Flag) string {
	if of := f.Annotations[groupOf]; len(of) == 1 {
		return of[0]
	}
	return groupGeneral
}

// completer is a flag's value that tells the shell what it may be.
type completer interface{ completions() []string }

// complete sets up what every command has, once all are there.
func complete(root *cobra.Command) {
	for cmd := range commands(root) {
		cmd.InitDefaultHelpFlag()
		cmd.Flags().Lookup("help").Usage = "this help"
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if c, ok := f.Value.(completer); ok {
				// It fails for a name that does not exist only.
				_ = cmd.RegisterFlagCompletionFunc(f.Name, cobra.FixedCompletions(c.completions(), cobra.ShellCompDirectiveNoFileComp))
			}
		})
	}
}

// checkEmpty refuses a value that is given and empty: a variable of a script that
// is not set, most likely.
func checkEmpty(cmd *cobra.Command) (err error) {
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if f.Value.String() == "" && err == nil {
			err = usagef("--%s is empty", f.Name)
		}
	})
	return err
}

// choice is a flag with a few values.
type choice struct {
	value string
	of    []string
}

func (c *choice) String() string        { return c.value }
func (c *choice) Type() string          { return strings.Join(c.of, "|") }
func (c *choice) completions() []string { return c.of }

func (c *choice) Set(s string) error {
	if !slices.Contains(c.of, s) {
		return fmt.Errorf("must be one of %s", strings.Join(c.of, ", "))
	}
	c.value = s
	return nil
}

// level is a flag that holds a slog level.
type level struct {
	slog.Level
	set bool
}

func (l *level) Type() string          { return "LEVEL" }
func (l *level) completions() []string { return []string{"debug", "info", "warn", "error"} }

func (l *level) String() string {
	if !l.set {
		return ""
	}
	return strings.ToLower(l.Level.String())
}

func (l *level) Set(s string) error {
	if strings.EqualFold(s, "warning") {
		s = "warn"
	}
	if l.UnmarshalText([]byte(s)) != nil {
		return fmt.Errorf("must be debug, info, warn or error, or one of them with an offset, as info+2")
	}
	l.set = true
	return nil
}

// duration is a flag that holds a duration of more than nothing.
type duration time.Duration

func (d *duration) Type() string   { return "DURATION" }
func (d *duration) String() string { return time.Duration(*d).String() }

func (d *duration) Set(s string) error {
	parsed, err := time.ParseDuration(s)
	switch {
	case err != nil:
		return fmt.Errorf("must be a duration such as 500ms, 10s or 1h30m, of 290 years at most")
	case parsed <= 0:
		return fmt.Errorf("must be more than nothing")
	}
	*d = duration(parsed)
	return nil
}

// count is a flag that holds a whole number from least to most.
type count struct {
	n           *int
	least, most int
}

func (c *count) Type() string { return "NUMBER" }

func (c *count) String() string {
	if c.n == nil { // pflag asks a zero value for its text
		return ""
	}
	return strconv.Itoa(*c.n)
}

func (c *count) Set(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil || n < c.least || n > c.most {
		return fmt.Errorf("must be a whole number from %d to %d", c.least, c.most)
	}
	*c.n = n
	return nil
}
