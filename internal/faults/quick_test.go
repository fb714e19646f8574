package faults

import (
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/slogcast/slogcast/handler"
	"github.com/slogcast/slogcast/internal/brokertest"
)

// quickly runs a fault on every broker, with a tail. Times are not asserted.
func quickly(t *testing.T, fault string, do func(r *run)) {
	t.Helper()
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		r := start(t, b, fault, true)
		do(r)
		r.finish()
		t.Logf("%s\n%s%s", r.row.details(), tableHead, r.row.String())
	})
}

// through makes a producer behind a proxy, and loads it once it works.
func (r *run) through(p *brokertest.Proxy, rate int) (a *producer, stop func()) {
	r.t.Helper()
	a = r.produce(p.URL, handler.Options{}, 0)
	a.log()
	a.confirmed(1)
	return a, a.load(rate)
}

func TestBrokerAwayAtTheStart(t *testing.T) { // F04
	quickly(t, "F04 broker away at the start", func(r *run) {
		proxy := r.proxy()
		proxy.Down()
		a := r.produce(proxy.URL, handler.Options{Buffer: 20_000}, 0)
		for range 500 {
			a.log()
		}
		s := a.h.Stats()
		if s.Connected || s.Dropped.Shed == 0 || int(s.Dropped.Shed)+s.PendingRecords != 500 {
			r.t.Errorf("while away: %+v", s)
		}
		proxy.Up()
		a.confirmed(s.PendingRecords)
	})
}

func TestBlackHole(t *testing.T) { // F06, until a firewall gives up
	quickly(t, "F06 short black holes both ways, up and down", func(r *run) {
		proxy := r.proxy()
		a, stop := r.through(proxy, 1000)
		defer stop()
		for _, holes := range holes {
			a.confirming(soon)
			for d, f := range holes {
				proxy.Fault(d, f)
			}
			// The socket buffers take more than this.
			n := a.attempted.Load()
			a.await("logging", soon, func(s handler.Stats) bool { return int64(s.Accepted) > n+200 })
			for d := range holes {
				proxy.Fault(d, brokertest.Fault{})
			}
			proxy.Cut()
		}
		a.confirming(soon)
		stop()
	})
}

// holes are the three kinds of black hole.
var holes = map[string]map[brokertest.Direction]brokertest.Fault{
	"both ways": {brokertest.ToBroker: {Hole: true}, brokertest.ToClient: {Hole: true}},
	"up":        {brokertest.ToBroker: {Hole: true}},
	"down":      {brokertest.ToClient: {Hole: true}},
}

func TestResets(t *testing.T) { // F07
	quickly(t, "F07 four resets", func(r *run) {
		proxy := r.proxy()
		a, stop := r.through(proxy, 500)
		defer stop()
		for range 4 {
			a.confirming(soon)
			proxy.Cut()
		}
		a.confirming(soon)
		stop()
	})
}

func TestFlapping(t *testing.T) { // F08
	quickly(t, "F08 flapping for 1 s", func(r *run) {
		proxy := r.proxy()
		a, stop := r.through(proxy, 1000)
		defer stop()
		flap(proxy, time.Second)
		a.confirming(soon)
		stop()
	})
}

// flap takes a proxy down and up every 200 ms.
func flap(proxy *brokertest.Proxy, during time.Duration) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(during); time.Now().Before(end); {
		<-tick.C
		proxy.Down()
		<-tick.C
		proxy.Up()
	}
}

func TestNarrowNetwork(t *testing.T) { // F10
	quickly(t, "F10 100 KB/s", func(r *run) {
		proxy := r.proxy()
		proxy.Fault(brokertest.ToBroker, brokertest.Fault{Rate: 100_000})
		a := r.produce(proxy.URL, handler.Options{Buffer: 50_000}, 1000)
		for range 400 {
			a.log()
		}
		s := a.h.Stats()
		if s.Dropped.Shed == 0 || s.PendingBytes > 50_000 {
			r.t.Errorf("behind a narrow network: %+v", s)
		}
	})
}

