package handler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/slogcast/slogcast/internal/envelope"
	"github.com/slogcast/slogcast/internal/link"
)

const (
	// oneWrite and oneBurst are about how many bytes, and how many messages, are
	// taken from the buffer and written at a time: what has been taken can't be shed.
	oneWrite = 64 << 10
	oneBurst = 64

	// slowest is how many bytes a second a link carries that is taken for alive:
	// so much longer the answer to a large message may take.
	slowest = 4 << 10

	// reportEvery spaces the reports of dropped records.
	reportEvery = time.Second
)

// session is the state of publishing over one connection.
type session struct {
	*publisher
	conn    *link.Conn
	out     *link.Publisher
	window  *window
	refusal refusal

	proven   bool      // the broker has confirmed something
	handed   bool      // the network has taken all that was published
	paused   bool      // between connection.blocked and connection.unblocked
	progress time.Time // when an answer last came, or was first waited for
	ripe     time.Time // when a batch that is not full goes; zero while there is none
	reported time.Time // when dropped records were last reported

	batchBytes  int // the most of a batch: Batch.Bytes, or what the broker takes
	recordBytes int // the most of a record that the broker takes; 0 when it has not said

	asked  chan error   // who waits for a barrier; nil when nobody does
	passed <-chan error // has a value when the barrier is passed; nil until it was asked for
	before int64        // how many of afloat were published before the barrier

	timer      *time.Timer
	answers    []link.Answer // these are reused
	records    []entry
	parts      [][]byte
	properties []byte
}

// session publishes over one connection until that is lost (an error) or ctx
// ends (nil). It begins with what earlier connections left unconfirmed, under
// the same message-ids.
func (p *publisher) session(ctx context.Context, c *link.Conn) error {
	if err := c.DeclareFanout(p.Exchange, p.TransientExchange); err != nil {
		return err
	}
	s := &session{
		publisher:  p,
		conn:       c,
		batchBytes: min(p.Batch.Bytes, p.buffer.limit/4),
		timer:      time.NewTimer(time.Hour),
	}
	s.remember()
	defer s.timer.Stop()
	if p.refusing {
		s.refusal.since = time.Now()
	}
	if err := s.open(); err != nil {
		return err
	}
	s.block()
	l, _, _, _ := p.buffer.snapshot()
	p.status.connected(c.Endpoint.String(), l.dropped[shed].total())
	err := s.run(ctx)
	s.end()
	return err
}

// open opens a channel to publish on, in place of the last one.
func (s *session) open() error {
	if s.out != nil {
		s.leave()
	}
	out, err := s.conn.Publisher(s.Exchange, !s.Unconfirmed)
	if err != nil {
		return err
	}
	s.out, s.window, s.handed = out, newWindow(s.buffer.limit), true
	return nil
}

// openWithin is open where the broker must answer within the time.
func (s *session) openWithin(bound time.Duration) error {
	hung := time.AfterFunc(bound, s.conn.Abort)
	err := s.open()
	if !hung.Stop() && err != nil {
		return fmt.Errorf("the broker has opened no channel for %v", bound)
	}
	return err
}

// run publishes until the connection is lost or ctx ends.
func (s *session) run(ctx context.Context) error {
	for {
		s.settle()
		sent, stop := false, false
		err := s.refused(time.Now())
		if err == nil {
			sent, err = s.publish()
		}
		switch {
		case err != nil:
			err = s.recover(s.why(err))
		case sent:
			stop, err = s.look(ctx)
		default:
			stop, err = s.wait(ctx)
			err = s.recover(err)
		}
		if stop || err != nil {
			return err
		}
	}
}

// recover goes on over another channel after an error that was a message's fault
// alone.
func (s *session) recover(err error) error {
	most, ok := link.TooLarge(err)
	if !ok {
		return err
	}
	s.settle()
	_, records := s.window.largest()
	if !s.shrink(most) {
		return err
	}
	if s.open() != nil { // it has closed the connection, too
		s.learn()
		if records > 1 {
			s.conn.Useful() // the next one gets further
		}
		return err
	}
	return nil
}

