package handler

import (
	"cmp"
	"fmt"
	"time"

	"github.com/slogcast/slogcast/internal/link"
)

const (
	// A refusal is no fault of the records until a new channel has said the same,
	// and another node: a queue whose leader has died refuses everything on the
	// channels that were open, and nothing on new ones.
	refusalPatience = time.Second

	// firstTry is how long a single message that is tried may go without an answer,
	// at first. Once nothing has been answered for long, twice as long is waited after
	// each other one: slow is not dead.
	firstTry = time.Second

	// mostFresh is how many channels are tried over a connection without an answer:
	// the next connection may be to the very node that hangs.
	mostFresh = 3

	// quickOpen bounds the opening of a channel while messages are tried.
	quickOpen = 3 * time.Second

	// muteAfter is how long a connection may have answered nothing without being in
	// doubt.
	muteAfter = 4 * time.Second

	// provenAfter is the same of one over which something was confirmed: its messages
	// may be on the way to a new leader, to which RabbitMQ sends them again after 10 s.
	provenAfter = 11 * time.Second

	firstPause   = 100 * time.Millisecond
	longestPause = time.Second
)

// errRefused is what the program is told when the broker refuses records.
var errRefused = &Error{
	Problem: "publish records: the broker refuses them (basic.nack)",
	Hint:    "a queue of the exchange is full with x-overflow reject-publish, or has no majority of its nodes; records are sent again, and wait in the buffer",
	Retry:   true,
}

// refusal is a time in which the broker has refused messages, or left them without
// an answer, and confirmed none.
type refusal struct {
	since time.Time     // when it began; zero when there is none
	until time.Time     // nothing is published before; zero when it may be
	pause time.Duration // the last one
	fresh int           // how many new channels it went on over
	nacks bool          // the broker has refused messages on this one
}

// note notes that messages were refused.
func (r *refusal) note(now time.Time) {
	if r.since.IsZero() {
		r.since = now
	}
	r.nacks = true
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
	if !r.nacks || now.Sub(r.since) < refusalPatience || s.window.len() > 0 {
		return nil
	}
	if r.fresh > 0 {
		s.refusing = true
		return &link.Error{Problem: "lost " + s.conn.Endpoint.String() + ": the broker refuses all records, on a new channel, too (basic.nack)", Hint: errRefused.Hint}
	}
	*r = refusal{since: now, fresh: 1}
	return s.open()
}

// unanswered takes another channel when a message has no answer in time, and tries a
// single one. It gives the connection up when nothing has been answered for long: in
// a cluster that has lost a node, what was published before a queue had a new leader
// may wait for ever, and only what is published anew, on a new channel, is confirmed.
func (s *session) unanswered() error {
	since, now := s.silentSince(), time.Now()
	going, early := s.refusal.going(), s.early()
	if going || early {
		s.mute, s.refusing = since, true
	}
	switch n := s.refusal.fresh; {
	case early:
		s.refusal = refusal{since: now}
		return s.openWithin(quickOpen)
	case going:
		if s.tries++; n < mostFresh {
			s.refusal = refusal{since: now, fresh: n + 1}
			return s.openWithin(quickOpen)
		}
	}
	return fmt.Errorf("the broker has confirmed nothing for %v", time.Since(since).Round(time.Second))
}

// early reports whether the broker may be doubted before it has been silent for long.
// A client of a single broker has nothing to gain from that.
func (s *session) early() bool {
	return s.others && !s.Unconfirmed && time.Since(s.silentSince()) < s.longest()
}

// silentSince returns since when nothing has been answered, over this connection and
// those before it.
func (s *session) silentSince() time.Time {
	if s.mute.IsZero() {
		return s.progress
	}
	return s.mute
}

// doubt notes that a connection has ended over which nothing was answered any more:
// a single message is tried on the next. More would be sent again and again, and
// stop the broker from reading.
func (s *session) doubt() {
	if s.Unconfirmed || s.window.len() == 0 || !s.refusal.going() && time.Since(s.progress) < min(muteAfter, s.longest()) {
		return
	}
	s.mute, s.refusing = s.silentSince(), true
}

// longest is how long a connection may answer nothing.
func (s *session) longest() time.Duration { return cmp.Or(s.silence, s.conn.Silence()) }

// patience is how long the oldest message may go without an answer.
func (s *session) patience() time.Duration {
	switch early := s.early(); {
	case s.refusal.going() && early:
		return min(s.longest(), firstTry)
	case s.refusal.going():
		return min(s.longest(), firstTry<<min(s.tries/2, 10))
	case early && !s.proven:
		return min(s.longest(), muteAfter)
	case early:
		return min(s.longest(), provenAfter)
	}
	return s.longest()
}

// shrink makes messages small enough for a broker that has refused one for its
// size. It takes at most that many bytes, if it has said so and does not refuse what
// has fewer; else half of the largest is tried next, and only a single record is given
// up. It reports false when there is nothing to make smaller.
func (s *session) shrink(most int) bool {
	body, records := s.window.largest()
	switch {
	case most > 0 && (body == 0 || body > most) && (most < s.batchBytes || most != s.recordBytes):
		s.batchBytes, s.recordBytes = min(s.batchBytes, most), most
	case body == 0:
		return false
	case records > 1:
		s.batchBytes = min(s.batchBytes, body/2)
	default:
		s.recordBytes = body - 1
	}
	return true
}

// refusedFor is how long it is remembered which sizes a broker has closed the
// connection for.
const refusedFor = 10 * time.Minute

// sizes are bounds of messages that were learned over one connection, for the next.
type sizes struct {
	batch, record int // as in session
	until         time.Time
}

// learn has the next connections know what this one was closed for: each of them would
// be.
func (s *session) learn() { s.learned = sizes{s.batchBytes, s.recordBytes, time.Now().Add(refusedFor)} }

// remember undoes learn.
func (s *session) remember() {
	if time.Now().Before(s.learned.until) {
		s.batchBytes, s.recordBytes = min(s.batchBytes, s.learned.batch), s.learned.record
	}
}
