package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/slogcast/slogcast/internal/link"
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

// load is what a benchmark does. The sides get it as JSON.
type load struct {
	Records     int           `json:"records"`
	For         time.Duration `json:"for"`
	Producers   int           `json:"producers"`
	Rate        int           `json:"rate"`
	Size        int           `json:"size"`
	Attrs       int           `json:"attrs"`
	Batch       int           `json:"batch"`
	Linger      time.Duration `json:"linger"`
	Unconfirmed bool          `json:"unconfirmed"`
	Transient   bool          `json:"transient"`
	Buffer      int           `json:"buffer"`
	Tails       int           `json:"tails"`
	Sink        string        `json:"sink"`
}

type benchCommand struct {
	*ui
	broker   brokerFlags
	load     load
	sink     choice
	output   choice
	baseline bool
	runs     int
}

func newBench(u *ui) *cobra.Command {
	b := benchCommand{
		ui:     u,
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
			b.load.Sink = b.sink.value
			if b.load.For > 0 && !cmd.Flags().Changed("records") {
				b.load.Records = 0
			}
			if err := b.load.check(); err != nil {
				return err
			}
			return b.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	b.broker.register(f)
	f.Lookup("exchange").Usage = "fanout exchange's `NAME`; it is kept (default: one of its own, deleted at the end)"
	f.Lookup("exchange").DefValue = ""
	b.broker.exchange = ""
	f.IntVarP(&b.load.Records, "records", "n", 200_000, "how many records, `N`")
	f.DurationVar(&b.load.For, "for", 0, "for how long, `TIME`, in place of --records")
	f.IntVar(&b.load.Producers, "producers", 1, "goroutines that log, `N`")
	f.IntVar(&b.load.Rate, "rate", 0, "records per second, `N`, of all together; 0 is as fast as it goes")
	f.IntVar(&b.load.Size, "size", 250, "about the `BYTES` of an encoded record")
	f.IntVar(&b.load.Attrs, "attrs", 5, "attributes of a record, `N`")
	f.IntVar(&b.load.Batch, "batch", 0, "up to `N` records in a message; 0 is one")
	f.DurationVar(&b.load.Linger, "linger", 0, "how long a record may wait for its batch, `TIME`")
	f.BoolVar(&b.load.Unconfirmed, "unconfirmed", false, "do not wait for the broker's confirms")
	f.BoolVar(&b.load.Transient, "transient", false, "delivery-mode 1 in place of 2")
	f.IntVar(&b.load.Buffer, "buffer", 8<<20, "the handler's buffer, `BYTES`")
	f.IntVar(&b.load.Tails, "tails", 1, "how many tails, `N`")
	f.Var(&b.sink, "sink", "what tails do with records, `KIND`: discard, pretty (render them), file (archive them)")
	f.BoolVar(&b.baseline, "baseline", false, "measure the barest amqp091-go loop, too")
	f.IntVar(&b.runs, "runs", 1, "repeat `N` times, and show medians")
	f.VarP(&b.output, "output", "o", "`FORMAT` of the result: pretty or json")
	_ = cmd.RegisterFlagCompletionFunc("sink", b.sink.complete)
	_ = cmd.RegisterFlagCompletionFunc("output", b.output.complete)
	return cmd
}

func (l *load) check() error {
	switch {
	case l.Records < 0 || l.For < 0 || l.Records == 0 && l.For == 0:
		return usagef("--records and --for say nothing to do")
	case l.Producers < 1 || l.Tails < 0 || l.Rate < 0 || l.Batch < 0 || l.Linger < 0 || l.Attrs < 0 || l.Size < 0:
		return usagef("a number is too small")
	}
	return nil
}

// run runs the pairs, and prints what came of them.
func (b *benchCommand) run(ctx context.Context) error {
	url, err := b.broker.broker()
	if err != nil {
		return err
	}
	if b.runs < 1 {
		return usagef("--runs is less than 1")
	}
	exchange := b.broker.exchange
	if exchange == "" {
		exchange = "logtail-bench-" + uuid.NewString()
		defer b.remove(url, exchange)
	}
	b.notice("measuring through exchange %s; Ctrl-C shows what there is until then", exchange)
	report := report{Load: b.load}
	for n := range b.runs {
		p, err := b.pair(ctx, url, exchange, n)
		if p.Slogcast != nil {
			report.Runs = append(report.Runs, p)
		}
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			break
		}
	}
	b.clear()
	report.summarize()
	if err := report.print(b.stdout, b.output.value == "json"); err != nil {
		return err
	}
	return report.lost()
}

// pair measures slogcast, and the baseline if that is asked for.
func (b *benchCommand) pair(ctx context.Context, url, exchange string, n int) (p pair, err error) {
	measure := func(baseline bool) (*measured, error) {
		name := "slogcast"
		if baseline {
			name = "baseline"
		}
		r := benchRun{ui: b.ui, load: b.load, url: url, exchange: exchange, baseline: baseline}
		r.name = fmt.Sprintf("run %d of %d, %s", n+1, b.runs, name)
		return r.measure(ctx)
	}
	order := []bool{false}
	if b.baseline {
		// The first of a pair finds the machine in another state than the second.
		order = []bool{n%2 == 0, n%2 != 0}
	}
	for _, baseline := range order {
		m, err := measure(baseline)
		if err != nil {
			return p, err
		}
		if baseline {
			p.Baseline = m
		} else {
			p.Slogcast = m
		}
		if ctx.Err() != nil {
			break
		}
	}
	return p, nil
}

// remove deletes the exchange.
func (b *benchCommand) remove(url, exchange string) {
	endpoints, err := link.Parse(url)
	if err != nil {
		return // it was parsed before
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err = errors.New("no broker")
	for _, to := range endpoints {
		var conn *link.Conn
		if conn, err = link.Dial(ctx, link.Config{Name: "logtail bench"}, to); err != nil {
			continue
		}
		err = conn.DeleteExchange(exchange)
		conn.Close(ctx)
		break
	}
	if err != nil {
		b.notice("exchange %s could not be deleted: %v", exchange, err)
	}
}

// bar draws how far something has come.
func bar(done, of float64) string {
	const width = 30
	full := min(width, max(0, int(width*done/of)))
	return strings.Repeat("#", full) + strings.Repeat(".", width-full)
}