// end leaves to the buffer what has no answer. What the network has not taken by
// now must not be sent after: it is said not to have been.
func (s *session) end() {
	s.settle() // what came last is not sent again
	s.doubt()
	if s.window.len() > 0 {
		s.conn.Abort()
	}
	s.leave()
}

// leave leaves to the buffer what the channel has not settled. What a barrier
// would have settled nobody can any more: one on the next channel tells nothing
// about this one.
func (s *session) leave() {
	s.giveBack()
	s.passBarrier(link.ErrEnded)
	s.adrift.Add(s.afloat.Swap(0))
}

// giveBack leaves to the buffer what is in the window.
func (s *session) giveBack() {
	written := s.out.Written()
	records := s.window.rest(written)
	if s.Unconfirmed {
		// What the network has taken is not sent twice.
		for len(records) > 0 && records[0].has(published) {
			s.afloat.Add(1)
			s.buffer.settle(records[:1], unknown)
			records = records[1:]
		}
	}
	s.buffer.giveBack(records)
}

// settle lets go of the records that the broker has answered for.
func (s *session) settle() {
	s.answers = s.out.Answers(s.answers[:0])
	for _, a := range s.answers {
		s.window.note(a, s.out.Whole())
	}
	for {
		messages, records, what := s.window.next()
		if messages == 0 {
			return
		}
		s.progress = time.Now()
		s.mute, s.tries = time.Time{}, 0
		if what == ack {
			s.buffer.settle(records, confirmed)
			s.conn.Useful()
			s.proven = true
			s.refusal.over()
			s.refusing = false
		} else {
			for i := range records {
				records[i].flags |= refused
			}
			s.buffer.giveBack(records)
			s.refusal.note(s.progress)
			why := *errRefused // OnError may change it
			s.status.failed(&why)
		}
		clear(records) // lets go of their memory
	}
}

// publish writes some messages, as far as the window and the network allow.
func (s *session) publish() (sent bool, err error) {
	if handed, err := s.hand(); err != nil || !handed {
		return false, err
	}
	if !s.free() || s.refusal.waits(time.Now()) {
		return false, nil
	}
	if err := s.reportLoss(); err != nil {
		return false, err
	}
	if s.lingers() {
		return false, nil
	}
	var seen uint64
	if s.records, seen = s.take(); len(s.records) == 0 {
		s.buffer.arm(seen)
		return false, nil
	}
	rest, all := s.records, true
	for len(rest) > 0 && s.handed && all {
		n := s.together(rest)
		all = s.send(rest[:n])
		rest = rest[n:]
	}
	if len(rest) > 0 {
		// They are behind a message that takes a while, or a record that was given
		// up, which they have to tell of.
		s.buffer.giveBack(rest)
	}
	clear(s.records)
	_, err = s.hand()
	return true, err
}

// free reports whether something may be published.
func (s *session) free() bool {
	if s.refusal.going() && s.window.len() > 0 {
		return false // a single message is tried
	}
	waits := s.asked != nil && s.passed == nil // for all to be handed over
	return s.handed && !s.paused && !waits && s.window.room() > 0
}

// take takes records for a few messages from the buffer.
func (s *session) take() (records []entry, seen uint64) {
	messages, size := min(oneBurst, maxMessages-s.window.len()), oneWrite
	if s.Batch.Records > 1 {
		size = max(size, s.batchBytes)
	}
	most := messages * s.Batch.Records
	if s.refusal.going() {
		most = 1 // to try
	}
	return s.buffer.take(s.records[:0], most, min(s.window.room(), size))
}

// hand gives what is published to the network, and reports whether that has taken
// all of it.
func (s *session) hand() (bool, error) {
	done, err := s.out.Flush()
	if s.handed = done; !done || !s.Unconfirmed {
		return done, err
	}
	if records := s.window.rest(s.out.Written()); len(records) > 0 {
		s.afloat.Add(int64(len(records))) // before a Flush can find them settled
		s.buffer.settle(records, unknown)
		clear(records)
	}
	return done, err
}

