package handler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/slogcast/slogcast/internal/envelope"
	"github.com/slogcast/slogcast/internal/link"
)

const (
	// maxWindow is how many messages may be on their way without a confirm.
	maxWindow = 1024

	// burst is how many messages are published before confirms are looked at.
	burst = 64

	// confirmTimeout is how long no confirm may come, while some are due, before
	// the connection is given up: as long as a peer may be silent, one and a half
	// heartbeats. A confirm that is lost would stop the window for ever, and a
	// broker that sends and does not receive would go unnoticed.
	confirmTimeout = 15 * time.Second

	// reportEvery spaces the reports of dropped records.
	reportEvery = time.Second
)

// session is the state of publishing over one connection.
type session struct {
	*publisher
	conn    *link.Conn
	out     *link.Publisher
	blocked <-chan amqp.Blocking

	// flights are the messages on their way, oldest first: how many records each
	// has. They hold the first sent records of the queue's window, in the same
	// order. A confirm that overtakes waits for those before it.
	flights []int32
	sent    int

	paused   bool      // between connection.blocked and connection.unblocked
	progress time.Time // when a confirm last came, or was first waited for
	ripe     time.Time // when a batch that is not full goes; zero while there is none
	reported time.Time // when dropped records were last reported

	properties, joined []byte // of a message; reused
}

// session publishes over one connection until that is lost (an error) or ctx
// ends (nil). It begins with what earlier connections left unconfirmed, under
// the same message-ids.
func (p *publisher) session(ctx context.Context, c *link.Conn) error {
	if err := c.DeclareFanout(p.Exchange); err != nil {
		return err
	}
	window := maxWindow
	if p.Unconfirmed {
		window = 0
	}
	out, err := c.Publisher(p.Exchange, window)
	if err != nil {
		return err
	}
	s := &session{
		publisher: p,
		conn:      c,
		out:       out,
		blocked:   c.NotifyBlocked(make(chan amqp.Blocking, 16)),
	}
	l, _, _, _ := p.queue.snapshot()
	p.status.connected(c.Endpoint.String(), l.dropped[shed].total())
	for {
		s.settle()
		sent, err := s.publish()
		stop := false
		switch {
		case err != nil:
			err = s.why(err)
		case !sent:
			stop, err = s.wait(ctx)
		}
		if stop || err != nil {
			s.settle() // what came last is not sent again
			return s.tooLarge(err)
		}
	}
}

// settle lets go of the records that the broker has answered for.
func (s *session) settle() {
	for {
		messages, no := s.out.Answers()
		switch {
		case messages == 0:
			return
		case no:
			s.refused()
			continue
		}
		records := 0
		for _, n := range s.flights[:messages] {
			records += int(n)
		}
		s.queue.settle(records, confirmed)
		s.forget(messages, records)
		s.conn.Useful()
	}
}

// refused has the records of the oldest message published again behind the
// others, or gives them up.
func (s *session) refused() {
	n := int(s.flights[0])
	s.forget(1, n)
	for range n {
		if !s.queue.retry() {
			s.queue.settle(1, givenUp)
			s.status.failed(errors.New("publish record: the broker refuses it (basic.nack); is a queue full that has x-overflow reject-publish?"))
		}
	}
}

func (s *session) forget(messages, records int) {
	s.flights = s.flights[:copy(s.flights, s.flights[messages:])]
	s.sent -= records
	s.progress = time.Now()
}

// publish sends a burst of messages, as far as the window allows.
func (s *session) publish() (sent bool, err error) {
	if s.paused || len(s.flights) >= maxWindow {
		return false, nil
	}
	if err := s.reportLoss(); err != nil {
		return false, err
	}
	records := s.queue.fill(maxWindow*s.Batch.Records, s.sent, burst*s.Batch.Records)
	if len(records) == 0 || s.unripe(records) {
		return false, nil
	}
	for len(records) > 0 && len(s.flights) < maxWindow {
		n := s.together(records)
		if err := s.send(records[:n]); err != nil {
			return false, err
		}
		records = records[n:]
	}
	return true, s.out.Flush()
}

// unripe reports whether the records should wait for others to share a message.
func (s *session) unripe(records []entry) bool {
	if s.Batch.Linger == 0 || len(records) >= s.Batch.Records {
		s.ripe = time.Time{}
		return false
	}
	if s.ripe.IsZero() {
		s.ripe = time.Now().Add(s.Batch.Linger)
	}
	if time.Now().Before(s.ripe) {
		s.queue.arm()
		return true
	}
	s.ripe = time.Time{}
	return false
}

// together returns how many of the records go in one message: consecutive ones,
// as the message-id names the first and the others are counted from there.
func (s *session) together(records []entry) int {
	n, size := 1, int(records[0].size)
	for ; n < min(len(records), s.Batch.Records); n++ {
		size += 1 + int(records[n].size)
		if size > s.Batch.Bytes || records[n].seq != records[n-1].seq+1 {
			break
		}
	}
	return n
}

