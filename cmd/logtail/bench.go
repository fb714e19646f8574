package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/slogcast/slogcast/cmd/logtail/internal/bench"
	"github.com/slogcast/slogcast/sink"
)

const benchDescription = `Measure a broker with slogcast at both ends: records per second, the time from the
log call to the output, processor time for each record, and what was lost.

Producer and tails are processes of their own. The exchange is of their own, too,
and deleted at the end, so that no live tail sees the records. With --baseline
the barest loop that amqp091-go allows publishes and consumes the same bytes
under the same settings, in turn with slogcast, and the ratios are shown.`

const benchExamples = `  logtail bench                                  one record a message, as fast as it goes
  logtail bench --batch 100 --baseline --runs 5  batches, against the barest loop
  logtail bench --rate 5000 --sink pretty        from the log call to the line on the screen`

type benchCommand struct {
	*ui
	connection connectionFlags
	load       bench.Load
	exchange   string
	sink       choice
	output     choice
	baseline   bool
	runs       int
}

func newBench(u *ui) *cobra.Command {
	b := benchCommand{
		ui:     u,
		load:   bench.Load{Records: 200_000, Producers: 1, Size: 250, Attrs: 5, Buffer: 8 << 20, Tails: 1},
		runs:   1,
		sink:   choice{"discard", []string{"discard", "pretty", "file"}},
		output: choice{"pretty", []string{"pretty", "json"}},
	}
	cmd := &cobra.Command{
		Use:     "bench",
		Short:   "Measure records/s, latency and losses against a broker",
		Long:    benchDescription,
		Example: benchExamples,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if b.load.For > 0 && !cmd.Flags().Changed("records") {
				b.load.Records = 0
			}
			return b.run(cmd.Context())
		},
	}
	group(cmd, groupConnection, b.connection.registerURL)
	group(cmd, "Load", b.registerLoad)
	group(cmd, "Measurement", b.registerMeasurement)
	return cmd
}

func (b *benchCommand) registerLoad(f *pflag.FlagSet) {
	f.VarP(&count{&b.load.Records, 1, 1_000_000_000}, "records", "n", "how many records, `N`")
	f.Var((*duration)(&b.load.For), "for", "for how long, `TIME`, in place of --records")
	f.StringVarP(&b.exchange, "exchange", "x", "", "fanout exchange's `NAME`; it is kept (default: a new one)\nThe default is an exchange of its own, deleted at the end. Tails of the exchange named here see\nthe records of the benchmark.")
	f.Var(&count{&b.load.Producers, 1, 10_000}, "producers", "goroutines that log, `N`")
	f.Var(&count{&b.load.Rate, 0, 10_000_000}, "rate", "records per second, `N`, of all together; 0: no limit")
	f.Var(&count{&b.load.Size, 0, 100 << 20}, "size", "about the `BYTES` of an encoded record")
	f.Var(&count{&b.load.Attrs, 0, 10_000}, "attrs", "attributes of a record, `N`")
	f.Var(&count{&b.load.Batch, 0, 10_000}, "batch", "up to `N` records in a message; 0 is one")
	f.Var((*duration)(&b.load.Linger), "linger", "how long a record may wait for its batch, `TIME`")
	f.BoolVar(&b.load.Unconfirmed, "unconfirmed", false, "do not wait for the broker's confirms")
	f.BoolVar(&b.load.Transient, "transient", false, "delivery-mode 1 in place of 2")
	f.Var(&count{&b.load.Buffer, 64 << 10, 1 << 30}, "buffer", "the handler's buffer, `BYTES`")
}

func (b *benchCommand) registerMeasurement(f *pflag.FlagSet) {
	f.Var(&count{&b.load.Tails, 0, 100}, "tails", "how many tails, `N`")
	f.Var(&b.sink, "sink", "what `KIND` of tail: discard, pretty, file\nIt discards the records, renders them to nowhere, or archives them to a temporary file.")
	f.BoolVar(&b.baseline, "baseline", false, "measure the barest amqp091-go loop, too")
	f.Var(&count{&b.runs, 1, 1_000}, "runs", "repeat `N` times, and show medians")
	f.VarP(&b.output, "output", "o", "`FORMAT` of the result: pretty, json")
}

func (b *benchCommand) run(ctx context.Context) error {
	b.load.Sink = b.sink.value
	url, err := b.connection.broker(b.ui)
	if err != nil {
		return err
	}
	return bench.Run(ctx, bench.Config{
		URL:      url,
		Exchange: b.exchange,
		Load:     b.load,
		Baseline: b.baseline,
		Runs:     b.runs,
		JSON:     b.output.value == "json",
		Command:  []string{benchSide},
		Stderr:   b.stderr,
		Notice:   func(text string) { b.notice("%s", text) },
		Status:   b.status,
	}, b.stdout)
}

const benchSide = "bench-side"

// newBenchSide is the command of bench's own processes.
func newBenchSide(u *ui) *cobra.Command {
	return &cobra.Command{
		Use:    benchSide,
		Short:  "A process of logtail bench, which starts it",
		Hidden: true,
		Args:   noArgs,
		RunE: func(*cobra.Command, []string) error {
			err := bench.Side(u.stdin, u.stdout, func(cfg *sink.Config) { archived := newArchiveFlags(); archived.settings(cfg) })
			if errors.Is(err, bench.ErrNotStarted) {
				return usagef("%s: %w", benchSide, err)
			}
			return err
		},
	}
}
