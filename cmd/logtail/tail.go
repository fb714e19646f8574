package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"github.com/slogcast/slogcast/sink"
	"github.com/slogcast/slogcast/sink/archive"
	"github.com/slogcast/slogcast/sink/filter"
	"github.com/slogcast/slogcast/sink/render"
)

const description = `Watch the records that slogcast handlers broadcast over RabbitMQ, or archive them.

logtail binds a temporary queue of its own to the exchange and shows every
record from then on; any number of logtails see the same records. With --file
it appends them to a file instead, as JSON lines, and acknowledges each once it
is on disk.

Every flag can be given in the environment as LOGTAIL_ and its name: LOGTAIL_URL.`

const examples = `  logtail demo                             see what it is like, without a broker
  logtail                                  watch the broker on this machine
  logtail --embedded                       be the broker, and watch it
  logtail -l warn                          only warnings and errors
  LOGTAIL_URL=amqp://tail:secret@mq/ logtail
  logtail --file app.log                   archive
  logtail -o json | jq .msg                as JSON lines
  logtail emit "hello" user=ann            log one record
  make 2>&1 | logtail emit --app make      log every line of a program's output`

func newRoot(u *ui) *cobra.Command {
	t := newTail(u)
	cmd := &cobra.Command{
		Use:           "logtail",
		Short:         "Watch or archive records broadcast over RabbitMQ",
		Long:          description,
		Example:       examples,
		Version:       version(),
		Args:          noArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return errors.Join(checkEmpty(cmd), fromEnvironment(cmd))
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := t.embedded.check(cmd.Flags()); err != nil {
				return err
			}
			return t.run(cmd.Context())
		},
	}
	cmd.SetIn(u.stdin)
	cmd.SetOut(u.stdout)
	cmd.SetErr(u.stderr)
	cmd.SetVersionTemplate("logtail {{.Version}}\n")
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return &usageError{err, cmd.CommandPath()} })
	f := cmd.Flags()
	t.broker.register(f)
	t.registerView(cmd)
	f.StringVar(&t.file, "file", "", "append the records to the file at `PATH` instead of showing them")
	t.embedded.register(f)
	f.Bool("version", false, "print the version") // without cobra's -v
	cmd.AddCommand(newDemo(u), newEmit(u), newBench(u), newBenchSide(u))
	return cmd
}

// noArgs is cobra.NoArgs with the words for who forgot a dash.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("unknown command %q", args[0])
	}
	return nil
}

// version is the module's version as go install or the repository tells it.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown version)"
	}
	return info.Main.Version + " " + info.GoVersion
}

// tailCommand is logtail itself: a terminal or an archive behind sink.Tail.
type tailCommand struct {
	*ui
	broker   brokerFlags
	embedded embeddedFlags
	level    level
	output   choice
	color    choice
	file     string

	lastError string // shown; the same again is not
}

func newTail(u *ui) tailCommand {
	return tailCommand{
		ui:     u,
		output: choice{"pretty", []string{"pretty", "json"}},
		color:  choice{"auto", []string{"auto", "always", "never"}},
	}
}

// registerView registers the flags that say which records are shown, and how.
func (t *tailCommand) registerView(cmd *cobra.Command) {
	f := cmd.Flags()
	f.SortFlags = false
	f.VarP(&t.level, "level", "l", "show records of this `LEVEL` and above: debug, info, warn, error")
	f.VarP(&t.output, "output", "o", "`FORMAT` of the records: pretty or json")
	f.Var(&t.color, "color", "`WHEN` to use colours: auto, always, never; auto obeys $NO_COLOR")
	// The names exist: they were registered above.
	_ = cmd.RegisterFlagCompletionFunc("level", completeLevel)
	_ = cmd.RegisterFlagCompletionFunc("output", t.output.complete)
	_ = cmd.RegisterFlagCompletionFunc("color", t.color.complete)
}

func (t *tailCommand) run(ctx context.Context) error {
	url, err := t.broker.broker()
	if err != nil {
		return err
	}
	if t.embedded.on {
		server, err := t.embedded.start(t.ui, t.broker.exchange)
		if err != nil {
			return err
		}
		defer server.Close()
		url = server.DialURL()
	}
	if t.file == "-" {
		return usagef("--file - is no file; logtail -o json writes to standard output")
	}
	if t.file != "" {
		return t.archive(ctx, t.config(url))
	}
	return sink.Tail(ctx, t.config(url), t.terminal())
}

// config is what the flags say of the tail.
func (t *tailCommand) config(url string) sink.Config {
	cfg := sink.Config{URL: url, Exchange: t.broker.exchange, Notify: t.show}
	if t.level.set {
		cfg.Filter = filter.AtLeast(t.level.Level)
	}
	return cfg
}

// terminal is what the flags say of standard output.
func (t *tailCommand) terminal() *render.Terminal {
	return render.New(t.stdout, render.Options{
		Color:  t.useColor(t.color.value),
		JSON:   t.output.value == "json",
		Escape: isTerminal(t.stdout),
	})
}

// The archive's queue has no bound while it lives, fsync is shared by what
// comes within linger, and what waits at the broker when the archive is ended
// is still written.
const (
	archivePrefetch = 1024
	archiveLinger   = 50 * time.Millisecond
	archiveDrain    = 10 * time.Second
)

func archiveConfig(cfg *sink.Config) {
	cfg.MaxLength, cfg.MaxBytes = -1, -1
	cfg.Prefetch = archivePrefetch
	cfg.Linger = archiveLinger
	cfg.Drain = archiveDrain
}

func (t *tailCommand) archive(ctx context.Context, cfg sink.Config) (err error) {
	file, err := archive.Open(t.file, archive.Options{OnError: func(err error) {
		if err == nil {
			t.notice("the disk takes records again")
			return
		}
		t.error(err)
		t.hint("nothing is lost: records wait at the broker until the disk takes them")
	}})
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := file.Close(); err == nil {
			err = closeErr
		}
	}()
	archiveConfig(&cfg)
	counted := &counter{Writer: file}
	err = sink.Tail(ctx, cfg, counted)
	t.notice("archived %d records to %s", counted.records, t.file)
	return err
}

// counter counts the records that a Writer has safe.
type counter struct {
	sink.Writer
	records int
}

func (c *counter) Write(ctx context.Context, records []sink.Record) error {
	if err := c.Writer.Write(ctx, records); err != nil {
		return err
	}
	c.records += len(records)
	return nil
}

// show tells of a notice.
func (t *tailCommand) show(n sink.Notice) {
	switch {
	case n.Connected != "":
		t.lastError = ""
		t.notice("connected to %s, exchange %s; records from now on", n.Connected, t.broker.exchange)
	case n.Lost != nil:
		if text := n.Lost.Error(); text != t.lastError {
			t.lastError = text
			t.error(n.Lost)
			t.broker.hint(t.ui)
			t.notice("waiting for the broker, trying again until it is there")
		}
		t.status(fmt.Sprintf("waiting for the broker, next try in %v", n.Retry.Round(100*time.Millisecond)))
	default:
		t.notice("%v", n)
	}
}
