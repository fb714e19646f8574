package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
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
		Short: "Create, show or delete the stream at the broker that keeps past records",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newHistoryCreate(u), newHistoryInfo(u), newHistoryDelete(u))
	return cmd
}

func newHistoryCreate(u *ui) *cobra.Command {
	h := historyCommand{ui: u, age: span(7 * 24 * time.Hour), size: 10e9}
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Create the stream <exchange>.history and bind it to the exchange",
		Long: `Create the stream <exchange>.history at the broker, RabbitMQ 3.9 or later, and bind
it to the exchange. It keeps what is published from then on, for logtail --since.

The broker removes the oldest records beyond --max-age or --max-size, a tenth of
the size at a time (500 MB at most), and never the last such segment. The user
needs permission to configure and write the stream, and to read the exchange.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return h.create(cmd.Context()) },
	}
	group(cmd, groupConnection, h.connection.register)
	group(cmd, groupConnection, h.connection.registerKeys)
	group(cmd, "History", func(f *pflag.FlagSet) {
		f.Var(&h.age, "max-age", "keep records for `DURATION`")
		f.Var(&h.size, "max-size", "keep at most about `SIZE`")
		f.IntVar(&h.replicas, "replicas", 0, "keep it on `N` nodes of a cluster (the broker's choice if 0)")
	})
	return cmd
}

func newHistoryInfo(u *ui) *cobra.Command {
	h := historyCommand{ui: u}
	cmd := &cobra.Command{
		Use:   "info",
		Short: "Show from when to when the stream goes, and how large it is",
		Long: `Show from when to when the stream <exchange>.history goes, how many messages it
holds, about how large they are, and with which arguments it was created.

It asks by AMQP alone, for which the user needs permission to read the stream, and
to configure it for the arguments. What it takes on the disk, its replicas, and the
policies that apply, are told by rabbitmqctl list_queues and by the management
plugin.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return h.info(cmd.Context()) },
	}
	group(cmd, groupConnection, h.connection.register)
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
		f.BoolVar(&h.yes, "yes", false, "delete it without asking")
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
		name := sink.HistoryName(cfg.Exchange)
		h.notice("%s exists with other arguments, which stay as they are: %s", name, differs)
		h.hint(fmt.Sprintf("arguments can't be changed: set a policy, which overrides them, as in rabbitmqctl set_policy --apply-to queues '%s' '^%s$' "+
			`'{"max-age":"%ds","max-length-bytes":%d}', or delete it and create it again`, name, regexp.QuoteMeta(name), int64(time.Duration(h.age).Seconds()), h.size))
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
		if err := h.ask(ctx, cfg); err != nil {
			return err
		}
	}
	if err := sink.DeleteHistory(ctx, cfg); err != nil {
		return noHistory(err, &h.connection)
	}
	h.notice("deleted %s", sink.HistoryName(cfg.Exchange))
	return nil
}

// ask asks on a terminal whether to delete the stream. It returns nil if so.
func (h *historyCommand) ask(ctx context.Context, cfg sink.Config) error {
	if !isTerminal(h.stdin) {
		return usagef("%s and all that it keeps would be gone; say --yes to delete it", sink.HistoryName(cfg.Exchange))
	}
	has, err := sink.DescribeHistory(ctx, cfg)
	if err != nil {
		return noHistory(err, &h.connection)
	}
	h.notice("delete %s with %s? It can't be brought back. Type yes:", has.Name, holds(&has))
	answers := make(chan string, 1)
	go func() {
		answer, _ := bufio.NewReader(h.stdin).ReadString('\n') // its end is no yes
		answers <- answer
	}()
	select {
	case answer := <-answers:
		if strings.EqualFold(strings.TrimSpace(answer), "yes") {
			return nil
		}
	case <-ctx.Done():
	}
	return errors.New("nothing is deleted")
}

func (h *historyCommand) info(ctx context.Context) error {
	cfg, err := h.config()
	if err != nil {
		return err
	}
	has, err := sink.DescribeHistory(ctx, cfg)
	if err != nil {
		return noHistory(err, &h.connection)
	}
	lines := []string{"stream     " + has.Name, "holds      " + holds(&has)}
	if has.Messages > 0 {
		lines = append(lines,
			fmt.Sprintf("first      %s, offset %d", when(has.First), has.FirstOffset),
			fmt.Sprintf("last       %s, offset %d", when(has.Last), has.LastOffset),
			fmt.Sprintf("size       about %s of bodies, by the mean of %d; AMQP does not tell what the disk has", round(has.Bytes), has.Sample))
	}
	if has.NotTold != "" {
		lines = append(lines, "arguments  not told: "+has.NotTold)
	} else {
		lines = append(lines, "arguments  "+strings.Join(has.Arguments, " "))
	}
	for _, line := range lines {
		if _, err := fmt.Fprintln(h.stdout, visible(line)); err != nil {
			return err
		}
	}
	return nil
}

// holds says how much there is.
func holds(h *sink.History) string {
	if h.Messages == 0 {
		return "nothing"
	}
	text := plural(int(h.Messages), "message")
	if length := h.Last.Sub(h.First); !h.First.IsZero() && length > 0 {
		text += " of " + length.Round(max(time.Second, length/1000)).String()
	}
	return text
}

func when(t time.Time) string {
	if t.IsZero() {
		return "at an unknown time"
	}
	return t.Local().Format("2006-01-02 15:04:05.000")
}

// round returns a size in two or three digits.
func round(n int64) string {
	for _, unit := range []string{"GB", "MB", "kB"} {
		if of := units[strings.ToLower(unit)]; float64(n) >= of {
			return fmt.Sprintf("%.3g %s", float64(n)/of, unit)
		}
	}
	return plural(int(n), "byte")
}
