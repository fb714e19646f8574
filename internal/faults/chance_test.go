package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/slogcast/slogcast/handler"
	"github.com/slogcast/slogcast/internal/broker"
	"github.com/slogcast/slogcast/internal/brokertest"
	"github.com/slogcast/slogcast/internal/envelope"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "run the scenario of this `SEED` alone")
	scenarios = flag.Int("scenarios", 0, "run this `NUMBER` of scenarios on each broker, instead of 15 s of them")
)

// sideBySide is how many scenarios run at a time.
const sideBySide = 8

// TestChance runs scenarios drawn by chance, and checks after each what must hold
// whatever happens (see trial). Each prints its seed when it fails; with -seed it runs
// again.
func TestChance(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		first := uint64(time.Now().UnixNano())
		if *seedFlag != 0 {
			chance(t, b, *seedFlag)
			return
		}
		t.Logf("seeds from %d", first)
		var next atomic.Uint64
		end := time.Now().Add(15 * time.Second)
		var running sync.WaitGroup
		for range sideBySide {
			running.Go(func() {
				for {
					n := next.Add(1)
					if *scenarios > 0 && n > uint64(*scenarios) || *scenarios == 0 && time.Now().After(end) {
						return
					}
					chance(t, b, first+n)
				}
			})
		}
		running.Wait()
		t.Logf("%d scenarios", next.Load()-sideBySide)
	})
}

// trial is a scenario that is running.
type trial struct {
	*scenario
	t        *testing.T
	b        *brokertest.Broker
	proxy    *brokertest.Proxy
	exchange string
	h        *handler.Handler
	programs *programs

	attempted atomic.Uint64 // records given to Handle, those of its own functions included
	told      atomic.Bool   // a Flush has told of records that nobody confirms
	slowest   atomic.Int64  // call of Handle
	stop      chan struct{} // closed when the looks end
	looking   sync.WaitGroup
	failed    atomic.Bool
}

func (s *trial) errorf(format string, args ...any) {
	s.failed.Store(true)
	s.t.Errorf("%v\n\t%s", s.scenario, fmt.Sprintf(format, args...))
}

