package handler

import (
	"time"

	"github.com/slogcast/slogcast/internal/link"
)

const (
	// A refusal is no fault of the records until a new channel has said the same,
	// and another node: a queue whose leader has died refuses everything on the
	// channels that were open, and nothing on new ones.
	refusalPatience = time.Second

	firstPause   = 100 * time.Millisecond
	longestPause = time.Second
)

// errRefused is what the program is told when the broker refuses records.
var errRefused = &Error{
	Problem: "publish records: the broker refuses them (basic.nack)",
	Hint:    "a queue of the exchange is full with x-overflow reject-publish, or has no majority of its nodes; records are sent again, and wait in the buffer",
	Retry:   true,
}

// refusal is a time in which the broker has refused messages and confirmed none.
type refusal struct {
	since time.Time     // when it began; zero when there is none
	until time.Time     // nothing is published before; zero when it may be
	pause time.Duration // the last one
	fresh bool          // it went on over a new channel
}

// note notes that messages were refused.
func (r *refusal) note(now time.Time) {
	if r.since.IsZero() {
		r.since = now
	}
	if now.Before(r.until) {
		return // of the same burst
	}
	r.pause = min(max(firstPause, 2*r.pause), longestPause)
	r.until = now.Add(r.pause)
}

// over notes that messages were confirmed. The refused ones wait all the same: one
// that is refused for ever must not be sent without a pause.
func (r *refusal) over() { *r = refusal{until: r.until} }

// going reports whether only a single message should be tried.
func (r *refusal) going() bool { return !r.since.IsZero() }

// waits reports whether nothing is to be published yet.
func (r *refusal) waits(now time.Time) bool {
	if r.until.IsZero() || now.Before(r.until) {
		return !r.until.IsZero()
	}
	r.until = time.Time{}
	return false
}

// refused takes another channel when nothing but refusals have come for a while,
// and gives the connection up when that does not help.
func (s *session) refused(now time.Time) error {
	r := &s.refusal
	if r.since.IsZero() || now.Sub(r.since) < refusalPatience || s.window.len() > 0 {
		return nil
	}
	if r.fresh {
		s.refusing = true
		return &link.Error{Problem: "lost " + s.conn.Endpoint.String() + ": the broker refuses all records, on a new channel, too (basic.nack)", Hint: errRefused.Hint}
	}
	*r = refusal{since: now, fresh: true}
	return s.open()
}

// shrink makes messages small enough for a broker that has refused one for its
// size. It takes at most that many bytes, if it has said so; else half of the
// largest is tried next, and only a single record is given up.
func (s *session) shrink(most int) {
	if most > 0 {
		s.batchBytes, s.recordBytes = min(s.batchBytes, most), most
		return
	}
	body, records := s.window.largest()
	if records > 1 {
		s.batchBytes = min(s.batchBytes, body/2)
		return
	}
	s.recordBytes = body - 1
}
