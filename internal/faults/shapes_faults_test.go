package faults

import (
	"testing"
	"time"

	"github.com/slogcast/slogcast/handler"
	"github.com/slogcast/slogcast/internal/brokertest"
)

// shape is a load unlike that of the other rows, small records one a message.
type shape struct {
	name string
	opts handler.Options
	fill int
	rate int // records a second
}

var shapes = []shape{
	{"batches of 100", handler.Options{Buffer: 64 << 20, Batch: handler.Batch{Records: 100}}, 0, 20_000},
	{"lingering batches", handler.Options{Buffer: 64 << 20, Batch: handler.Batch{Records: 1000, Linger: 200 * time.Millisecond}}, 0, 20_000},
	{"10 KiB", handler.Options{Buffer: 256 << 20}, 10 << 10, 1000},
	{"1 MiB", handler.Options{Buffer: 1 << 30, MaxRecord: 2 << 20}, 1 << 20, 15},
}

// shaped runs the faults that stop, cut and slow down what is written, for every
// shape.
func (s *suite) shaped(t *testing.T) {
	for _, sh := range shapes {
		load := func(r *run, url string) (a *producer, stop func()) {
			r.t.Helper()
			a = r.produce(url, sh.opts, sh.fill)
			a.log()
			a.confirmed(1)
			stop = a.load(sh.rate)
			a.confirming(soon)
			return a, stop
		}
		s.run(t, "F02 kill -9 of the broker, "+sh.name, func(r *run) {
			a, stop := load(r, s.node.URL)
			defer stop()
			r.resent = true
			for range 3 {
				s.node.Kill()
				s.again(r.t)
				a.confirming(soon)
			}
			stop()
		})
		s.run(t, "F05 broker stopped (SIGSTOP), "+sh.name, func(r *run) {
			r.t.Cleanup(s.node.Continue)
			a, stop := load(r, s.node.URL)
			defer stop()
			s.node.Stop()
			wait(lasting(stopFor))
			s.node.Continue()
			r.within("confirming after SIGCONT", a.confirming(soon), continueGoal)
			stop()
		})
		s.run(t, "F07 resets, "+sh.name, func(r *run) {
			proxy := r.proxy()
			a, stop := load(r, proxy.URL)
			defer stop()
			for range times(100) {
				a.confirming(soon)
				proxy.Cut()
			}
			stop()
			r.measure("%d resets", times(100))
		})
		s.run(t, "F10 link of 2 MB/s, "+sh.name, func(r *run) {
			proxy := r.proxy()
			a, stop := load(r, proxy.URL)
			defer stop()
			proxy.Fault(brokertest.ToBroker, brokertest.Fault{Rate: 2 << 20})
			wait(lasting(stopFor))
			stop()
			proxy.Fault(brokertest.ToBroker, brokertest.Fault{})
			r.measure("%d reconnects", a.h.Stats().Reconnects)
		})
		s.run(t, "F13 memory alarm, "+sh.name, func(r *run) { s.shapedAlarm(r, load) })
	}
	s.run(t, "F10 link of 20 KiB/s, 900 KiB", func(r *run) {
		proxy := r.proxy()
		a := r.produce(proxy.URL, handler.Options{}, 900<<10)
		proxy.Fault(brokertest.ToBroker, brokertest.Fault{Rate: 20 << 10})
		began := time.Now()
		a.log()
		a.await("confirmed", 2*time.Minute, func(st handler.Stats) bool { return st.Confirmed == 1 })
		r.measure("confirmed after %v, %d reconnects", time.Since(began).Round(time.Second), a.h.Stats().Reconnects)
		proxy.Fault(brokertest.ToBroker, brokertest.Fault{})
	})
}

func (s *suite) shapedAlarm(r *run, load func(*run, string) (*producer, func())) {
	r.t.Cleanup(func() { s.ctl(r.t, "set_vm_memory_high_watermark", "0.4") })
	a, stop := load(r, s.node.URL)
	defer stop()
	s.ctl(r.t, "set_vm_memory_high_watermark", "0")
	wait(lasting(alarmFor))
	kept := a.h.Stats()
	s.ctl(r.t, "set_vm_memory_high_watermark", "0.4")
	r.within("confirming after the alarm", a.confirming(soon), continueGoal)
	if kept.Reconnects > 0 {
		r.t.Errorf("%d reconnects during the alarm: %s", kept.Reconnects, kept.LastError)
	}
	r.measure("%d pending at the end of the alarm", kept.PendingRecords)
	stop()
}
