package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func TestEnvironmentNames(t *testing.T) {
	root := newRoot(newUI(nil, &bytes.Buffer{}, &bytes.Buffer{}), "")
	for _, tt := range []struct{ command, flag, want string }{
		{"", "url", "LOGTAIL_URL"},
		{"", "password-file", "LOGTAIL_PASSWORD_FILE"},
		{"", "level", "LOGTAIL_LEVEL"},
		{"demo", "level", "LOGTAIL_LEVEL"},
		{"emit", "url", "LOGTAIL_URL"},
		{"emit", "level", "LOGTAIL_EMIT_LEVEL"},
		{"bench", "url-file", "LOGTAIL_URL_FILE"},
		{"bench", "exchange", "LOGTAIL_BENCH_EXCHANGE"},
		{"bench", "output", "LOGTAIL_BENCH_OUTPUT"},
		{"bench", "records", "LOGTAIL_RECORDS"},
	} {
		cmd, _, err := root.Find(strings.Fields(tt.command))
		if err != nil {
			t.Fatal(err)
		}
		if got := envName(cmd, cmd.Flags().Lookup(tt.flag)); got != tt.want {
			t.Errorf("logtail %s --%s: got %s, want %s", tt.command, tt.flag, got, tt.want)
		}
	}
}

// TestNamesOfNestedCommands has two subcommands that mean different things by
// one name, and one that agrees with another.
func TestNamesOfNestedCommands(t *testing.T) {
	root, history, create, read := &cobra.Command{Use: "logtail"}, &cobra.Command{Use: "history"}, &cobra.Command{Use: "create"}, &cobra.Command{Use: "read"}
	root.AddCommand(history, read)
	history.AddCommand(create)
	declare := func(cmd *cobra.Command, heading, name string) *pflag.Flag {
		group(cmd, heading, func(f *pflag.FlagSet) { f.String(name, "", "") })
		return cmd.Flags().Lookup(name)
	}
	size, otherSize := declare(create, "Stream", "max-size"), declare(read, "Files", "max-size")
	since, sameSince := declare(create, groupFilters, "since"), declare(read, groupFilters, "since")
	for _, tt := range []struct {
		cmd  *cobra.Command
		flag *pflag.Flag
		want string
	}{
		{create, size, "LOGTAIL_HISTORY_CREATE_MAX_SIZE"},
		{read, otherSize, "LOGTAIL_READ_MAX_SIZE"},
		{create, since, "LOGTAIL_SINCE"},
		{read, sameSince, "LOGTAIL_SINCE"},
	} {
		if got := envName(tt.cmd, tt.flag); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}

// TestEveryFlagHasAGroup keeps the help in order, and each flag to one line of it.
func TestEveryFlagHasAGroup(t *testing.T) {
	root := newRoot(newUI(nil, &bytes.Buffer{}, &bytes.Buffer{}), "")
	for cmd := range commands(root) {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if heading(f) == groupGeneral && f.Name != "help" && f.Name != "version" {
				t.Errorf("%s --%s is in no group", cmd.CommandPath(), f.Name)
			}
			if n := len("  ") + max(28, len(flagSynopsis(f))) + 1 + len(flagSummary(f)); n > 110 {
				t.Errorf("%s --%s takes %d columns of the help: %s", cmd.CommandPath(), f.Name, n, flagSummary(f))
			}
		})
	}
}