// chance runs the scenario of a seed.
func chance(t *testing.T, b *brokertest.Broker, seed uint64) {
	s := &trial{scenario: draw(seed, b.Name == "embedded"), t: t, b: b, stop: make(chan struct{})}
	if s.maxBody > 0 {
		own, err := broker.Listen(&broker.Config{Addr: "127.0.0.1:0", MaxBody: s.maxBody})
		if err != nil {
			t.Error(err)
			return
		}
		defer own.Close()
		s.b = &brokertest.Broker{Name: b.Name, URL: own.DialURL() + "/"}
	}
	s.proxy = s.b.Proxy(t)
	defer s.proxy.Close()
	s.exchange = fmt.Sprintf("chance.%d", seed)
	conn, err := amqp.Dial(s.b.URL)
	if err != nil {
		s.errorf("dial: %v", err)
		return
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err != nil {
		s.errorf("channel: %v", err)
		return
	}
	defer ch.ExchangeDelete(s.exchange, false, false)
	queue, err := s.declare(ch)
	if err != nil {
		s.errorf("declare: %v", err)
		return
	}
	start := time.Now()
	s.run(ch, queue)
	if took := time.Since(start); took > 10*time.Second {
		t.Logf("%v took %v", s.scenario, took)
	}
}

// declare declares the exchange, the queue that holds what the broker took, and
// the one that refuses. They go with the connection.
func (s *trial) declare(ch *amqp.Channel) (queue string, err error) {
	if err := ch.ExchangeDeclare(s.exchange, "fanout", true, false, false, false, nil); err != nil {
		return "", err
	}
	bind := func(args amqp.Table) (string, error) {
		q, err := ch.QueueDeclare("", false, false, true, false, args)
		if err != nil {
			return "", err
		}
		return q.Name, ch.QueueBind(q.Name, "", s.exchange, false, nil)
	}
	if s.refusing > 0 {
		if _, err := bind(amqp.Table{"x-max-length": s.refusing, "x-overflow": "reject-publish"}); err != nil {
			return "", err
		}
	}
	return bind(nil)
}

func (s *trial) run(ch *amqp.Channel, queue string) {
	release := make(chan struct{})
	defer close(release)
	ready := make(chan struct{}) // closed when New has returned; a function may be called before
	s.programs = &programs{s: s.scenario, release: release, taken: func() {}, log: func(which string) {
		<-ready
		s.attempted.Add(1)
		r := slog.NewRecord(time.Now(), slog.LevelInfo, "from "+which, 0)
		_ = s.h.Handle(context.WithValue(context.Background(), s.programs, true), r)
	}}
	opts := s.opts
	opts.Exchange, opts.OnError = s.exchange, func(error) {}
	s.programs.set(&opts)
	u, err := url.Parse(s.proxy.URL)
	if err != nil {
		s.errorf("%v", err)
		return
	}
	password, _ := u.User.Password()
	s.programs.setCredentials(&opts, u.User.Username(), password)
	var tl *watcher
	if s.tail {
		tl = watch(s) // before any record
		defer tl.end()
	}
	h, err := handler.New(s.proxy.URL, &opts)
	if err != nil {
		s.errorf("new: %v", err)
		return
	}
	s.h = h
	close(ready)
	s.looking.Go(s.look)
	s.work()
	closed := s.close()
	close(s.stop)
	s.looking.Wait()
	s.settled(closed)
	seen := s.drain(ch, queue)
	s.check(seen, closed)
	if tl != nil {
		tl.check(seen)
	}
}

// work logs, breaks and flushes, side by side.
func (s *trial) work() {
	var working sync.WaitGroup
	for g := range s.goroutines {
		working.Go(func() {
			for i := range s.records {
				s.log(g*s.records + i + 1)
				if s.pause > 0 && i%10 == 0 {
					<-time.After(s.pause)
				}
			}
		})
	}
	for _, at := range s.flushes {
		working.Go(func() {
			<-time.After(at)
			ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
			defer cancel()
			if err := s.h.Flush(ctx); err != nil && nobodyConfirms(err) { // it may well not end
				s.told.Store(true)
			}
		})
	}
	working.Go(s.breakIt)
	working.Wait()
}

// log logs the record number n.
func (s *trial) log(n int) {
	size := s.sizes[n%len(s.sizes)]
	r := slog.NewRecord(time.Now(), slog.Level(4*(n%4)-4), "numbered", 0)
	r.AddAttrs(slog.Int("n", n), slog.String("sum", sum(fmt.Sprint(s.seed, size), n)), slog.Any("v", value{s.programs}), slog.String("fill", strings.Repeat("x", size)))
	s.attempted.Add(1)
	start := time.Now()
	_ = s.h.Handle(context.Background(), r)
	took := int64(time.Since(start))
	for old := s.slowest.Load(); took > old && !s.slowest.CompareAndSwap(old, took); old = s.slowest.Load() {
	}
}

// breakIt does the faults, one after the other.
func (s *trial) breakIt() {
	for _, step := range s.steps {
		<-time.After(step.after)
		undo := func() {}
		set := func(d brokertest.Direction, f brokertest.Fault) {
			s.proxy.Fault(d, f)
			undo = func() { s.proxy.Fault(d, brokertest.Fault{}) }
		}
		switch step.what {
		case "cut":
			s.proxy.Cut()
		case "cut after":
			s.proxy.CutAfter(step.n)
		case "down":
			s.proxy.Down()
			undo = s.proxy.Up
		case "slow up":
			set(brokertest.ToBroker, brokertest.Fault{Rate: 20_000})
		case "slow down":
			set(brokertest.ToClient, brokertest.Fault{Rate: 2_000})
		case "hole up":
			set(brokertest.ToBroker, brokertest.Fault{Hole: true})
		case "hole down":
			set(brokertest.ToClient, brokertest.Fault{Hole: true})
		case "hole":
			s.proxy.Fault(brokertest.ToClient, brokertest.Fault{Hole: true})
			set(brokertest.ToBroker, brokertest.Fault{Hole: true})
		case "hold up":
			set(brokertest.ToBroker, brokertest.Fault{Hold: true})
		case "hold down":
			set(brokertest.ToClient, brokertest.Fault{Hold: true})
		case "late":
			set(brokertest.ToBroker, brokertest.Fault{Delay: 30 * time.Millisecond, Jitter: 20 * time.Millisecond})
		case "slices":
			set(brokertest.ToBroker, brokertest.Fault{Slice: 1 + step.n%50})
		}
		<-time.After(step.lasts)
		undo()
		s.proxy.Fault(brokertest.ToClient, brokertest.Fault{})
		if strings.HasPrefix(step.what, "hole") {
			s.proxy.Cut() // a stream with a hole is of no use
		}
	}
}

// look looks at the Stats again and again.
func (s *trial) look() {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.balance(s.h.Stats())
		case <-s.stop:
			return
		}
	}
}

