package main

import (
	"errors"
	"iter"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// envName returns the environment variable that stands for a flag of a command:
// LOGTAIL_ and the flag's name. Where the name means another thing than for
// logtail itself, or than for another command, the command's name comes between
// them: emit's --level is not the filter, and has LOGTAIL_EMIT_LEVEL.
func envName(cmd *cobra.Command, f *pflag.Flag) string {
	words := []string{cmd.Root().Name()}
	if ambiguous(cmd, f) {
		words = strings.Fields(cmd.CommandPath())
	}
	name := strings.Join(append(words, f.Name), "_")
	return strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// ambiguous reports whether the name of a subcommand's flag means another thing
// elsewhere. What it means for logtail itself goes first.
func ambiguous(cmd *cobra.Command, f *pflag.Flag) bool {
	root := cmd.Root()
	if cmd == root {
		return false
	}
	if own := root.Flags().Lookup(f.Name); own != nil {
		return heading(own) != heading(f)
	}
	for other := range commands(root) {
		if own := other.Flags().Lookup(f.Name); own != nil && heading(own) != heading(f) {
			return true
		}
	}
	return false
}

// commands yields a command and all below it.
func commands(cmd *cobra.Command) iter.Seq[*cobra.Command] {
	return func(yield func(*cobra.Command) bool) {
		if !yield(cmd) {
			return
		}
		for _, sub := range cmd.Commands() {
			for c := range commands(sub) {
				if !yield(c) {
					return
				}
			}
		}
	}
}

// hasEnvironment reports whether a flag may be given in the environment.
func hasEnvironment(f *pflag.Flag) bool { return f.Name != "help" && f.Name != "version" }

// fromEnvironment sets the flags that were not given, and are not settled by
// their names, from the environment. A variable that is empty counts as not
// there.
func fromEnvironment(cmd *cobra.Command, settled []string) error {
	var errs []error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		name := envName(cmd, f)
		value := os.Getenv(name)
		if f.Changed || value == "" || !hasEnvironment(f) || overruled(cmd, f) || slices.Contains(settled, f.Name) {
			return
		}
		if err := f.Value.Set(value); err != nil {
			// A URL, which may hold a password, is not looked at here.
			errs = append(errs, usagef("%s, for --%s: %w", name, f.Name, err))
		}
	})
	return errors.Join(errs...)
}

// overruled reports whether the command line has another flag that says the same
// thing in another way.
func overruled(cmd *cobra.Command, f *pflag.Flag) bool {
	switch f.Name {
	case "url":
		return cmd.Flags().Changed("url-file")
	case "url-file":
		return cmd.Flags().Changed("url")
	}
	return false
}
