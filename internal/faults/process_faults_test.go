package faults

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/slogcast/slogcast/internal/brokertest"
)

// killProducer kills a program that logs as fast as it can. What the broker had
// confirmed must be there; what is missing was in the program.
func (s *suite) killProducer(r *run) {
	most := 0
	for i := range times(childKills) {
		c := r.startChild(childFast, s.node.URL, "child"+strconv.Itoa(i))
		c.confirming(soon)
		killing := time.AfterFunc(rand.N(time.Second), func() { _ = c.Process.Kill() })
		c.end()
		killing.Stop()
		most = max(most, c.last.PendingRecords)
	}
	r.measure("%d kills; at most %d records in the buffer", times(childKills), most)
}

// die has programs end without Close, while they log.
func (s *suite) die(r *run) {
	left := 0
	for i := range times(childKills) {
		what, says := childPanic, "panic: the program is at fault"
		if i%2 > 0 {
			what, says = childExit, ""
		}
		c := r.startChild(what, s.node.URL, "child"+strconv.Itoa(i))
		c.confirming(soon)
		c.order()
		c.end()
		// It has logged nothing after its last report: what the broker does not
		// get was in the buffer then, or accountDead finds it lost.
		if got := c.errs.String(); !strings.HasPrefix(got, says) || says == "" && got != "" {
			r.t.Errorf("%s said %q, want %q", c.name, got, says)
		}
		left += c.last.PendingRecords
	}
	r.measure("%d panics and os.Exit, %d records in the buffers", times(childKills), left)
}

// terminated has a program end in order with records queued.
func (s *suite) terminated(r *run) {
	proxy := r.proxy()
	c := r.startChild(childBurst, proxy.URL, "child terminated")
	c.confirming(soon)
	proxy.Fault(brokertest.ToBroker, brokertest.Fault{Hold: true})
	c.queued()
	left := c.last.PendingRecords
	terminate(c.Process)
	proxy.Fault(brokertest.ToBroker, brokertest.Fault{})
	r.within("exit", c.end(), terminateIn)
	r.measure("%d were queued", left)
	if c.last.Confirmed != burstSize+1 || c.errs.Len() > 0 || !c.ProcessState.Success() {
		r.t.Errorf("%v, %q, %+v, want all confirmed", c.ProcessState, c.errs.String(), c.last.Stats)
	}
}

// terminatedWhileStopped is terminated with a broker that answers nothing.
func (s *suite) terminatedWhileStopped(r *run) {
	r.t.Cleanup(s.node.Continue)
	c := r.startChild(childBurst, s.node.URL, "child terminated")
	c.confirming(soon)
	s.node.Stop()
	c.queued()
	terminate(c.Process)
	r.within("exit", c.end(), terminateGoal)
	s.node.Continue()
	if int(c.last.Dropped.Closed+c.last.Unknown) != burstSize || c.last.PendingRecords != 0 {
		r.t.Errorf("got %+v, want %d dropped or unknown", c.last.Stats, burstSize)
	}
	if want := fmt.Sprintf("close: %d records left, %d of them published but not confirmed", burstSize, c.last.Unknown); !strings.Contains(c.errs.String(), want) {
		r.t.Errorf("it printed %q, want %q", c.errs.String(), want)
	}
	r.measure("all told on standard error")
}

// queued has the child log its burst, and waits until it has.
func (p *process) queued() {
	p.run.t.Helper()
	p.order()
	p.await("full", soon, func(one report) bool { return one.Accepted > burstSize })
	if n := p.last.PendingRecords; n < burstSize/2 {
		p.run.t.Fatalf("%s: only %d records are queued", p.name, n)
	}
}

// withoutFiles has a program lose its connection while it may open no file.
func (s *suite) withoutFiles(r *run) {
	proxy := r.proxy()
	c := r.startChild(childFiles, proxy.URL, "child without files")
	c.confirming(soon)
	c.order()
	proxy.Cut()
	r.measure("error after %s", short(c.await("refused", soon, func(one report) bool {
		return strings.Contains(one.LastError, syscall.EMFILE.Error())
	})))
	lasting := time.After(lasting(filesFor))
	c.await("away", soon, func(one report) bool {
		if one.Connected {
			r.t.Error("it is connected without a file")
		}
		select {
		case <-lasting:
			return true
		default:
			return false
		}
	})
	c.order()
	r.within("confirming after", c.confirming(soon), filesGoal)
	c.endClean()
}

// death is a producer that was killed, and its last report.
type death struct {
	name string
	last report
}

