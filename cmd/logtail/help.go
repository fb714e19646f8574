package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// help writes a command's help to standard output: a line a flag, in groups.
func help(cmd *cobra.Command, _ []string) {
	writeHelp(cmd.OutOrStdout(), cmd) // there is nobody to tell of a failure
}

func writeHelp(w io.Writer, cmd *cobra.Command) {
	text := cmd.Long
	if text == "" {
		text = cmd.Short
	}
	fmt.Fprintf(w, "%s\n\nUsage:\n  %s\n", text, cmd.UseLine())
	if subs := visibleCommands(cmd); len(subs) > 0 {
		fmt.Fprintf(w, "  %s COMMAND\n\nCommands:\n", cmd.CommandPath())
		for _, sub := range subs {
			fmt.Fprintf(w, "  %-12s %s\n", sub.Name(), sub.Short)
		}
	}
	if cmd.Example != "" {
		fmt.Fprintf(w, "\nExamples:\n%s\n", cmd.Example)
	}
	own := false
	for heading, flags := range groups(cmd) {
		fmt.Fprintf(w, "\n%s:\n", heading)
		for _, f := range flags {
			fmt.Fprintf(w, "  %-28s %s\n", flagSynopsis(f), flagSummary(f))
			own = own || hasEnvironment(f)
		}
	}
	if own {
		fmt.Fprintf(w, "\nA flag can be given in the environment, too: %s\n", environmentNote(cmd))
	}
}

// environmentNote says how the variables are called: by the rule, and those that
// have the command's name, too.
func environmentNote(cmd *cobra.Command) string {
	note := "--url is LOGTAIL_URL"
	var others []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if ambiguous(cmd, f) && hasEnvironment(f) {
			others = append(others, "--"+f.Name+" "+envName(cmd, f))
		}
	})
	if len(others) > 0 {
		note += ",\nbut " + strings.Join(others, ", ")
	}
	return note + "."
}

// visibleCommands returns the subcommands that the help names.
func visibleCommands(cmd *cobra.Command) []*cobra.Command {
	var subs []*cobra.Command
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() && sub.Name() != "help" {
			subs = append(subs, sub)
		}
	}
	return subs
}

// groups yields the groups of a command's flags, in the order of their
// declaration, the general ones last.
func groups(cmd *cobra.Command) func(yield func(string, []*pflag.Flag) bool) {
	var order []string
	flags := make(map[string][]*pflag.Flag)
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		h := heading(f)
		if flags[h] == nil && h != groupGeneral {
			order = append(order, h)
		}
		flags[h] = append(flags[h], f)
	})
	order = append(order, groupGeneral)
	return func(yield func(string, []*pflag.Flag) bool) {
		for _, h := range order {
			if len(flags[h]) > 0 && !yield(h, flags[h]) {
				return
			}
		}
	}
}

// flagSynopsis is a flag with the name of its value: "-u, --url URL".
func flagSynopsis(f *pflag.Flag) string {
	synopsis := "    --" + f.Name
	if f.Shorthand != "" {
		synopsis = "-" + f.Shorthand + ", --" + f.Name
	}
	if name, _ := pflag.UnquoteUsage(f); name != "" {
		synopsis += " " + name
	}
	return synopsis
}

// flagSummary is the first line of a flag's usage, with its default.
func flagSummary(f *pflag.Flag) string {
	_, usage := pflag.UnquoteUsage(f)
	summary, _, _ := strings.Cut(usage, "\n")
	switch f.DefValue {
	case "", "0", "0s", "false", "[]":
		return summary
	}
	return fmt.Sprintf("%s (default %s)", summary, f.DefValue)
}