// lingers reports whether the records should wait for others to share a message.
func (s *session) lingers() bool {
	if s.Batch.Linger == 0 {
		return false
	}
	c := s.buffer.look()
	if c.records == 0 || c.records >= s.Batch.Records || c.bytes >= s.batchBytes || c.urgent {
		s.ripe = time.Time{}
		return false
	}
	now := time.Now()
	if s.ripe.IsZero() {
		s.ripe = now.Add(s.Batch.Linger)
	}
	if now.Before(s.ripe) {
		s.buffer.arm(c.seq)
		return true
	}
	s.ripe = time.Time{}
	return false
}

// together returns how many of the records go in one message: consecutive ones,
// as the message-id names the first and the others are counted from there.
func (s *session) together(records []entry) int {
	n, size := 1, len(records[0].body)
	for ; n < min(len(records), s.Batch.Records); n++ {
		size += 1 + len(records[n].body)
		if size > s.batchBytes || records[n].seq != records[n-1].seq+1 {
			break
		}
	}
	return n
}

// send publishes records in one message. It reports false when it has given one up
// instead, as the broker does not take so large a record.
func (s *session) send(records []entry) bool {
	first := &records[0]
	if s.recordBytes > 0 && len(first.body) > s.recordBytes {
		s.buffer.settle(records[:1], tooLarge)
		s.buffer.giveBack(records[1:])
		return false
	}
	s.parts = s.parts[:0]
	for i := range records {
		s.parts = append(s.parts, records[i].body)
	}
	s.post(&envelope.Envelope{
		Producer: s.producer,
		Seq:      first.seq,
		App:      s.App,
		Host:     s.host,
		Count:    len(records),
		Time:     first.time(),
		Dropped:  first.missing,
	}, first.level, records)
	return true
}

// post publishes a message of s.parts with the records, if any, of the buffer.
func (s *session) post(about *envelope.Envelope, l slog.Level, records []entry) {
	about.Transient = s.Transient
	s.properties = about.AppendProperties(s.properties[:0])
	body := len(s.parts) - 1
	for _, part := range s.parts {
		body += len(part)
	}
	if s.window.len() == 0 {
		s.progress = time.Now()
	}
	end, whole := s.out.Publish(s.routingKey(l), s.properties, s.parts)
	s.handed = whole
	s.window.add(records, body, end)
}

// routingKey returns the key for a level. Those in use are few, and remembered.
func (p *publisher) routingKey(l slog.Level) string {
	const most = 64
	key, ok := p.keys[l]
	if !ok {
		key = envelope.RoutingKey(p.App, l.String())
		if len(p.keys) < most {
			p.keys[l] = key
		}
	}
	return key
}

// reportLoss publishes a record that says how many were shed, once there is
// room again. It has no sequence number, and is not sent again: the numbers of
// those that are missing tell the same.
func (s *session) reportLoss() error {
	now := time.Now()
	if now.Before(s.nextReport()) || s.window.room() == 0 {
		return nil
	}
	l, ok := s.buffer.takeLoss()
	if !ok {
		return nil
	}
	s.reported = now
	r := slog.NewRecord(now, slog.LevelWarn, "slogcast: records were dropped", 0)
	levels := l.levels()
	r.AddAttrs(slog.Uint64("dropped", l.total()), slog.String("cause", "the buffer was full"),
		slog.Time("first", l.first), slog.Time("last", l.last),
		slog.Group("levels", "debug", levels.Debug, "info", levels.Info, "warn", levels.Warn, "error", levels.Error))
	e := newEncoder(&format{})
	defer e.free()
	e.appendRecord(&r)
	s.parts = append(s.parts[:0], e.buf)
	s.post(&envelope.Envelope{App: s.App, Host: s.host, Time: now, Count: 1}, r.Level, nil)
	_, err := s.hand()
	return err
}

func (s *session) nextReport() time.Time { return s.reported.Add(reportEvery) }