// send publishes records in one message.
func (s *session) send(records []entry) error {
	first := &records[0]
	body := first.body()
	if len(records) > 1 {
		s.joined = append(s.joined[:0], body...)
		for i := range records[1:] {
			s.joined = append(append(s.joined, '\n'), records[i+1].body()...)
		}
		body = s.joined
	}
	about := envelope.Envelope{
		Producer: s.producer,
		Seq:      first.seq,
		App:      s.App,
		Host:     s.host,
		Count:    len(records),
		Time:     first.time(),
		Dropped:  first.missing,
	}
	if err := s.post(&about, first.level, body, len(records)); err != nil {
		return err
	}
	if s.Unconfirmed {
		s.queue.settle(len(records), unknown)
	}
	return nil
}

// post publishes a message with so many records of the queue.
func (s *session) post(about *envelope.Envelope, l slog.Level, body []byte, records int) error {
	about.Transient = s.Transient
	s.properties = about.AppendProperties(s.properties[:0])
	if err := s.out.Publish(s.routingKey(l), s.properties, body); err != nil {
		return err
	}
	if !s.Unconfirmed {
		if len(s.flights) == 0 {
			s.progress = time.Now()
		}
		s.flights = append(s.flights, int32(records))
		s.sent += records
	}
	return nil
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
	if now.Before(s.nextReport()) || len(s.flights) >= maxWindow {
		return nil
	}
	l, ok := s.queue.takeLoss()
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
	err := s.post(&envelope.Envelope{App: s.App, Host: s.host, Time: now, Count: 1}, r.Level, e.buf, 0)
	return cmp.Or(err, s.out.Flush())
}

func (s *session) nextReport() time.Time { return s.reported.Add(reportEvery) }

// wait waits for something to do.
func (s *session) wait(ctx context.Context) (stop bool, err error) {
	var late, ripe, report <-chan time.Time
	if len(s.flights) > 0 && !s.paused {
		timer := time.NewTimer(time.Until(s.progress.Add(s.confirmTimeout)))
		defer timer.Stop()
		late = timer.C
	}
	if !s.ripe.IsZero() {
		timer := time.NewTimer(time.Until(s.ripe))
		defer timer.Stop()
		ripe = timer.C
	}
	if !s.paused && len(s.flights) < maxWindow && s.queue.lossKnown() {
		timer := time.NewTimer(time.Until(s.nextReport()))
		defer timer.Stop()
		report = timer.C
	}
	select {
	case <-s.out.Answered():
	case <-s.queue.wake:
	case <-ripe:
	case <-report:
	case <-late:
		return false, fmt.Errorf("the broker has confirmed nothing for %v", s.confirmTimeout)
	case b := <-s.blocked:
		s.block(b)
	case reason := <-s.conn.Lost():
		return false, orClosed(reason)
	case reason := <-s.out.Closed():
		return false, orClosed(reason)
	case <-ctx.Done():
		if !s.paused {
			s.reported = time.Time{}
			return true, s.reportLoss()
		}
		return true, nil
	}
	return false, nil
}

// block notes that the broker takes no messages for now, or takes them again.
// https://www.rabbitmq.com/docs/connection-blocked
func (s *session) block(b amqp.Blocking) {
	s.paused = b.Active
	s.progress = time.Now()
	if b.Active {
		s.status.failed(fmt.Errorf("publish records: the broker takes none for now (connection.blocked: %s)", b.Reason))
	} else {
		s.status.over("the broker takes records again")
	}
}

// why returns the broker's reason for closing, where it comes, rather than err,
// which may only say that something is closed.
func (s *session) why(err error) error {
	select {
	case reason := <-s.out.Closed():
		return orClosed(reason)
	case reason := <-s.conn.Lost():
		return orClosed(reason)
	case <-time.After(100 * time.Millisecond):
		return err
	}
}

// maxSize is how RabbitMQ says that a message is too large for it.
var maxSize = regexp.MustCompile(`message size \d+ is larger than (?:configured )?max size (\d+)`)

// tooLarge gives up the records on their way that the broker says it can't take
// (max_message_size): sent again, they would close every channel to come.
func (s *session) tooLarge(err error) error {
	refusal, ok := errors.AsType[*amqp.Error](err)
	if !ok || refusal.Code != amqp.PreconditionFailed {
		return err
	}
	if m := maxSize.FindStringSubmatch(refusal.Reason); m != nil {
		if most, err := strconv.Atoi(m[1]); err == nil {
			s.queue.giveUpLarger(most)
		}
	}
	return err
}

func orClosed(reason *amqp.Error) error {
	if reason == nil {
		return amqp.ErrClosed
	}
	return reason
}
