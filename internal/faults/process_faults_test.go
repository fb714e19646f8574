package faults

import (
	"math/rand/v2"
	"strconv"
	"testing"
	"time"
)

// killProducer kills a program that logs as fast as it can. What the broker had
// confirmed must be there; what is missing was in the program.
func (s *suite) killProducer(r *run) {
	most := 0
	for i := range times(childKills) {
		name := "child" + strconv.Itoa(i)
		c, _, reports := startChild(r.t, childFast, s.node.URL, r.exchange, name)
		last := report{}
		for last.Confirmed == 0 {
			next, ok := <-reports
			if !ok {
				r.t.Fatal("the child has ended")
			}
			last = next
		}
		killing := time.AfterFunc(rand.N(time.Second), func() { _ = c.Process.Kill() })
		for next := range reports {
			last = next
		}
		killing.Stop()
		r.deaths = append(r.deaths, death{name, last})
		most = max(most, last.PendingRecords)
	}
	r.measure("%d kills; at most %d records in the buffer", times(childKills), most)
}

// death is a producer that was killed, and its last report.
type death struct {
	name string
	last report
}

// accountDead checks what is left of producers that were killed.
func (r *run) accountDead(seen *sightings) {
	r.t.Helper()
	for _, d := range r.deaths {
		got := seen.of(d.name)
		r.row.received += len(got.times)
		r.row.attempted += int(d.last.Accepted)
		r.row.confirmed += int(d.last.Confirmed)
		r.row.dropped += int(d.last.Dropped.Total())
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
}

// producerStopped stops a program for longer than the broker waits for its
// heartbeats, and lets it go on.
func (s *suite) producerStopped(r *run) {
	const name = "child stopped"
	c, end, reports := startChild(r.t, childPaced, s.node.URL, r.exchange, name)
	r.t.Cleanup(func() { _ = c.Process.Kill() }) // if the test fails before its end
	first, ok := <-reports
	for ok && first.Confirmed == 0 {
		first, ok = <-reports
	}
	pause(c.Process)
	wait(lasting(childStopFor))
	resume(c.Process)
	// What it has reported until now may be from before.
	var last report
	for start := time.Now(); last.Reconnects == 0 || last.PendingRecords > 1000; {
		last, ok = <-reports
		if !ok || time.Since(start) > soon {
			r.t.Fatalf("it does not come back: %+v", last.Stats)
		}
		if testing.Short() {
			break // the broker has not missed a heartbeat
		}
	}
	end()
	for next := range reports {
		last = next
	}
	if last.Confirmed != last.Accepted {
		r.t.Errorf("got %+v, want all confirmed", last.Stats)
	}
	r.measure("%d reconnects", last.Reconnects)
	r.deaths = append(r.deaths, death{name, last})
}

// memory logs at full speed in a process that may have 64 MiB, while the broker
// is away.
func (s *suite) memory(r *run) {
	// Nothing listens on the discard port of loopback.
	const nobody = "amqp://guest:guest@127.0.0.1:9/"
	const limit = 64 << 20
	_, end, reports := startChild(r.t, childFast, nobody, r.exchange, "memory", "GOMEMLIMIT=64MiB")
	during := lasting(memoryFor)
	stop := time.AfterFunc(during, end)
	defer stop.Stop()
	var early, most, last report
	start := time.Now()
	for next := range reports {
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