// accountDead checks what is left of producers that were killed.
func (r *run) accountDead(seen *sightings) {
	r.t.Helper()
	missing := 0
	for _, d := range r.deaths {
		got := seen.of(d.name)
		r.row.received += len(got.times)
		r.row.attempted += int(d.last.Accepted)
		r.row.confirmed += int(d.last.Confirmed)
		r.row.dropped += int(d.last.Dropped.Total())
		r.row.unknown += int(d.last.Unknown)
		r.row.reconnects += int(d.last.Reconnects)
		r.row.p50, r.row.p999 = max(r.row.p50, d.last.P50), max(r.row.p999, d.last.P999)
		r.row.most, r.row.control = max(r.row.most, d.last.Most), max(r.row.control, d.last.Control)
		missing += max(0, int(d.last.Accepted-d.last.Dropped.Total())-len(got.times))
		if len(got.times) < int(d.last.Confirmed) {
			r.row.lost += int(d.last.Confirmed) - len(got.times)
			r.t.Errorf("producer %s: it had %d confirmed, the queue has %d", d.name, d.last.Confirmed, len(got.times))
		}
		r.tail.mu.Lock()
		shown := r.tail.seen.of(d.name)
		silent, told, _ := shown.silent(shown.last)
		twice := shown.repeats()
		r.tail.mu.Unlock()
		if silent > 0 || twice > 0 {
			r.t.Errorf("producer %s: the tail missed %d records without a word, and showed %d again", d.name, silent, twice)
		}
		r.row.silent += silent
		r.row.told += told
		r.row.twice += twice
	}
	if missing > 0 {
		r.measure("%d missing", missing)
	}
}

// producerStopped stops a program for longer than the broker waits for its
// heartbeats, and lets it go on.
func (s *suite) producerStopped(r *run) {
	c := r.startChild(childPaced, s.node.URL, "child stopped")
	c.confirming(soon)
	worked := func() {
		before := c.last.Confirmed
		c.await("at work", soon, func(one report) bool { return one.Confirmed > before+3*rate })
	}
	worked()
	pause(c.Process)
	wait(lasting(childStopFor))
	resume(c.Process)
	resumed := time.Now()
	if !testing.Short() { // the broker has missed heartbeats
		c.await("back", soon, func(one report) bool { return one.Reconnects > 0 })
	}
	c.confirming(soon)
	r.within("confirming after SIGCONT", time.Since(resumed), continueGoal)
	worked()
	c.endClean()
	r.measure("%d reconnects", c.last.Reconnects)
}

// memory logs at full speed in a process that may have 64 MiB, while the broker
// is away.
func (s *suite) memory(r *run) {
	// Nothing listens on the discard port of loopback.
	const nobody = "amqp://guest:guest@127.0.0.1:9/"
	const limit = 64 << 20
	c := r.startChild(childFast, nobody, "memory", environment("GOMEMLIMIT=64MiB"))
	during := lasting(memoryFor)
	stop := time.AfterFunc(during, func() { c.in.Close() })
	defer stop.Stop()
	var early, most, last report
	start := time.Now()
	for next := range c.reports {
		last = next
		if time.Since(start) < during/5 {
			early.Heap, early.Resident, early.Mapped = max(early.Heap, next.Heap), max(early.Resident, next.Resident), max(early.Mapped, next.Mapped)
		}
		most.Heap, most.Resident, most.Mapped = max(most.Heap, next.Heap), max(most.Resident, next.Resident), max(most.Mapped, next.Mapped)
	}
	if most.Mapped > limit || most.Resident > limit {
		r.t.Errorf("%d MiB mapped, %d MiB resident, want at most %d", most.Mapped>>20, most.Resident>>20, limit>>20)
	}
	if most.Resident > early.Resident+early.Resident/10 {
		r.t.Errorf("resident memory grew from %d to %d KiB", early.Resident>>10, most.Resident>>10)
	}
	if last.Accepted != last.Dropped.Total() || last.Accepted == 0 {
		r.t.Errorf("after Close: %+v", last.Stats)
	}
	r.row.attempted, r.row.dropped = int(last.Accepted), int(last.Dropped.Total())
	r.measure("%.2f M records/s; at most %.1f MiB of objects, %.1f MiB mapped, %.1f MiB resident (%.1f in the first fifth)",
		float64(last.Accepted)/time.Since(start).Seconds()/1e6, mib(most.Heap), mib(most.Mapped), mib(most.Resident), mib(early.Resident))
}

func mib(bytes uint64) float64 { return float64(bytes) / (1 << 20) }
