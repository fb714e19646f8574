package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/slogcast/slogcast/sink"
)

// historyCommand looks after the stream that keeps the records of an exchange.
type historyCommand struct {
	*ui
	connection connectionFlags
	age        span
	size       size
	replicas   int
	yes        bool
}

func newHistory(u *ui) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "history",
		Short: "Create or delete the stream at the broker that keeps past records",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newHistoryCreate(u), newHistoryDelete(u))
	return cmd
}

func newHistoryCreate(u *ui) *cobra.Command {
	h := historyCommand{ui: u, age: span(7 * 24 * time.Hour), size: 10e9}
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Create the stream <exchange>.history and bind it to the exchange",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return h.create(cmd.Context()) },
	}
	group(cmd, groupConnection, h.connection.register)
	group(cmd, "History", func(f *pflag.FlagSet) {
		f.Var(&h.age, "max-age", "keep records for `DURATION`")
		f.Var(&h.size, "max-size", "keep at most about `SIZE`")
		f.IntVar(&h.replicas, "replicas", 0, "keep it on `N` nodes of a cluster (the broker's choice if 0)")
	})
	return cmd
}

func newHistoryDelete(u *ui) *cobra.Command {
	h := historyCommand{ui: u}
	cmd := &cobra.Command{
		Use:   "delete",
		Short: "Delete the stream <exchange>.history with all that it keeps",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return h.delete(cmd.Context()) },
	}
	group(cmd, groupConnection, h.connection.register)
	group(cmd, "History", func(f *pflag.FlagSet) {
		f.BoolVar(&h.yes, "yes", false, "delete it, as it cannot be brought back")
	})
	return cmd
}

// config is what the flags say of the broker.
func (h *historyCommand) config() (sink.Config, error) {
	url, err := h.connection.broker(h.ui)
	return sink.Config{URL: url, Exchange: h.connection.exchange, Keys: h.connection.keys, Notify: func(n sink.Notice) { h.notice("%v", n) }}, err
}

func (h *historyCommand) create(ctx context.Context) error {
	cfg, err := h.config()
	if err != nil {
		return err
	}
	if h.replicas < 0 || h.replicas > 255 {
		return usagef("--replicas is not a number from 0 to 255")
	}
	differs, err := sink.CreateHistory(ctx, cfg, sink.Retention{MaxAge: time.Duration(h.age), MaxBytes: int64(h.size), Replicas: h.replicas})
	if err != nil {
		return err
	}
	if differs != "" {
		h.notice("%s exists with other arguments, which stay as they are: %s", sink.HistoryName(cfg.Exchange), differs)
		h.hint("set a policy with max-age and max-length-bytes, or delete it and create it again")
		return nil
	}
	h.notice("%s keeps the records of exchange %s from now on", sink.HistoryName(cfg.Exchange), cfg.Exchange)
	return nil
}

func (h *historyCommand) delete(ctx context.Context) error {
	cfg, err := h.config()
	if err != nil {
		return err
	}
	if !h.yes {
		return usagef("%s and all that it keeps would be gone; say --yes to delete it", sink.HistoryName(cfg.Exchange))
	}
	if err := sink.DeleteHistory(ctx, cfg); err != nil {
		return err
	}
	h.notice("deleted %s", sink.HistoryName(cfg.Exchange))
	return nil
}