// balance checks that every record is in one of the counts, and the buffer within
// its bound.
func (s *trial) balance(st handler.Stats) {
	if sum := st.Confirmed + st.Dropped.Total() + st.Unknown + uint64(st.PendingRecords); sum != st.Accepted && !s.failed.Load() {
		s.errorf("accounted for %d: %+v", sum, st)
	}
	most := s.opts.Buffer
	if most == 0 {
		most = 8 << 20
	}
	if st.PendingBytes > most && !s.failed.Load() {
		s.errorf("over the bound: %+v", st)
	}
}

// close closes the handler, when all has been mended or in the middle of it, and
// returns Close's error.
func (s *trial) close() error {
	s.proxy.Up()
	within := s.closeIn
	if s.heal {
		s.proxy.Fault(brokertest.ToBroker, brokertest.Fault{})
		s.proxy.Fault(brokertest.ToClient, brokertest.Fault{})
		within = time.Minute
		if s.refusing > 0 || s.hostile.fallback == "hang" {
			within = 2 * time.Second // it will not end
		}
	} else if len(s.steps) > 0 && s.seed%2 == 0 {
		s.proxy.Down()
	}
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	start := time.Now()
	err := s.h.Close(ctx)
	slack := 100 * time.Millisecond
	if !*full {
		slack = 5 * time.Second // the machine may be busy
	}
	if took := time.Since(start); took > within+slack {
		s.errorf("Close has taken %v of %v", took, within)
	}
	return err
}

// settled checks what must be so after Close.
func (s *trial) settled(closed error) {
	st := s.h.Stats()
	s.balance(st)
	if st.PendingRecords != 0 || st.PendingBytes != 0 || st.Connected {
		s.errorf("after Close: %+v", st)
	}
	// What the program's functions log may come later.
	if attempted := s.attempted.Load(); st.Accepted > attempted {
		s.errorf("given to Handle were %d: %+v", attempted, st)
	}
	if s.heal && s.refusing == 0 && s.hostile.fallback != "hang" && closed != nil && !(s.opts.Unconfirmed && nobodyConfirms(closed)) {
		s.errorf("Close of a healthy broker: %v; %+v", closed, st)
	}
	if closed == nil && !s.opts.Unconfirmed && st.Dropped.Closed > 0 && s.hostile == (hostility{}) {
		s.errorf("Close said nothing of what it left: %+v", st)
	}
	most := 2 * time.Second
	if !*full {
		most = 15 * time.Second // the machine may be busy
	}
	if slow := time.Duration(s.slowest.Load()); slow > most {
		s.errorf("a call of Handle has taken %v", slow)
	}
}

// sighted is what was seen of a scenario's records.
type sighted struct {
	whole, substitutes map[uint64]bool // by sequence number
	byNumber           map[int]uint64
	last               uint64
	late               int // first sightings below one seen before
}

