package sink

import (
	"errors"
	"fmt"
	"hash/maphash"
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
	// or its message's. The broker finds the place within a few seconds, by its own
	// clock and how long ago that was by ours. What is older at the start is left
	// out; once a record is not, or has come live, none is: clocks differ.
	Since time.Time

	// First begins with all there is.
	First bool

	// Number begins with that offset, where it is more than 0.
	Number int64
}

// progress is how far a tail has come in a stream. It outlives connections.
type progress struct {
	started time.Time // the first consumer
	next    int64     // the offset to go on with
	begun   bool      // next is that behind a message that came
	sum     uint64    // of the message before next, to know the stream by
	anew    bool      // the stream is another: what comes until a new consumer starts is not read

	asked time.Time     // the consumer was started
	check bool          // and nothing has come yet that tells where it began
	took  time.Duration // to look at the stream

	// Of Offset.Since, see old.
	trimmed bool      // no record is too old any more
	oldest  int64     // the offset at which the stream began
	live    int64     // the offset of the last chunk that there was
	reached time.Time // when live was reached, or there was none
	left    int       // records that were left out

	// Of Queue.Until, see findEnd.
	ends bool  // end is known
	end  int64 // the last offset that is read
	done bool  // it has been
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

// offsetArgs says where a consumer of the stream begins. One that goes on begins
// with the last message that came, which shows that the stream is still the same.
func (s *subscription) offsetArgs() link.Args {
	r := &s.progress
	var offset any = "next"
	switch from := s.Queue.From; {
	case r.begun && r.next > 0:
		offset = r.next - 1
	case r.begun || from.First:
		offset = "first"
	case from.Number > 0:
		offset = from.Number
		r.next = from.Number
	case !from.Since.IsZero():
		offset = s.ago(from.Since)
	case !r.asked.IsZero():
		offset = s.ago(r.started) // what came while there was no consumer is not to be missed
	}
	r.asked, r.check, r.anew = time.Now(), true, false
	return link.Args{link.OffsetHeader: offset}
}

// ago is the offset of a time as the broker's clock has it: a stream's timestamps
// are the broker's, and nobody tells how its clock differs from ours. It may be two
// seconds too early, and is not too late.
func (s *subscription) ago(t time.Time) any {
	switch ago := time.Since(t); {
	case ago < 0:
		return "next"
	case t.Unix() <= 0:
		return "first"
	default:
		return interval(ago + s.progress.took + 2*time.Second)
	}
}

// interval is the offset of some whole seconds ago. It is a text: a plain integer
// would be a message's number.
func interval(ago time.Duration) string { return fmt.Sprintf("%ds", max(1, int64(ago/time.Second))) }

// place notes where in the stream a message stands. It reports whether it is new
// and to be read.
func (s *subscription) place(e *envelope.Envelope, body []byte) bool {
	r := &s.progress
	if !e.InStream {
		return true
	}
	if r.anew || r.done {
		return false
	}
	sum := maphash.Bytes(s.sequences.seed, body)
	switch {
	case r.check && r.begun && e.Offset < r.next-1:
		return false
	case r.check && r.begun && e.Offset == r.next-1 && sum != r.sum:
		s.startAnew()
		return false
	}
	r.check = false
	if e.Offset < r.next {
		return false
	}
	if e.Offset > r.next && r.next > 0 {
		s.sequences.jumps++
		s.Notify(Notice{Remark: fmt.Sprintf("the history goes on with offset %d: its retention has removed %d messages that were not read", e.Offset, e.Offset-r.next)})
	}
	r.begun, r.next, r.sum = true, e.Offset+1, sum
	r.done = r.ends && e.Offset >= r.end
	return !r.ends || e.Offset <= r.end
}

// startAnew begins with the first message of a stream that took the place of the one
// that was read. The next consumer does.
func (s *subscription) startAnew() {
	r := &s.progress
	s.Notify(Notice{Remark: fmt.Sprintf("the history was made anew after offset %d: it is read from its start", r.next-1)})
	r.next, r.anew, r.ends = 0, true, false
	_ = s.pause() // of an error the loss of the connection tells
}
