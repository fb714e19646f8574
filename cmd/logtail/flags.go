package main

import (
	"cmp"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/slogcast/slogcast/internal/link"
)

// usageError is the user's mistake on the command line or in the environment.
type usageError struct {
	err     error
	command string // whose help says more
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...), "logtail"}
}

// envName is the environment variable that stands for a flag.
func envName(flag string) string {
	return "LOGTAIL_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// fromEnvironment sets the flags that were not given from the environment.
func fromEnvironment(cmd *cobra.Command) (err error) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		value, ok := os.LookupEnv(envName(f.Name))
		if err != nil || f.Changed || !ok || value == "" || f.Name == "help" || f.Name == "version" {
			return
		}
		if problem := f.Value.Set(value); problem != nil {
			// A URL, which may hold a password, is not looked at here.
			err = usagef("%s, for --%s: %v", envName(f.Name), f.Name, problem)
		}
	})
	return err
}

// checkEmpty refuses a name that is given and empty: a variable of a script that
// is not set, most likely.
func checkEmpty(cmd *cobra.Command) (err error) {
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if f.Changed && f.Value.String() == "" && f.Value.Type() != "LEVEL" {
			err = &usageError{fmt.Errorf("--%s is empty", f.Name), cmd.CommandPath()}
		}
	})
	return err
}

// choice is a flag with a few values.
type choice struct {
	value string
	of    []string
}

func (c *choice) String() string { return c.value }
func (c *choice) Type() string   { return strings.Join(c.of, "|") }

func (c *choice) Set(s string) error {
	if !slices.Contains(c.of, s) {
		return fmt.Errorf("must be one of %s", strings.Join(c.of, ", "))
	}
	c.value = s
	return nil
}

// complete offers the values to the shell.
func (c *choice) complete(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return c.of, cobra.ShellCompDirectiveNoFileComp
}

// level is a flag that holds a slog level.
type level struct {
	slog.Level
	set bool
}

func (l *level) Type() string { return "LEVEL" }

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

func completeLevel(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{"debug", "info", "warn", "error"}, cobra.ShellCompDirectiveNoFileComp
}

// brokerFlags say which exchange of which broker.
type brokerFlags struct{ url, exchange string }

func (b *brokerFlags) register(f *pflag.FlagSet) {
	f.StringVarP(&b.url, "url", "u", "", "broker's AMQP `URL`, or several with commas; a password is best\ngiven in $LOGTAIL_URL (default guest at localhost:5672)")
	f.StringVarP(&b.exchange, "exchange", "x", "logs", "fanout exchange's `NAME`")
}

// defaultURL is RabbitMQ's own default.
const defaultURL = "amqp://guest:guest@localhost:5672/"

// broker returns the URL, or a usageError.
func (b *brokerFlags) broker() (string, error) {
	broker := cmp.Or(b.url, defaultURL)
	if _, err := link.Parse(broker); err != nil {
		return "", &usageError{err, "logtail"}
	}
	return broker, nil
}

// hint says how to name a broker, to who has named none.
func (b *brokerFlags) hint(u *ui) {
	if b.url == "" {
		u.hint("name another broker with -u or $LOGTAIL_URL, or start one here with logtail --embedded")
	}
}