func newSighted() *sighted {
	return &sighted{whole: map[uint64]bool{}, substitutes: map[uint64]bool{}, byNumber: map[int]uint64{}}
}

// drain reads the queue that holds what the broker took.
func (s *trial) drain(ch *amqp.Channel, queue string) *sighted {
	seen := newSighted()
	deliveries, err := ch.Consume(queue, "", true, false, false, false, nil)
	if err != nil {
		s.errorf("consume: %v", err)
		return seen
	}
	// A message of our own comes behind all others.
	if err := ch.Publish("", queue, false, false, amqp.Publishing{Body: []byte("end")}); err != nil {
		s.errorf("publish: %v", err)
		return seen
	}
	late := time.After(soon)
	for {
		select {
		case d, ok := <-deliveries:
			if !ok || string(d.Body) == "end" {
				return seen
			}
			s.read(&d, seen)
		case <-late:
			s.errorf("the queue can't be read")
			return seen
		}
	}
}

// read reads a message.
func (s *trial) read(d *amqp.Delivery, seen *sighted) {
	if d.MessageId == "" {
		return // of what was shed
	}
	_, seq, ok := envelope.ParseMessageID(d.MessageId)
	if !ok {
		s.errorf("message-id %q", d.MessageId)
	}
	for body := range bytes.SplitSeq(d.Body, []byte("\n")) {
		seen.see(s, seq, body)
		seq++
	}
}

// see notes a record.
func (seen *sighted) see(s *trial, seq uint64, body []byte) {
	var r struct {
		Msg, Sum, Fill string
		N              int
	}
	text := string(body)
	again := seen.whole[seq] || seen.substitutes[seq]
	if !again && seq < seen.last {
		seen.late++
	}
	seen.last = max(seen.last, seq)
	switch {
	case json.Unmarshal(body, &r) != nil:
		s.errorf("#%d is not JSON: %.200q", seq, body)
	case strings.Contains(text, `"!OVERSIZE"`) || strings.Contains(text, `"!PANIC":"in `):
		seen.substitutes[seq] = true
	case strings.HasPrefix(r.Msg, "from "):
		seen.whole[seq] = true
	case r.Sum != sum(fmt.Sprint(s.seed, len(r.Fill)), r.N) || seq > s.attempted.Load():
		s.errorf("#%d is not what was logged: %.200q", seq, body)
	case seen.byNumber[r.N] != 0 && seen.byNumber[r.N] != seq:
		s.errorf("record %d is #%d and #%d", r.N, seen.byNumber[r.N], seq)
	default:
		seen.byNumber[r.N] = seq
		seen.whole[seq] = true
	}
}

// check compares what the broker got with what the handler says.
func (s *trial) check(seen *sighted, closed error) {
	st := s.h.Stats()
	got := uint64(len(seen.whole))
	if got < st.Confirmed {
		s.errorf("confirmed %d, the broker got %d: %+v", st.Confirmed, got, st)
	}
	if most := st.Confirmed + st.Unknown + st.Dropped.Refused; got > most {
		s.errorf("the broker got %d, of which the handler knows %d: %+v", got, most, st)
	}
	if uint64(len(seen.substitutes)) > st.Dropped.Oversize {
		s.errorf("the broker got %d substitutes: %+v", len(seen.substitutes), st)
	}
	if seen.late > 0 && s.refusing == 0 {
		s.errorf("%d records came behind later ones", seen.late)
	}
	if closed == nil && s.opts.Unconfirmed && !s.told.Load() && got < st.Accepted-st.Dropped.Total() {
		s.errorf("unconfirmed, and closed without an error: the broker got %d: %+v", got, st)
	}
}

// nobodyConfirms reports whether err tells of records that were published
// unconfirmed over a channel that was lost.
func nobodyConfirms(err error) bool { return strings.Contains(err.Error(), "nobody confirms") }
