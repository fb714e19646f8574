package faults

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/slogcast/slogcast/handler"
)

// scenario is what chance has drawn from a seed: the options of a handler, what is
// logged, what the program's functions do, what breaks and when.
type scenario struct {
	seed uint64
	opts handler.Options

	goroutines, records int // records of each goroutine
	sizes               []int
	pause               time.Duration // between records, at most

	hostile  hostility
	steps    []step
	flushes  []time.Duration // when somebody flushes, from the start
	tail     bool
	refusing int // the most messages of another queue, which then refuses; 0 when there is none
	maxBody  int // the most bytes the broker takes, on a broker of its own; 0 for the shared one

	heal    bool          // before Close, for as long as all needs
	closeIn time.Duration // of Close's context
}

// hostility is what the functions of the program do, each "", "panic", "hang" or
// "log".
type hostility struct{ replace, context, credentials, onError, fallback, value string }

// step is a fault, after the one before it.
type step struct {
	after time.Duration
	what  string
	n     int           // bytes
	lasts time.Duration // before it is undone
}

func (s *scenario) String() string {
	var b strings.Builder
	o := &s.opts
	fmt.Fprintf(&b, "seed %d: Buffer %d, MaxRecord %d, %v", s.seed, o.Buffer, o.MaxRecord, []string{"shed", "drop oldest", "block"}[o.Overflow])
	fmt.Fprintf(&b, ", Batch %+v, Unconfirmed %v; %d x %d records of %v bytes, pause %v", o.Batch, o.Unconfirmed, s.goroutines, s.records, s.sizes, s.pause)
	fmt.Fprintf(&b, "; functions %+v; steps %+v; flushes %v; tail %v, refusing %d, max body %d; heal %v, close in %v", s.hostile, s.steps, s.flushes, s.tail, s.refusing, s.maxBody, s.heal, s.closeIn)
	return b.String()
}

// draw draws the scenario of a seed. A seed draws the same for ever, on either kind
// of broker, but for maxBody.
func draw(seed uint64, embedded bool) *scenario {
	d := rand.New(rand.NewPCG(seed, 1))
	pick := func(of ...int) int { return of[d.IntN(len(of))] }
	maybe := func(percent int) bool { return d.IntN(100) < percent }
	upTo := func(most time.Duration) time.Duration { return time.Duration(d.Int64N(int64(most))) }
	s := &scenario{seed: seed}

	s.opts = handler.Options{
		Level:        slog.LevelDebug,
		Buffer:       pick(0, 0, 0, 1, 100, 5_000, 100_000, 1<<20, 64<<20),
		Overflow:     handler.Overflow(pick(0, 0, 0, 1, 2)),
		BlockTimeout: time.Duration(1 + d.IntN(50_000_000)),
		MaxRecord:    pick(0, 0, 0, 1, 200, 512, 4096),
		AddSource:    maybe(20),
		Transient:    maybe(20),
		Unconfirmed:  maybe(15),
		App:          []string{"chance", "caf\xe9", strings.Repeat("é", 300), "a\x00b\n", "\x1b[31m"}[d.IntN(5)],
	}
	if s.opts.Buffer > 0 {
		s.opts.MaxRecord = min(s.opts.MaxRecord, s.opts.Buffer)
	}
	if maybe(50) {
		s.opts.Batch = handler.Batch{Records: pick(2, 10, 100, 1000, 100_000), Bytes: pick(0, 0, 1, 1000, 16<<20), Linger: time.Duration(pick(0, 0, 1, 5, 200, 20_000, 3_600_000)) * time.Millisecond}
	}

	s.goroutines = pick(1, 1, 2, 8)
	s.records = pick(1, 20, 200, 1000) / s.goroutines
	s.records = max(1, s.records)
	for range 1 + d.IntN(3) {
		s.sizes = append(s.sizes, pick(0, 10, 100, 250, 250, 1000, 5_000, 33_000, 70_000))
	}
	if maybe(5) {
		s.sizes = append(s.sizes, 900_000)
		s.records = min(s.records, 10)
	}
	s.pause = upTo(time.Duration(1 + pick(0, 100_000, 2_000_000)))

	what := func() string { return []string{"", "", "", "", "", "panic", "hang", "log"}[d.IntN(8)] }
	s.hostile = hostility{replace: what(), context: what(), credentials: what(), onError: what(), fallback: what(), value: what()}
	if s.hostile.fallback == "" && maybe(50) {
		s.hostile.fallback = "take"
	}

	for range d.IntN(5) {
		s.steps = append(s.steps, step{
			after: upTo(300 * time.Millisecond),
			what:  []string{"cut", "cut", "cut after", "down", "slow up", "slow down", "hole up", "hole down", "hole", "hold up", "hold down", "late", "slices"}[d.IntN(13)],
			n:     d.IntN(3000),
			lasts: upTo(500 * time.Millisecond),
		})
	}
	for range d.IntN(3) {
		s.flushes = append(s.flushes, upTo(time.Second))
	}
	s.tail = maybe(60)
	if maybe(8) {
		s.refusing = 1 + d.IntN(50)
	}
	if limit := pick(1000, 20_000, 65_536); maybe(15) && embedded {
		s.maxBody = limit
	}
	s.heal = maybe(70)
	s.closeIn = time.Duration(pick(0, 1, 100, 500, 1500)) * time.Millisecond
	return s
}

