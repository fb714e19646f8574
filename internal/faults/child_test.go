package faults

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/slogcast/slogcast/handler"
)

// childVariable names what this binary does instead of testing, when a test
// has started it: the faults that kill or measure a process need one of their
// own. The others are its arguments.
const (
	childVariable    = "SLOGCAST_FAULTS_CHILD"
	urlVariable      = "SLOGCAST_FAULTS_URL"
	exchangeVariable = "SLOGCAST_FAULTS_EXCHANGE"
	nameVariable     = "SLOGCAST_FAULTS_NAME"
	rateVariable     = "SLOGCAST_FAULTS_RATE"     // of childPaced; if empty, rate
	resolverVariable = "SLOGCAST_FAULTS_RESOLVER" // file in place of /etc/resolv.conf; the child needs its own mounts
)

// What a child does. An order is a byte on its standard input.
const (
	childFast  = "fast"  // logs as fast as it can
	childPaced = "paced" // logs at a rate
	childBurst = "burst" // logs a record, and burstSize when ordered to
	childPanic = "panic" // logs at a rate, and panics when ordered to
	childExit  = "exit"  // logs at a rate, and calls os.Exit when ordered to
	childFiles = "files" // logs at a rate; may open no file from one order to the next
)

const (
	burstSize = 10_000

	// terminateIn is how long a child's Close may take after SIGTERM.
	terminateIn = 5 * time.Second
)

// report is a line that a child writes.
type report struct {
	handler.Stats
	Heap     uint64 `json:"heap"`     // bytes of live and dead objects
	Mapped   uint64 `json:"mapped"`   // bytes that the runtime has from the system
	Resident uint64 `json:"resident"` // bytes, where the system tells

	// In the last report only, and not of childFast.
	P50     time.Duration `json:"p50"` // of Handle
	P999    time.Duration `json:"p999"`
	Most    time.Duration `json:"most"`
	Control time.Duration `json:"control"` // p99.9 of slog.JSONHandler
}

// worker is what runs in a child.
type worker struct {
	what, name string
	h          *handler.Handler
	control    slog.Handler
	n          int // records logged
	out        *json.Encoder
	orders     int
	handle     []time.Duration // but for childFast
	controls   []time.Duration
}

