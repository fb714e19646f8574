package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"github.com/slogcast/slogcast/sink"
)

// pastFlags say whether records come from the stream that keeps them, and not from
// a queue that begins with what is live.
type pastFlags struct {
	on    bool
	from  []string   // archives to begin with
	queue sink.Queue // set by choose
	goOn  bool       // a connection was there before
}

func (p *pastFlags) register(f *pflag.FlagSet) {
	p.registerStream(f)
	f.StringArrayVar(&p.from, "from", nil, "with --since: first the records of the archive at `PATH`, then the live ones\nIt needs no history. An archive that is being written to is followed up to the first live record of each producer; what neither has is told as a gap. Repeatable.")
}

func (p *pastFlags) registerStream(f *pflag.FlagSet) {
	f.BoolVar(&p.on, "history", false, "receive from the stream <exchange>.history\nA tail that is slow then costs the broker no queue, and one that was disconnected misses nothing. --since implies it, and an --until that is past. See logtail history.")
}

// choose takes the stream as the source where what is asked for is past.
func (p *pastFlags) choose(selected *selection, t *tailCommand) error {
	now := time.Now()
	since, until := selected.since, selected.until
	if since.After(now) {
		since = time.Time{} // of what is live, the filter knows
	}
	if len(p.from) > 0 {
		switch {
		case selected.since.IsZero() || !selected.until.IsZero():
			return usagef("--from goes with --since, and goes on live: logtail read reads an archive alone, also with --until")
		case t.archive.file != "" || p.on || t.embedded.on:
			return usagef("--from shows what an archive has, and what comes live: leave --file, --history and --embedded out")
		}
		return nil
	}
	if !p.on && since.IsZero() && (until.IsZero() || until.After(now)) {
		return nil
	}
	switch {
	case !until.IsZero() && until.Before(since):
		return usagef("--until is before --since")
	case t.archive.queue != "":
		return usagef("--queue keeps records from its creation on, a history those of before: leave one of --queue and --since, --until, --history out")
	case len(t.connection.keys) > 0:
		return usagef("a history holds what it was bound to: leave --key out, or give it to logtail history create")
	}
	from := sink.Offset{Since: since}
	if !p.on && since.IsZero() {
		from.First = true // up to --until
	}
	p.queue = sink.Queue{History: true, From: from, Until: until}
	return nil
}

// untilEnd returns a context that ends a live tail soon after --until. A history
// ends by itself, once all is read.
func (p *pastFlags) untilEnd(ctx context.Context, selected *selection) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	if p.queue.History || selected.until.IsZero() {
		return ctx, cancel
	}
	const late = time.Second // for what was under way
	timer := time.AfterFunc(time.Until(selected.until)+late, cancel)
	return ctx, func() {
		timer.Stop()
		cancel()
	}
}

// source says what records come, and since when.
func (p *pastFlags) source(c *connectionFlags) string {
	if !p.queue.History && len(p.from) > 0 {
		return fmt.Sprintf("exchange %s%s; records of the archive first", c.exchange, c.bound())
	}
	if !p.queue.History {
		return fmt.Sprintf("exchange %s%s; records from now on", c.exchange, c.bound())
	}
	from, since := "records from now on", p.queue.From.Since
	switch {
	case p.goOn:
		from = "going on where it was"
	case p.queue.From.First:
		from = "records from its start"
	case !since.IsZero():
		from = "records since " + since.Local().Format("2006-01-02 15:04:05")
	}
	p.goOn = true
	return fmt.Sprintf("stream %s; %s", sink.HistoryName(c.exchange), from)
}

func (p *pastFlags) explain(err error, c *connectionFlags) error {
	if !p.queue.History {
		return err
	}
	return noHistory(err, c)
}

// noHistory says how to have a history, where an error is that there is none.
func noHistory(err error, c *connectionFlags) error {
	known, ok := errors.AsType[*sink.Error](err)
	if !ok || !errors.Is(err, sink.ErrNoHistory) {
		return err
	}
	exchange := ""
	if c.exchange != "logs" {
		exchange = " -x " + c.exchange
	}
	return &sink.Error{Problem: known.Problem, Hint: fmt.Sprintf("logtail history create%s makes one, which keeps what comes from then on", exchange)}
}