func TestSlices(t *testing.T) { // F11
	quickly(t, "F11 one byte at a time", func(r *run) {
		proxy := r.proxy()
		proxy.Fault(brokertest.ToBroker, brokertest.Fault{Slice: 1})
		proxy.Fault(brokertest.ToClient, brokertest.Fault{Slice: 1})
		a := r.produce(proxy.URL, handler.Options{}, 0)
		for range 50 {
			a.log()
		}
	})
}

func TestCutWithinAPublish(t *testing.T) { // F11
	quickly(t, "F11 cut at some offsets of a publish", func(r *run) {
		for offset := 0; offset < publishLength; offset += 50 {
			r.cutAt(offset)
		}
	})
}

// publishLength is more than the bytes of one publish: its three frames.
const publishLength = 420

// cutAt publishes a record and cuts the connection that many bytes into it.
func (r *run) cutAt(offset int) {
	r.t.Helper()
	proxy := r.broker.Proxy(r.t)
	defer proxy.Close()
	a := r.produce(proxy.URL, handler.Options{}, 0)
	a.log()
	a.confirmed(1)
	proxy.CutAfter(offset)
	a.log()
	a.confirmed(2)
	a.closeClean()
}

func TestFailover(t *testing.T) { // F23
	quickly(t, "F23 the first of two URLs dies", func(r *run) {
		first, second := r.proxy(), r.proxy()
		a := r.produce(first.URL+","+second.URL, handler.Options{}, 0)
		a.log()
		a.confirmed(1)
		stop := a.load(1000)
		defer stop()
		first.Down()
		a.confirming(soon)
		stop()
		if second.Dials() == 0 {
			r.t.Error("nothing went to the second")
		}
	})
}

// TestClockJumps has records whose time jumps as a clock does that is set: back,
// ahead, without a monotonic reading, and without any time. The clock itself
// can't be set here; what waits is measured by the monotonic one.
func TestClockJumps(t *testing.T) { // F38
	quickly(t, "F38 record times an hour off", func(r *run) {
		proxy := r.proxy()
		a := r.produce(proxy.URL, handler.Options{Batch: handler.Batch{Records: 10, Linger: 5 * time.Millisecond}}, 0)
		logged := 0
		for _, off := range []time.Duration{0, -time.Hour, time.Hour, 0} {
			for range 25 {
				a.logAt(time.Now().Add(off))
				a.logAt(time.Now().Add(-off).Round(0)) // no monotonic reading
				a.logAt(time.Time{})
				logged += 3
			}
			a.confirmed(logged)
			proxy.Cut()
		}
	})
}

func TestNoTail(t *testing.T) { // F22
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		before := used()
		h, err := handler.New(b.URL, &handler.Options{Exchange: b.Exchange(t), OnError: func(err error) { t.Error(err) }})
		if err != nil {
			t.Fatal(err)
		}
		for range 1000 {
			slog.New(h).Info("nobody listens")
		}
		if err := h.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if s := h.Stats(); s.Confirmed != 1000 {
			t.Errorf("got %+v", s)
		}
		back(t, before, soon)
	})
}

func TestCloseDuringHandle(t *testing.T) { // F33
	quickly(t, "F33 Close while 100 goroutines log", func(r *run) {
		a := r.produce(r.broker.URL, handler.Options{}, 0)
		var logging sync.WaitGroup
		for range 100 {
			logging.Go(func() {
				for range 30 {
					a.log()
				}
			})
		}
		a.confirmed(100)
		for range 2 {
			a.closeClean()
		}
		if err := a.h.Handle(r.t.Context(), slog.Record{}); !errors.Is(err, handler.ErrClosed) {
			r.t.Errorf("Handle after Close: got %v", err)
		}
		a.attempted.Add(1)
		logging.Wait()
		a.left = true // the last records came after Close
	})
}

func TestManyGoroutines(t *testing.T) { // F35
	quickly(t, "F35 100 goroutines", func(r *run) {
		a := r.produce(r.broker.URL, handler.Options{Buffer: 64 << 20}, 0)
		var logging sync.WaitGroup
		for range 100 {
			logging.Go(func() {
				for range 20 {
					a.log()
				}
			})
		}
		logging.Wait()
	})
}
