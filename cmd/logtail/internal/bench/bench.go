// Package bench measures a broker with slogcast at both ends, and, to compare,
// with the barest loop that amqp091-go allows.
//
// Producer and tails are processes of their own, so that their processor time
// can be told apart: Run starts this program again for each, and Side is what
// such a process does. They speak JSON lines over the child's standard input
// and output.
//
// It is for logtail bench: it is no load generator for a broker in use, and
// measures no other client.
package bench

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"
)

// Load is what a benchmark does. The sides get it as JSON. Records or For is more
// than 0, and nothing is less.
type Load struct {
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

// Config says what to measure, and where.
type Config struct {
	URL      string // AMQP URL, or several with commas, checked
	Exchange string // empty: one of its own, deleted at the end
	Load     Load
	Baseline bool // measure the barest loop, too, in turn
	Runs     int  // how often; medians are shown
	JSON     bool // the report as JSON

	Command []string  // the arguments that make this program a Side
	Stderr  io.Writer // of the sides

	Notice func(text string) // tells something once
	Status func(text string) // shows how far it has come, in place of the last call's text; empty takes it away
}

// Run measures until it is done or ctx ends, and writes a report of what there
// is to out. Records that were lost or came twice without a word are an error.
func Run(ctx context.Context, cfg Config, out io.Writer) error {
	if cfg.Exchange == "" {
		cfg.Exchange = "logtail-bench-" + uuid.NewString()
		defer cfg.remove()
	}
	cfg.Notice(fmt.Sprintf("measuring through exchange %s; Ctrl-C shows what there is until then", cfg.Exchange))
	report := report{Load: cfg.Load}
	for n := range cfg.Runs {
		p, err := cfg.pair(ctx, n)
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
	cfg.Status("")
	report.summarize()
	if err := report.print(out, cfg.JSON); err != nil {
		return err
	}
	return report.lost()
}

// pair measures slogcast, and the baseline if that is asked for.
func (cfg *Config) pair(ctx context.Context, n int) (p pair, err error) {
	order := []bool{false}
	if cfg.Baseline {
		// The first of a pair finds the machine in another state than the second.
		order = []bool{n%2 == 0, n%2 != 0}
	}
	for _, baseline := range order {
		r := run{Config: cfg, baseline: baseline, name: fmt.Sprintf("run %d of %d, slogcast", n+1, cfg.Runs)}
		if baseline {
			r.name = fmt.Sprintf("run %d of %d, baseline", n+1, cfg.Runs)
		}
		m, err := r.measure(ctx)
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
func (cfg *Config) remove() {
	conn, ch, err := dialAny(cfg.URL)
	if err == nil {
		err = ch.ExchangeDelete(cfg.Exchange, false, false)
		conn.Close()
	}
	if err != nil {
		cfg.Notice(fmt.Sprintf("exchange %s could not be deleted: %v", cfg.Exchange, err))
	}
}

// dialAny opens a channel to the first of the brokers that can be reached.
func dialAny(urls string) (conn *amqp.Connection, ch *amqp.Channel, err error) {
	for url := range strings.SplitSeq(urls, ",") {
		if conn, err = amqp.Dial(strings.TrimSpace(url)); err != nil {
			continue
		}
		if ch, err = conn.Channel(); err == nil {
			return conn, ch, nil
		}
		conn.Close()
	}
	return nil, nil, err
}

// bar draws how far something has come.
func bar(done, of float64) string {
	const width = 30
	full := min(width, max(0, int(width*done/of)))
	return strings.Repeat("#", full) + strings.Repeat(".", width-full)
}
