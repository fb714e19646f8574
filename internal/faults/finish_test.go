package faults

import (
	"context"
	"strings"
	"time"

	"github.com/slogcast/slogcast/handler"
)

// finish ends the run and checks what must hold whatever the fault was.
func (r *run) finish() {
	r.t.Helper()
	for _, p := range r.producers {
		if p.closed {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		if err := p.h.Flush(ctx); err != nil {
			r.t.Errorf("producer %s: %v", p.name, err)
		}
		cancel()
		r.mark(p)
		p.closeClean()
	}
	for _, tl := range r.tails() {
		tl.end()
	}
	for _, c := range r.closers {
		c()
	}
	r.row.back = back(r.t, r.before, 5*time.Second)
	seen := r.drain()
	for _, p := range r.producers {
		r.account(p, seen)
	}
	r.accountDead(seen)
	r.foreign("queue has", seen)
	for _, h := range seen.handlers {
		r.row.wire += h.repeats()
	}
	for _, tl := range r.tails() {
		r.foreign("tail showed", tl.seen)
	}
	r.reported(seen)
	r.times()
}

// mark logs records until every tail shows one: a gap is told when the next
// record comes, and the tail may still be on its way back.
func (r *run) mark(p *producer) {
	r.t.Helper()
	for _, tl := range r.tails() {
		r.markAt(tl, p)
	}
}

func (r *run) markAt(tl *tail, p *producer) {
	r.t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	for first := uint64(0); ; {
		p.log()
		if first == 0 {
			first = p.h.Stats().Accepted
		}
		select {
		case <-again.C:
		case <-late.C:
			r.t.Errorf("the tail shows nothing of producer %s any more", p.name)
			return
		}
		if tl.last(p.name) >= first {
			return
		}
	}
}

// foreign checks that nothing was seen that was not logged.
func (r *run) foreign(who string, seen *sightings) {
	r.t.Helper()
	r.row.unexpected += len(seen.unexpected)
	for _, body := range seen.unexpected {
		r.t.Errorf("the %s a record that was not logged so: %s", who, body)
	}
}

// reported checks what the handlers have said in band of what they shed. What
// they said while the connection was being lost may be gone.
func (r *run) reported(seen *sightings) {
	r.t.Helper()
	shed := 0
	for _, p := range r.producers {
		shed += int(p.h.Stats().Dropped.Shed)
	}
	if seen.shed > shed && len(r.deaths) == 0 {
		r.t.Errorf("the handlers said that %d records were dropped, there were %d", seen.shed, shed)
	}
	if seen.losses > 0 {
		r.measure("%d told in %d records of the handler", seen.shed, seen.losses)
	}
}

// account adds a producer to the row and checks its records.
func (r *run) account(p *producer, seen *sightings) {
	r.t.Helper()
	s := p.h.Stats()
	p.balance(r.t, s)
	got := seen.of(p.name)
	received := len(got.times)
	// What the broker may have although it was not confirmed: the channel, or
	// Close's context, ended first; or another queue refused it.
	uncertain := int(s.Unknown + s.Dropped.Refused)
	whole := int(s.Confirmed + s.Dropped.Oversize)
	lost := max(0, whole-received)
	if s.Dropped.Shed+s.Dropped.Refused == 0 {
		// Records are published and let go of in order: these are the first ones.
		lost = 0
		for seq := uint64(1); seq <= s.Confirmed; seq++ {
			if got.times[seq] == 0 {
				lost++
			}
		}
	}
	if r.unbound {
		lost = 0
	}
	if lost > 0 {
		r.t.Errorf("producer %s: %d records are confirmed, %d of them are not among the %d in the queue", p.name, whole, lost, received)
	}
	if received > whole+uncertain {
		r.t.Errorf("producer %s: the queue has %d records, only %d are confirmed and %d uncertain", p.name, received, whole, uncertain)
	}
	if got.late > 0 && s.Dropped.Refused == 0 && !r.nacked {
		r.t.Errorf("producer %s: %d records are out of order in the queue", p.name, got.late)
	}
	r.row.attempted += int(s.Accepted)
	r.row.confirmed += int(s.Confirmed)
	r.row.dropped += int(s.Dropped.Total())
	r.row.unknown += int(s.Unknown)
	r.row.received += received
	r.row.lost += lost
	r.row.recovered += max(0, received-whole)
	r.row.reconnects += int(s.Reconnects)
	for _, tl := range r.tails() {
		if received > 0 {
			r.shown(tl, p, s)
		}
	}
}

// shown checks what a tail has shown of a producer.
func (r *run) shown(tl *tail, p *producer, s handler.Stats) {
	r.t.Helper()
	tl.mu.Lock()
	defer tl.mu.Unlock()
	shown := tl.seen.of(p.name)
	last := shown.last
	if !p.left {
		last = s.Accepted
	}
	silent, told, wrong := shown.silent(last)
	if silent > 0 {
		r.t.Errorf("producer %s: the tail missed %d records without a word", p.name, silent)
	}
	if twice := shown.repeats(); twice > 0 {
		r.t.Errorf("producer %s: the tail showed %d records again: %s", p.name, twice, strings.Join(shown.again, ", "))
	}
	if wrong > 0 && r.resent {
		r.measure("%d told as missing came after all", wrong)
	} else if wrong > 0 {
		r.t.Errorf("producer %s: the tail told of %d records as missing that it showed", p.name, wrong)
	}
	r.row.silent += silent
	r.row.told += told
	r.row.wrong += wrong
	r.row.twice += shown.repeats()
}
