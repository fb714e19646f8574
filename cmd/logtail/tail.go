package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/slogcast/slogcast/sink"
)

// tailCommand is logtail itself: a terminal or an archive behind sink.Tail.
type tailCommand struct {
	*ui
	connection connectionFlags
	filters    filterFlags
	output     outputFlags
	archive    archiveFlags
	embedded   embeddedFlags

	lastError string // shown; the same again is not
}

func newTail(u *ui) *cobra.Command {
	t := tailCommand{ui: u, output: newOutputFlags(), archive: newArchiveFlags()}
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
			return t.run(cmd.Context())
		},
	}
	group(cmd, groupConnection, t.connection.register)
	group(cmd, groupFilters, t.filters.register)
	group(cmd, groupOutput, t.output.register)
	group(cmd, groupArchive, t.archive.register)
	group(cmd, groupEmbedded, t.embedded.register)
	return cmd
}

func (t *tailCommand) run(ctx context.Context) error {
	url, err := t.connection.broker(t.ui)
	if err != nil {
		return err
	}
	if t.embedded.on {
		server, err := t.embedded.start(t.ui)
		if err != nil {
			return err
		}
		defer server.Close()
		url = server.DialURL()
	}
	if t.archive.file != "" {
		return t.archive.run(ctx, t.ui, t.config(url))
	}
	ctx, cancel := t.whileRead(ctx)
	defer cancel()
	return sink.Tail(ctx, t.config(url), t.output.terminal(t.ui))
}

// config is what the flags say of the tail.
func (t *tailCommand) config(url string) sink.Config {
	return sink.Config{URL: url, Exchange: t.connection.exchange, Filter: t.filters.filter(), Notify: t.show}
}

// show tells of a notice.
func (t *tailCommand) show(n sink.Notice) {
	switch {
	case n.Connected != "":
		t.lastError = ""
		t.notice("connected to %s, exchange %s; records from now on", n.Connected, t.connection.exchange)
	case n.Lost != nil:
		if text := n.Lost.Error(); text != t.lastError {
			t.lastError = text
			t.error(n.Lost)
			t.connection.hint(t.ui)
			t.notice("waiting for the broker, trying again until it is there")
		}
		t.status(fmt.Sprintf("waiting for the broker, next try in %v", n.Retry.Round(100*time.Millisecond)))
	default:
		t.notice("%v", n)
	}
}