// due returns when something is to be done though nothing happens, and whether
// that is ever.
func (s *session) due() (at time.Time, ok bool) {
	sooner := func(t time.Time) {
		if !t.IsZero() && (!ok || t.Before(at)) {
			at, ok = t, true
		}
	}
	sooner(s.late())
	if s.free() {
		sooner(s.ripe)
		sooner(s.refusal.until)
		if s.buffer.lossKnown() {
			sooner(s.nextReport())
		}
	}
	return at, ok
}

// late returns when the oldest message should have its answer; zero when none is
// due. A confirm that is lost would stop the window for ever, and a broker that
// sends and does not receive would go unnoticed.
func (s *session) late() time.Time {
	if s.window.len() == 0 || s.paused {
		return time.Time{}
	}
	size := s.window.messages.items()[0].body
	return s.progress.Add(s.patience() + time.Duration(size)*time.Second/slowest)
}

// look looks, between two messages, at what must not wait for the next pause.
func (s *session) look(ctx context.Context) (stop bool, err error) {
	select {
	case <-s.conn.BlockedChanged():
		s.block()
	case s.asked = <-s.asks():
	case err := <-s.passed:
		s.passBarrier(err)
	case <-ctx.Done():
		return true, nil
	default:
		return false, nil
	}
	s.askBarrier()
	return false, nil
}

// asks has who waits for a barrier, one at a time.
func (s *session) asks() <-chan chan error {
	if s.asked != nil {
		return nil
	}
	return s.barriers
}

// askBarrier asks the broker for a barrier, once all that was published before is
// handed over.
func (s *session) askBarrier() {
	if s.asked != nil && s.passed == nil && s.handed && !s.paused {
		s.before, s.passed = s.afloat.Load(), s.out.Barrier()
	}
}

// wait waits for something to do.
func (s *session) wait(ctx context.Context) (stop bool, err error) {
	s.askBarrier()
	var timer <-chan time.Time
	if at, ok := s.due(); ok {
		s.timer.Reset(time.Until(at))
		timer = s.timer.C
	}
	select {
	case <-s.out.Answered():
	case <-s.out.Room():
	case <-s.buffer.wake:
	case <-timer:
		s.settle()
		if late := s.late(); !late.IsZero() && !time.Now().Before(late) {
			return false, s.unanswered()
		}
	case <-s.conn.BlockedChanged():
		s.block()
	case s.asked = <-s.asks():
	case err := <-s.passed:
		s.passBarrier(err)
	case reason := <-s.conn.Lost():
		return false, cmp.Or(reason, error(link.ErrEnded))
	case reason := <-s.out.Closed():
		return false, cmp.Or(reason, error(link.ErrEnded))
	case <-ctx.Done():
		if !s.paused && s.handed {
			s.reported = time.Time{}
			return true, s.reportLoss()
		}
		return true, nil
	}
	return false, nil
}

// passBarrier tells who has asked for a barrier what came of it.
func (s *session) passBarrier(err error) {
	if s.asked == nil {
		return
	}
	if err != nil {
		s.adrift.Add(s.afloat.Swap(0))
	} else {
		s.afloat.Add(-s.before)
	}
	s.asked <- err
	s.asked, s.passed = nil, nil
}

// block notes that the broker takes no messages for now, or takes them again.
// https://www.rabbitmq.com/docs/connection-blocked
func (s *session) block() {
	reason, active := s.conn.Blocked()
	if active == s.paused {
		return
	}
	s.paused = active
	s.progress = time.Now()
	if active {
		s.status.failed(&Error{
			Problem: fmt.Sprintf("publish records: the broker takes none for now (connection.blocked: %q)", reason),
			Hint:    "its memory or disk is short; records wait in the buffer",
			Retry:   true,
		})
	} else {
		s.status.over("the broker takes records again")
	}
}

// why returns the broker's reason for closing, where it comes, rather than err,
// which may only say that something is closed.
func (s *session) why(err error) error {
	if !errors.Is(err, link.ErrEnded) {
		return err
	}
	select {
	case reason := <-s.out.Closed():
		return cmp.Or(reason, err)
	case reason := <-s.conn.Lost():
		return cmp.Or(reason, err)
	case <-time.After(100 * time.Millisecond):
		return err
	}
}
