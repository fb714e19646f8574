package sink

import (
	"errors"
	"fmt"
	"time"

	"github.com/slogcast/slogcast/internal/envelope"
	"github.com/slogcast/slogcast/internal/link"
)

// ErrNoHistory is the cause of an Error about a stream that does not exist.
var ErrNoHistory = errors.New("there is no history")

// HistoryName is the stream that keeps the records of an exchange.
func HistoryName(exchange string) string { return exchange + ".history" }

// Offset is a place in a stream. Its zero value is behind the last record.
type Offset struct {
	// Since begins with the first record of that time, by the record's own time,
	// or its message's. The broker finds the place within a few seconds, and
	// what is older at the start is left out.
	Since time.Time

	// First begins with all there is.
	First bool

	// Number begins with that offset, where it is more than 0.
	Number int64
}

// progress is how far a tail has come in a stream. It outlives connections.
type progress struct {
	next    int64 // the offset to go on with
	begun   bool  // next is set
	check   bool  // the next message is the first of a consumer
	trimmed bool  // no record is too old any more
}

// findHistory looks for the stream.
func (s *subscription) findHistory(c *link.Conn) error {
	if s.queue = s.Queue.Name; s.queue == "" {
		s.queue = HistoryName(s.Exchange)
	}
	exists, err := c.QueueExists(s.queue)
	if err == nil && !exists {
		s.progress.next = 0 // what may be there later is another
		err = link.Unmendable(fmt.Sprintf("there is no stream %q on %s", s.queue, c.Endpoint), "create the history first", ErrNoHistory)
	}
	return err
}

// offsetArgs says where a consumer of the stream begins.
func (s *subscription) offsetArgs() link.Args {
	var offset any = "next"
	switch from := s.Queue.From; {
	case s.progress.begun:
		offset = s.progress.next
	case from.First:
		offset = "first"
	case from.Number > 0:
		offset = from.Number
		s.progress.next = from.Number
	case !from.Since.IsZero():
		offset = from.Since.Add(-time.Second) // an AMQP timestamp has whole seconds
	}
	s.progress.check = true
	return link.Args{"x-stream-offset": offset}
}

// place notes where in the stream a message stands. It reports whether it is new:
// the broker begins with a chunk, and what comes before is known.
func (s *subscription) place(e *envelope.Envelope) bool {
	r := &s.progress
	if !e.InStream {
		return true
	}
	if e.Offset < r.next && !r.check {
		return false
	}
	if r.check && r.begun && e.Offset < r.next {
		s.Notify(Notice{Remark: fmt.Sprintf("the history was made anew: it goes on with offset %d", e.Offset)})
	}
	if r.check && (r.begun || r.next > 0) && e.Offset > r.next {
		s.Notify(Notice{Remark: fmt.Sprintf("the history goes on with offset %d: its retention has removed %d messages that were not read", e.Offset, e.Offset-r.next)})
	}
	r.check, r.begun, r.next = false, true, e.Offset+1
	return true
}

// old reports whether a record is from before the time that was asked for. Once
// one is not, none is: clocks differ, and no record is to be hidden for that.
func (s *subscription) old(r *Record) bool {
	since := s.Queue.From.Since
	if s.progress.trimmed || since.IsZero() {
		return false
	}
	if t, own := r.Time(); (own || !r.Sent.IsZero()) && t.Before(since) {
		return true
	}
	s.progress.trimmed = true
	return false
}
