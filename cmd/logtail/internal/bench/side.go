package bench

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/slogcast/slogcast/sink"
)

// ErrNotStarted tells that a process is no side of a benchmark: nobody told it
// what to do.
var ErrNotStarted = errors.New("it is started by logtail bench only")

// Side is what a process of a benchmark does. It takes its orders from in and
// answers on out, and ends with in, when the parent has heard all it wants or is
// gone: Ctrl-C goes to all processes of a terminal, and is not for it. settings
// makes the settings of an archive's tail of a live one's.
func Side(in io.Reader, out io.Writer, settings func(*sink.Config)) error {
	s := side{tell: json.NewEncoder(out), orders: json.NewDecoder(in), archive: settings}
	if s.orders.Decode(&s.order) != nil || s.Load == nil {
		return ErrNotStarted
	}
	if err := s.run(); err != nil {
		return s.say(word{Error: err.Error()})
	}
	return nil
}

// side is one side of a measurement.
type side struct {
	order
	orders  *json.Decoder
	archive func(*sink.Config) // makes the settings of an archive

	mu   sync.Mutex // guards tell
	tell *json.Encoder
}

func (s *side) say(w word) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tell.Encode(w)
}

func (s *side) run() error {
	if s.Produce {
		return s.produce()
	}
	return s.tailAll()
}

// listen passes on the orders that come later.
func (s *side) listen() <-chan order {
	orders := make(chan order)
	go func() {
		defer close(orders)
		for {
			var o order
			if s.orders.Decode(&o) != nil {
				return
			}
			orders <- o
		}
	}()
	return orders
}

// produce runs the producer until it has logged all it should, or is stopped.
func (s *side) produce() error {
	run := produceSlogcast
	if s.Baseline {
		run = produceBaseline
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		<-s.listen() // Stop, or the end
		cancel()
	}()
	account, err := run(ctx, &s.order, newPace(s.Load, func(done int) { _ = s.say(word{Progress: done}) }))
	if err != nil {
		return err
	}
	return s.say(word{Produced: account})
}

// pace says when to log the next record, and when it was the last.
type pace struct {
	load   *Load
	report func(done int)

	mu       sync.Mutex // guards what follows
	start    time.Time
	done     int
	reported time.Time
}

func newPace(l *Load, report func(int)) *pace { return &pace{load: l, report: report} }

// next waits until n more records are due. It reports false when all have been
// logged.
func (p *pace) next(ctx context.Context, n int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.start.IsZero() {
		p.start, p.reported = now, now
	}
	if ctx.Err() != nil || p.load.Records > 0 && p.done+n > p.load.Records || p.load.For > 0 && now.Sub(p.start) > p.load.For {
		return false
	}
	p.done += n
	if now.Sub(p.reported) > 200*time.Millisecond {
		p.report(p.done)
		p.reported = now
	}
	if p.load.Rate > 0 {
		due := p.start.Add(time.Duration(float64(p.done) / float64(p.load.Rate) * float64(time.Second)))
		time.Sleep(due.Sub(now))
	}
	return true
}

// stride is how many records are logged between two looks at the clock.
func (l *Load) stride() int {
	if l.Rate > 0 || l.Records > 0 && l.Records < 100_000 {
		return 1
	}
	return 10
}

// meter is what a tail counts. It is not safe for concurrent use.
type meter struct {
	tailed
	timed bool
	times *hdrhistogram.Histogram // microseconds
	cpu   time.Duration           // when it began
}

func newMeter(l *Load) *meter {
	return &meter{timed: l.Rate > 0, times: hdrhistogram.New(1, time.Hour.Microseconds(), 3), cpu: cpuTime()}
}

// count counts a record that has been written by now.
func (m *meter) count(body []byte, now time.Time) {
	m.Records++
	m.Bytes += len(body)
	m.Last = now
	if t, ok := stampOf(body); ok && m.timed {
		_ = m.times.RecordValue(max(1, now.Sub(t).Microseconds())) // an hour is not exceeded
	}
}

// account ends the measurement.
func (m *meter) account() *tailed {
	at := func(percentile float64) time.Duration {
		return time.Duration(m.times.ValueAtPercentile(percentile)) * time.Microsecond
	}
	m.CPU, m.MaxRSS = cpuTime()-m.cpu, maxRSS()
	if m.timed {
		m.Latency = latency{at(50), at(99), at(99.9), at(100)}
	}
	return &m.tailed
}

const stampKey = `{"time":"`

// stampOf returns the time that a record begins with.
func stampOf(body []byte) (time.Time, bool) {
	rest, ok := strings.CutPrefix(string(body[:min(len(body), 50)]), stampKey)
	if !ok {
		return time.Time{}, false
	}
	text, _, _ := strings.Cut(rest, `"`)
	t, err := time.Parse(time.RFC3339Nano, text)
	return t, err == nil
}

// wait waits until the meter, looked at with look, has what is expected, or
// nothing comes any more.
func (s *side) wait(look func() (records int, last time.Time), failed <-chan error) error {
	const quiet = 3 * time.Second
	orders := s.listen()
	expect := -1
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	var told time.Time
	for {
		select {
		case err := <-failed:
			return err
		case o, ok := <-orders:
			if !ok {
				return io.ErrUnexpectedEOF // the parent is gone
			}
			if o.Expect != nil {
				expect, told = *o.Expect, time.Now()
			}
		case now := <-poll.C:
			if expect < 0 {
				continue
			}
			records, last := look()
			if records >= expect || now.Sub(last) > quiet && now.Sub(told) > quiet {
				return nil
			}
		}
	}
}
