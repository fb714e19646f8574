package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const manDescription = `Write the manual as a page for man(1):

  logtail man | man -l -
  logtail man > /usr/local/share/man/man1/logtail.1`

func newMan() *cobra.Command {
	return &cobra.Command{
		Use:   "man",
		Short: "Write the manual page",
		Long:  manDescription,
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return writeManual(cmd.OutOrStdout(), cmd.Root()) },
	}
}

// writeManual writes one page about logtail and all its commands, in the macros
// of man(7).
func writeManual(w io.Writer, root *cobra.Command) error {
	out := bufio.NewWriter(w)
	m := manual{out}
	m.macro("TH", strings.ToUpper(root.Name()), "1", "", root.Name(), "")
	m.section("NAME", root.Name()+` \- `+roff(strings.ToLower(root.Short[:1])+root.Short[1:]))
	m.macro("SH", "SYNOPSIS")
	for cmd := range commands(root) {
		if inManual(cmd) {
			m.macro("BI", cmd.CommandPath(), strings.TrimPrefix(cmd.UseLine(), cmd.CommandPath()))
			m.macro("br")
		}
	}
	m.macro("SH", "DESCRIPTION")
	m.text(root.Long)
	m.flags(root)
	for cmd := range commands(root) {
		if cmd != root && inManual(cmd) {
			m.macro("SH", strings.ToUpper(cmd.CommandPath()))
			m.text(cmd.Long)
			m.flags(cmd)
			m.examples(cmd)
		}
	}
	m.examples(root)
	m.section("ENVIRONMENT", roff(manEnvironment))
	m.macro("SH", "FILES")
	m.text(manFiles)
	m.macro("SH", "EXIT STATUS")
	m.text(manExit)
	return out.Flush()
}

// inManual leaves out commands of cobra's, and groups of commands.
func inManual(cmd *cobra.Command) bool { return cmd.Runnable() && !cmd.Hidden && cmd.Name() != "help" }

const manEnvironment = "Every flag can be given in the environment, by the variable that is named with it; the command line goes first. A variable that is empty counts as not there."

const manFiles = `~/.config/logtail/config.toml, or logtail/config.toml in $XDG_CONFIG_HOME, gives servers names. As the first argument @prod means the one of this name, with every command that speaks to a broker:

  [servers.prod]
  url = "amqps://tail@mq.example/"   # or url-file, whose first line is the URL
  exchange = "logs"
  key = ["shop.*"]
  tls = { ca-file = "ca.pem" }       # and cert-file, key-file, server-name

What the command line says goes before the server, and the server before the environment. Names of files are relative to the folder. Who keeps a password there sees to it that only they can read it: chmod 600.`

const manExit = `0  ended as asked

1  an error

2  a mistake on the command line, in the environment or in the configuration

3  --fail-on, --expect, --fail-on-gap or verify found what they look for`

// manual writes the macros of man(7). bufio remembers the first error.
type manual struct{ *bufio.Writer }

func (m manual) macro(name string, args ...string) {
	fmt.Fprintf(m, ".%s", name)
	for _, arg := range args {
		fmt.Fprintf(m, " %q", roff(arg))
	}
	fmt.Fprintln(m)
}

func (m manual) section(title, text string) {
	m.macro("SH", title)
	fmt.Fprintln(m, text)
}

// text writes paragraphs; lines that begin with spaces stay as they are.
func (m manual) text(s string) {
	for paragraph := range strings.SplitSeq(s, "\n\n") {
		m.macro("PP")
		if strings.HasPrefix(paragraph, " ") {
			m.verbatim(paragraph)
			continue
		}
		fmt.Fprintln(m, roff(strings.TrimSpace(paragraph)))
	}
}

func (m manual) verbatim(s string) {
	m.macro("nf")
	fmt.Fprintln(m, roff(s))
	m.macro("fi")
}

func (m manual) flags(cmd *cobra.Command) {
	for heading, flags := range groups(cmd) {
		m.macro("SS", heading)
		for _, f := range flags {
			m.flag(cmd, f)
		}
	}
}

func (m manual) flag(cmd *cobra.Command, f *pflag.Flag) {
	m.macro("TP")
	m.macro("B", strings.TrimSpace(flagSynopsis(f)))
	_, usage := pflag.UnquoteUsage(f)
	_, more, _ := strings.Cut(usage, "\n")
	fmt.Fprintln(m, roff(flagSummary(f)+"."))
	if more != "" {
		fmt.Fprintln(m, roff(more))
	}
	if hasEnvironment(f) {
		fmt.Fprintf(m, "Environment: %s.\n", roff(envName(cmd, f)))
	}
}

func (m manual) examples(cmd *cobra.Command) {
	if cmd.Example == "" {
		return
	}
	m.macro("SS", "Examples")
	m.verbatim(cmd.Example)
}

// roff escapes text: backslashes, the dash of options, and a dot or quote that
// would begin a request.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(s)
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}
