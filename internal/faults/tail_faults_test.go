package faults

import (
	"testing"
	"time"

	"github.com/slogcast/slogcast/handler"
)

// rates measures how fast the broker confirms what a producer logs, over a time.
func (p *producer) rates(during time.Duration) (accepted, confirmed float64) {
	from, start := p.h.Stats(), time.Now()
	wait(during)
	to, seconds := p.h.Stats(), time.Since(start).Seconds()
	return float64(to.Accepted-from.Accepted) / seconds, float64(to.Confirmed-from.Confirmed) / seconds
}

// unaffected measures a producer's rate before and during do.
func (r *run) unaffected(a *producer, stop func() (release func())) {
	r.t.Helper()
	calmAccepted, calm := a.rates(lasting(stallFor) / 2)
	release := stop()
	hurtAccepted, hurt := a.rates(lasting(stallFor))
	release()
	if hurt < 0.98*calm || hurtAccepted < 0.98*calmAccepted {
		r.t.Errorf("accepted and confirmed %.0f and %.0f records/s before, %.0f and %.0f while the tail was stopped", calmAccepted, calm, hurtAccepted, hurt)
	}
	r.measure("confirmed %.0f/s before, %.0f/s during (%+.2f %%)", calm, hurt, 100*(hurt-calm)/calm)
}

func (s *suite) stalled(r *run) {
	a := r.produce(s.node.URL, handler.Options{}, 0)
	stop := a.load(rate)
	defer stop()
	a.confirming(soon)
	r.unaffected(a, r.tail.hold)
	stop()
	r.mark(a)
	r.tail.mu.Lock()
	gaps := r.tail.gaps
	r.tail.mu.Unlock()
	if len(gaps) == 0 && !testing.Short() {
		r.t.Error("the tail told no gap")
	}
	r.measure("%s", noticed(len(gaps)))
}
