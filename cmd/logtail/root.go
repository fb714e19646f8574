package main

import (
	"cmp"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const description = `Watch the records that slogcast handlers broadcast over RabbitMQ, or archive them.

logtail binds a temporary queue of its own to the exchange and shows every
record from then on; any number of logtails see the same records. With --file
it appends them to a file instead, as JSON lines, and acknowledges each once it
is on disk.`

const examples = `  logtail demo                             see what it is like, without a broker
  logtail                                  watch the broker on this machine
  logtail --embedded                       be the broker, and watch it
  logtail -l warn                          only warnings and errors
  LOGTAIL_URL=amqp://tail:secret@mq/ logtail
  logtail @prod                            a server of ~/.config/logtail/config.toml
  logtail --file app.log                   archive
  logtail -o json | jq .msg                as JSON lines
  logtail serve                            a live page for people without a terminal
  logtail emit "hello" user=ann            log one record
  make 2>&1 | logtail emit --app make      log every line of a program's output`

// newRoot returns logtail with all its commands, for a command line that named a
// server, or none.
func newRoot(u *ui, server string) *cobra.Command {
	root := newTail(u)
	root.Version = version()
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SuggestionsMinimumDistance = 2
	root.CompletionOptions.DisableDefaultCmd = true
	root.ValidArgsFunction = completeServer
	root.PersistentPreRunE = func(cmd *cobra.Command, args []string) error {
		u.parsed = true
		if cmd.Name() == cobra.ShellCompRequestCmd {
			return nil
		}
		if err := checkEmpty(cmd); err != nil {
			return err
		}
		name := server
		if name == "" && len(args) == 1 && cmd == root {
			name = args[0] // noArgs lets nothing else pass
		}
		settled, err := applyServer(u, cmd, name)
		if err != nil {
			return err
		}
		if err := fromEnvironment(cmd, settled); err != nil {
			return err
		}
		endOnHangup(cmd)
		return nil
	}
	root.SetIn(u.stdin)
	root.SetOut(u.stdout)
	root.SetErr(u.stderr)
	root.SetVersionTemplate("logtail {{.Version}}\n")
	root.SetHelpFunc(help)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usagef("%w", err) })
	root.AddCommand(newDemo(u), newEmit(u), newBench(u), newBenchSide(u), newRead(u), newServe(u), newVerify(u), newMerge(u), newHistory(u), newHealth(u), newCompletion(), newMan())
	group(root, groupGeneral, func(f *pflag.FlagSet) {
		f.Bool("version", false, "print the version") // without cobra's -v
	})
	complete(root)
	for cmd := range commands(root) {
		completeSeen(u, cmd, server)
	}
	return root
}

// noArgs is cobra.NoArgs with the words for who forgot a dash, or -u.
func noArgs(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0, len(args) == 1 && !cmd.HasParent() && isServer(args[0]):
		return nil
	case strings.Contains(args[0], "://"):
		return usagef("a broker's URL is given with -u, or in $LOGTAIL_URL, where others can't see its password")
	case cmd.HasParent():
		return usagef("unexpected argument %q", args[0])
	}
	if meant := cmd.SuggestionsFor(args[0]); len(meant) > 0 {
		return usagef("unknown command %q; is it %s?", args[0], strings.Join(meant, " or "))
	}
	return usagef("unknown command %q", args[0])
}

// release is the version of a released binary: its build sets it.
var release string

// version is that of the release, else the module's as go install or the
// repository tells it.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return cmp.Or(release, "(unknown version)")
	}
	return cmp.Or(release, info.Main.Version) + " " + info.GoVersion
}