// programs are the functions of a program that a scenario gives to a handler.
type programs struct {
	s       *scenario
	release chan struct{}      // closed to let go of those that hang
	log     func(which string) // logs through the handler
	taken   func()             // counts what the fallback takes
}

var errCredentials = errors.New("the secrets can't be had")

// act does what a function does by its hostility.
func (p *programs) act(how, which string) {
	switch how {
	case "panic":
		panic("chance: " + which)
	case "hang":
		<-p.release
	case "log":
		p.log(which)
	}
}

// set sets the functions of o. What is called by Handle itself may hang for a
// moment only: who logs waits for it.
func (p *programs) set(o *handler.Options) {
	h := &p.s.hostile
	rare := func() bool { return rand.IntN(20) == 0 }
	inHandle := func(how, which string) {
		if how == "hang" || !rare() {
			return
		}
		p.act(how, which)
	}
	if h.replace != "" {
		o.ReplaceAttr = func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == "fill" {
				inHandle(h.replace, "replace")
			}
			return a
		}
	}
	if h.context != "" {
		o.ContextAttrs = func(ctx context.Context) []slog.Attr {
			if ctx.Value(p) == nil { // not from a record that is logged here
				inHandle(h.context, "context")
			}
			return []slog.Attr{slog.String("trace_id", "4bf92f3577b34da6a3ce929d0e0e4736")}
		}
	}
	if h.onError != "" {
		o.OnError = func(error) { p.act(h.onError, "on error") }
	}
	if h.fallback != "" {
		o.Fallback = fallback{p}
	}
}

// setCredentials sets the function that is asked for the login, which works in the
// end: else nothing is ever confirmed.
func (p *programs) setCredentials(o *handler.Options, user, password string) {
	how, calls := p.s.hostile.credentials, 0
	if how == "" {
		return
	}
	o.Credentials = func(ctx context.Context) (string, string, error) {
		if calls++; calls == 1 { // one call at a time
			switch how {
			case "hang":
				select {
				case <-ctx.Done():
				case <-time.After(500 * time.Millisecond):
				}
				return "", "", errCredentials
			default:
				p.act(how, "credentials")
			}
		}
		return user, password, nil
	}
}

// value is an attribute that may do harm.
type value struct{ p *programs }

func (v value) LogValue() slog.Value {
	if h := v.p.s.hostile.value; h != "hang" && rand.IntN(20) == 0 {
		v.p.act(h, "value")
	}
	return slog.StringValue("v")
}

// fallback is a slog.Handler that may do harm.
type fallback struct{ p *programs }

func (f fallback) Enabled(context.Context, slog.Level) bool { return true }
func (f fallback) WithAttrs([]slog.Attr) slog.Handler       { return f }
func (f fallback) WithGroup(string) slog.Handler            { return f }
func (f fallback) Handle(_ context.Context, r slog.Record) error {
	// What it logs itself may be dropped, too, and come back.
	if how := f.p.s.hostile.fallback; how != "log" || !strings.HasPrefix(r.Message, "from ") {
		f.p.act(how, "fallback")
	}
	f.p.taken()
	return nil
}
