package sink

import (
	"context"
	"fmt"
	"time"

	"github.com/slogcast/slogcast/internal/link"
)

const (
	// lateness is how much later than its time a record may come to the broker to
	// be found by Queue.Until.
	lateness = time.Minute

	// lookFor is how long a message may take to come to be found when a stream is
	// looked at, which holds none otherwise.
	lookFor = 500 * time.Millisecond

	// patience is how long a stream's consumer may get nothing until that is looked
	// into. It is more where looking takes long.
	patience = 2 * time.Second

	// mostInChunk is more messages than a broker writes at a time. Where a stream's
	// last chunk begins it tells, and not where it ends.
	mostInChunk = 10_000
)

// lookAt reads some messages of the stream, beside a consumer.
func (s *subscription) lookAt(offset any, most int) (link.Look, error) {
	seen, err := s.conn.LookAtStream(s.queue, offset, most, lookFor)
	if seen.Messages > 0 {
		s.progress.took = max(s.progress.took, seen.Took)
	}
	return seen, err
}

// survey looks at where the stream begins and ends, before a consumer is started.
func (s *subscription) survey() error {
	r := &s.progress
	if r.started.IsZero() {
		r.started = time.Now()
	}
	if until := s.Queue.Until; !until.IsZero() && !until.After(time.Now()) && !r.ends {
		if err := s.findEnd(); err != nil {
			return err
		}
	}
	if r.begun || s.Queue.From.Since.IsZero() {
		return nil
	}
	last, err := s.lookAt("last", 1)
	if err != nil {
		return err
	}
	if last.Messages == 0 {
		r.reached = time.Now()
		return nil
	}
	first, err := s.lookAt("first", 1)
	if err != nil {
		return err
	}
	r.oldest, r.live = first.First.Offset, last.First.Offset
	return nil
}

// old reports whether a record is from before the time that was asked for. Where the
// broker begins with a chunk of older ones, those go by. Clocks differ: once a
// record is not too old, or came after this tail did, none is.
func (s *subscription) old(record *Record) bool {
	r, since := &s.progress, s.Queue.From.Since
	if r.trimmed || since.IsZero() {
		return false
	}
	if r.reached.IsZero() && r.next > r.live {
		r.reached = time.Now()
	}
	t, own := record.Time()
	known := own || !record.Sent.IsZero()
	live := !r.reached.IsZero() && time.Since(r.reached) > settle
	switch {
	case known && t.Before(since) && !live:
		r.left++
		return true
	case known && t.Before(since) && r.left > 0:
		s.Notify(Notice{Remark: fmt.Sprintf("%d records that came to the broker at about that time or later are left out, as they say to be older: do clocks differ?", r.left)})
	case known && t.After(since) && r.next-1 == r.oldest:
		s.Notify(Notice{Remark: fmt.Sprintf("the history begins at %s, and not earlier", t.Local().Format("2006-01-02 15:04:05"))})
	}
	r.trimmed = true
	return false
}

// untilTimer fires when the time of Queue.Until is there. What is past has been
// seen to.
func (s *subscription) untilTimer() *time.Timer {
	wait := time.Until(s.Queue.Until)
	timer := time.NewTimer(max(0, wait) + settle) // a record takes some time to come
	if !s.Queue.History || s.Queue.Until.IsZero() || s.progress.ends {
		timer.Stop()
	}
	return timer
}

// findEnd finds the last offset that had come to the stream at the time of
// Queue.Until, or somewhat later.
func (s *subscription) findEnd() error {
	r := &s.progress
	r.ends, r.end = true, -1
	if ago := time.Since(s.Queue.Until) - lateness; ago >= time.Second {
		behind, err := s.lookAt(interval(ago), 1)
		if err != nil {
			return err
		}
		if behind.Messages > 0 {
			r.end = behind.First.Offset - 1
			r.done = r.next > r.end
			return nil
		}
	}
	last, err := s.lookAt("last", mostInChunk)
	if err != nil {
		return err
	}
	if last.Messages > 0 {
		r.end = last.Last.Offset
	}
	r.done = r.next > r.end
	return nil
}

// checkHistory looks into a consumer that has got nothing: where nothing is left to
// come up to the end, that is the end. And the stream may be another, which is not
// as long as the one that was read.
func (s *subscription) checkHistory(ctx context.Context) error {
	r := &s.progress
	if !r.check || s.paused || time.Since(r.asked) < max(patience, 4*r.took) {
		return nil
	}
	if !r.begun {
		r.done = r.ends
		return nil
	}
	last, err := s.lookAt("last", mostInChunk)
	r.asked = time.Now()
	if err != nil || last.Messages == 0 || last.Last.Offset >= r.next-1 {
		return err
	}
	s.startAnew()
	return s.adjust(ctx)
}
