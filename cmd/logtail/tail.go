package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/slogcast/slogcast/cmd/logtail/internal/view"
	"github.com/slogcast/slogcast/sink"
	"github.com/slogcast/slogcast/sink/render"
)

// tailCommand is logtail itself: a terminal or an archive behind sink.Tail.
type tailCommand struct {
	*ui
	connection connectionFlags
	filters    filterFlags
	output     outputFlags
	archive    archiveFlags
	embedded   embeddedFlags
	keys       interactiveFlags
	past       pastFlags
	health     healthFlags

	ring      *view.Ring // where notices go, with -i
	state     state
	systemd   *systemd // nil where it does not want to know
	lastError string   // shown; the same again is not
}

func newTail(u *ui) *cobra.Command {
	t := tailCommand{ui: u, output: newOutputFlags(), archive: newArchiveFlags()}
	t.filters.bySource = true
	cmd := &cobra.Command{
		Use:     "logtail",
		Short:   "Watch or archive records broadcast over RabbitMQ",
		Long:    description,
		Example: examples,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := t.embedded.check(cmd.Flags()); err != nil {
				return err
			}
			if err := t.archive.check(); err != nil {
				return err
			}
			if err := t.output.check(); err != nil {
				return err
			}
			if err := t.keys.check(u, cmd.Flags()); err != nil {
				return err
			}
			return t.run(cmd.Context(), cmd.Flags())
		},
	}
	group(cmd, groupConnection, t.connection.register)
	group(cmd, groupConnection, t.connection.registerKeys)
	group(cmd, groupConnection, t.past.register)
	group(cmd, groupFilters, t.filters.register)
	group(cmd, groupOutput, t.output.register)
	group(cmd, groupOutput, t.output.registerLive)
	group(cmd, groupOutput, t.keys.register)
	group(cmd, groupArchive, t.archive.register)
	group(cmd, groupEmbedded, t.embedded.register)
	group(cmd, groupService, t.health.register)
	return cmd
}

func (t *tailCommand) run(ctx context.Context, flags *pflag.FlagSet) error {
	selected, err := t.filters.compile(t.ui)
	if err != nil {
		return err
	}
	url, err := t.connection.broker(t.ui)
	if err != nil {
		return err
	}
	if err := t.past.choose(selected, t); err != nil {
		return err
	}
	if t.embedded.on {
		server, err := t.embedded.start(t.ui, t.connection.exchange)
		if err != nil {
			return err
		}
		defer server.Close()
		url = server.DialURL()
	}
	t.count(selected)
	asked := ctx
	ctx, cancel := t.past.untilEnd(ctx, selected)
	defer cancel()
	from := source(sink.Tail)
	if len(t.past.from) > 0 {
		if from, err = t.past.fromArchive(t.ui, selected); err != nil {
			return err
		}
	}
	if t.keys.on {
		return t.interact(ctx, flags, selected, func(ctx context.Context, w sink.Writer) error {
			return t.past.explain(selected.run(ctx, t.config(url), w, from), &t.connection)
		})
	}
	endState, err := t.watchState(ctx)
	if err != nil {
		return err
	}
	defer endState()
	if t.archive.file != "" {
		return t.past.explain(t.archive.run(ctx, selected, t.config(url), &t.state), &t.connection)
	}
	ctx, unread := t.whileRead(ctx)
	defer unread()
	terminal, end := t.output.live(asked, t.ui, selected)
	err = selected.run(ctx, t.config(url), terminal, from)
	return errors.Join(t.past.explain(err, &t.connection), end())
}

// interact shows what a source writes to a person who has the keyboard.
func (t *tailCommand) interact(ctx context.Context, flags *pflag.FlagSet, selected *selection, source func(context.Context, sink.Writer) error) error {
	v, stop := t.keys.start(t.ui, flags, selected, &t.output)
	defer stop()
	t.ring, v.status, v.live = v.ring, t.state.line, true
	t.state.began = time.Now()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	onRequest(ctx, func(now time.Time) { t.notice("%s", t.state.numbers(now)) })
	return v.run(ctx, func(ctx context.Context) error { return source(ctx, v.ring) })
}

// config is what the flags say of the tail.
func (t *tailCommand) config(url string) sink.Config {
	return sink.Config{
		URL: url, TLS: t.embedded.own, Exchange: t.connection.exchange, TransientExchange: t.connection.transient, Keys: t.connection.keys,
		Queue: t.past.queue, ReuseRecords: true, Notify: t.show,
	}
}

// count has the state count what is selected.
func (t *tailCommand) count(selected *selection) {
	selected.keys = t.output.recordKeys()
	// An archive, and lines that are written as they came, need not know the level.
	levels := t.archive.file == "" && t.output.format.value != string(render.JSON) && t.output.format.value != string(render.Raw)
	selected.counting = func(filter func(*sink.Record) bool) func(*sink.Record) bool {
		return t.state.counting(filter, levels)
	}
}

// watchState shows the state in the status line, on request, to who asks for
// health and to systemd, until end is called; the first two until ctx ends.
func (t *tailCommand) watchState(ctx context.Context) (end func(), err error) {
	t.state.began = time.Now()
	endHealth, err := t.health.serve(t.ui, &t.state)
	if err != nil {
		return nil, err
	}
	if t.systemd, err = openSystemd(); err != nil {
		endHealth()
		return nil, err
	}
	endSystemd := t.systemd.watch(ctx, &t.state)
	ctx, cancel := context.WithCancel(ctx)
	onRequest(ctx, func(now time.Time) { t.notice("%s", t.state.numbers(now)) })
	endStatus := func() {}
	if t.output.showStatus(t.ui, t.archive.file != "") {
		endStatus = t.keepStatus(ctx, &t.state)
	}
	return func() {
		endStatus()
		cancel()
		endSystemd()
		endHealth()
	}, nil
}

// show tells of a notice.
func (t *tailCommand) show(n sink.Notice) {
	t.state.note(n, time.Now())
	if n.Connected != "" {
		t.systemd.connected()
	}
	switch {
	case n.Behind != nil: // in the state alone
	case t.ring != nil:
		t.noteRow(n)
	case n.Connected != "":
		t.lastError = ""
		t.notice("connected to %s, %s", n.Connected, t.past.source(&t.connection))
	case n.Lost != nil:
		if text := n.Lost.Error(); text != t.lastError {
			t.lastError = text
			t.error(n.Lost)
			t.connection.hint(t.ui)
			t.notice("waiting for the broker, trying again until it is there")
		}
	case n.Remark != "" && t.embedded.on && !t.past.queue.History:
		// Nothing has been on a broker that has just begun.
	default:
		t.notice("%v", n)
	}
}

// noteRow makes a row of a notice, but of an error that was the last one, too.
func (t *tailCommand) noteRow(n sink.Notice) {
	text := ""
	if n.Lost != nil {
		text = n.Lost.Error()
	}
	if text == "" || text != t.lastError {
		t.ring.Note(n)
	}
	if text != "" || n.Connected != "" {
		t.lastError = text
	}
}