// child logs numbered records, and reports ten times a second, until it is
// killed or terminated, or its standard input ends.
func child(what string) int {
	if what == childArchive {
		if err := archiver(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return 0
	}
	opts := &handler.Options{
		Exchange: os.Getenv(exchangeVariable),
		App:      "faults",
		OnError:  func(error) {},
	}
	if what != childFast {
		opts.Buffer = 64 << 20 // room for all that comes during a fault
	}
	if file := os.Getenv(resolverVariable); file != "" {
		if err := replaceResolver(file); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	h, err := handler.New(os.Getenv(urlVariable), opts)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	w := &worker{
		what: what, name: os.Getenv(nameVariable), h: h,
		control: slog.NewJSONHandler(io.Discard, nil),
		out:     json.NewEncoder(os.Stdout),
	}
	return w.work()
}

func (w *worker) work() (code int) {
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	orders := make(chan struct{})
	go func() {
		defer close(orders)
		for order := make([]byte, 1); ; {
			if _, err := os.Stdin.Read(order); err != nil {
				return
			}
			orders <- struct{}{}
		}
	}()
	tell := time.NewTicker(100 * time.Millisecond)
	defer tell.Stop()
	perSecond, _ := strconv.Atoi(os.Getenv(rateVariable))
	pace := &pace{rate: cmp.Or(perSecond, rate), last: time.Now()}
	due, always := time.NewTicker(time.Millisecond), make(chan time.Time)
	defer due.Stop()
	close(always)
	work := due.C
	switch w.what {
	case childFast:
		work = always
	case childBurst:
		work = nil
		w.log()
	}
	for {
		select {
		case <-terminated:
			return w.close(terminateIn)
		case _, ok := <-orders:
			switch {
			case ok:
				w.obey()
			case w.h.Stats().Connected:
				return w.close(soon)
			default:
				return w.close(time.Second) // the broker is not to come
			}
		case <-tell.C:
			if err := w.out.Encode(w.report()); err != nil {
				return 1
			}
		case now := <-work:
			n := 100
			if w.what != childFast {
				n = pace.due(now)
			}
			for range n {
				w.log()
			}
		}
	}
}

// pace says how many records are due. What was not logged while the process was
// stopped is not made up for.
type pace struct {
	rate int
	last time.Time
	owed float64
}

func (p *pace) due(now time.Time) int {
	p.owed += min(now.Sub(p.last), 100*time.Millisecond).Seconds() * float64(p.rate)
	p.last = now
	n := int(p.owed)
	p.owed -= float64(n)
	return n
}

func (w *worker) log() {
	w.n++
	r := slog.NewRecord(time.Now(), slog.LevelInfo, w.what, 0)
	r.AddAttrs(slog.String("p", w.name), slog.Int("n", w.n), slog.String("sum", sum(w.name, w.n)))
	if w.what == childFast {
		_ = w.h.Handle(context.Background(), r) // counted by the Handler
		return
	}
	start := time.Now()
	_ = w.h.Handle(context.Background(), r)
	between := time.Now()
	_ = w.control.Handle(context.Background(), r)
	w.handle = append(w.handle, between.Sub(start))
	w.controls = append(w.controls, time.Since(between))
}

// obey does what was ordered.
func (w *worker) obey() {
	w.orders++
	switch w.what {
	case childBurst:
		for range burstSize {
			w.log()
		}
	case childPanic, childExit:
		_ = w.out.Encode(w.report())
		if w.what == childExit {
			os.Exit(3)
		}
		panic("the program is at fault")
	case childFiles:
		if err := allowFiles(w.orders%2 == 0); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

// close ends the child as a program should: it says what was left.
func (w *worker) close(within time.Duration) (code int) {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	if err := w.h.Close(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	last := w.report()
	slices.Sort(w.handle)
	slices.Sort(w.controls)
	if n := len(w.handle); n > 0 {
		last.P50, last.P999, last.Most, last.Control = w.handle[n/2], w.handle[n*999/1000], w.handle[n-1], w.controls[n*999/1000]
	}
	_ = w.out.Encode(last)
	return code
}

func (w *worker) report() report {
	samples := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/total:bytes"}}
	metrics.Read(samples)
	return report{
		Stats:    w.h.Stats(),
		Heap:     samples[0].Value.Uint64(),
		Mapped:   samples[1].Value.Uint64(),
		Resident: resident(),
	}
}

// resident returns the memory that this process has, 0 where /proc does not
// tell.
func resident() uint64 {
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			var kb uint64
			_, _ = fmt.Sscan(rest, &kb)
			return kb << 10
		}
	}
	return 0
}

// process is a child, for the test that has started it.
type process struct {
	*exec.Cmd
	run     *run
	name    string
	in      io.WriteCloser
	reports chan report  // closed when it has ended
	errs    bytes.Buffer // its standard error, once it has ended
	last    report
}

// startChild runs this binary as a child. Its reports must be read until it
// ends.
func (r *run) startChild(what, url, name string, with ...func(*exec.Cmd)) *process {
	r.t.Helper()
	self, err := os.Executable()
	if err != nil {
		r.t.Fatal(err)
	}
	p := &process{Cmd: exec.Command(self), run: r, name: name, reports: make(chan report, 100)}
	p.Env = append(os.Environ(), childVariable+"="+what, urlVariable+"="+url, exchangeVariable+"="+r.exchange, nameVariable+"="+name)
	p.Stderr = &p.errs
	for _, change := range with {
		change(p.Cmd)
	}
	if p.in, err = p.StdinPipe(); err != nil {
		r.t.Fatal(err)
	}
	out, err := p.StdoutPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		r.t.Fatal(err)
	}
	go func() {
		defer close(p.reports)
		for decode := json.NewDecoder(out); ; {
			var one report
			if decode.Decode(&one) != nil {
				_ = p.Wait() // it may have been killed
				return
			}
			p.reports <- one
		}
	}()
	r.t.Cleanup(func() { // if the test fails before its end
		_ = p.Process.Kill()
		for range p.reports {
		}
		if r.t.Failed() && p.errs.Len() > 0 {
			r.t.Logf("%s: %s", name, p.errs.String())
		}
	})
	return p
}

// environment adds variables to a child's.
func environment(variables ...string) func(*exec.Cmd) {
	return func(c *exec.Cmd) { c.Env = append(c.Env, variables...) }
}

// order has the child do what is special about it.
func (p *process) order() {
	p.run.t.Helper()
	if _, err := p.in.Write([]byte{'\n'}); err != nil {
		p.run.t.Fatal(err)
	}
}

// await reads reports until one is as wanted, and returns how long that took.
func (p *process) await(what string, within time.Duration, want func(report) bool) time.Duration {
	p.run.t.Helper()
	start, late := time.Now(), time.After(within)
	for {
		select {
		case one, ok := <-p.reports:
			if !ok {
				p.run.t.Fatalf("%s ended before it was %s: %s", p.name, what, p.errs.String())
			}
			p.last = one
			if want(one) {
				return time.Since(start)
			}
		case <-late:
			p.run.t.Fatalf("%s is not %s: %+v", p.name, what, p.last.Stats)
		}
	}
}

// confirming waits until the broker has confirmed records that were not when
// it last reported, and returns how long that took.
func (p *process) confirming(within time.Duration) time.Duration {
	p.run.t.Helper()
	before := p.last.Confirmed
	return p.await("confirming", within, func(one report) bool { return one.Confirmed > before })
}

// end reads reports until the child has ended, notes its last one for finish,
// and returns how long that took.
func (p *process) end() time.Duration {
	start := time.Now()
	for one := range p.reports {
		p.last = one
	}
	p.run.deaths = append(p.run.deaths, death{p.name, p.last})
	return time.Since(start)
}

// endClean has the child close its Handler, and checks that nothing was left.
func (p *process) endClean() {
	p.run.t.Helper()
	p.in.Close()
	p.end()
	if p.last.Confirmed != p.last.Accepted {
		p.run.t.Errorf("%s: got %+v, want all confirmed", p.name, p.last.Stats)
	}
}
