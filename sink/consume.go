package sink

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/slogcast/slogcast/internal/envelope"
	"github.com/slogcast/slogcast/internal/jsontext"
	"github.com/slogcast/slogcast/internal/link"
)

// grace is how long a Writer may take once ctx has ended and nothing is left to
// drain: a terminal that was stopped with Ctrl-S must not hold up Ctrl-C.
const grace = 500 * time.Millisecond

// errStalled is returned when the Writer did not return in that time.
var errStalled = errors.New("the output takes nothing; the last records were not written")

// checkEvery is how often a tail that gets nothing looks after its binding.
const checkEvery = 10 * time.Second

// maxBatch is about how many records are written at a time. A message may hold
// many.
const maxBatch = 4096

// tail is one call of Tail. A single goroutine runs all of it but the Writer.
type tail struct {
	Config
	writer    Writer
	sequences *sequences
	reader    envelope.Reader
	failed    error // ends Tail

	checkEvery time.Duration // immutable; see the constant
}

func (t *tail) run(ctx context.Context, endpoints []link.Endpoint) error {
	err := link.Supervise(ctx, link.Config{
		Endpoints: endpoints,
		Name:      connectionName(),
		Notify:    t.notify,
		FailFast:  true,
	}, t.session)
	return cmp.Or(err, t.failed)
}

func (t *tail) notify(s link.State) {
	if s.Err != nil {
		t.Notify(Notice{Lost: s.Err, Retry: s.Wait})
	}
}

// session receives over one connection until that is lost (an error), or ctx
// ends or the Writer fails (nil).
func (t *tail) session(ctx context.Context, c *link.Conn) error {
	stop := context.AfterFunc(ctx, func() {
		// Nothing may wait for the broker for longer than this.
		time.AfterFunc(t.Drain+2*grace, c.Abort)
	})
	defer stop()
	s, err := t.subscribe(c)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	t.Notify(Notice{Connected: c.Endpoint.String()})
	err = s.receive(ctx)
	s.in.ReadAll()
	if s.last > 0 {
		c.Useful()
	}
	if err == nil && t.failed == nil {
		err = s.finish(ctx)
	}
	if err != nil {
		// What has been handed over is counted as seen, and would be missed in
		// silence. It is written, though it can't be acknowledged any more.
		c.Abort()
		s.takeRest(ctx)
		s.write(ctx)
		if s.commit != nil && s.failed == nil {
			s.wait(ctx, s.commit)
		}
	}
	if errors.Is(t.failed, errStalled) {
		// No goodbye: the broker may first delete what waits in the queue.
		c.Abort()
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// subscription is a bound queue and what has come from it over one connection.
type subscription struct {
	*tail
	in     *link.Consumer
	commit func(context.Context) error // of a Committer, else nil
	queue  string
	closed <-chan *amqp.Error

	came []link.Delivery // from in
	at   int             // those before it have been taken

	batch   []Record // received, not written
	pending int      // messages not flushed; more than batch when some are filtered
	last    uint64   // delivery tag of the last of them

	unacked int         // messages flushed and not acknowledged
	flushed uint64      // delivery tag of the last of them
	late    *time.Timer // for acknowledging fewer than are worth it
}

// ackWithin is how long few messages may wait for their acknowledgement. One for
// each costs the broker and us half of what the message itself does.
const ackWithin = 100 * time.Millisecond

// consumerTag names the consumer. The library's default would show os.Args[0].
const consumerTag = "logtail"

func (t *tail) subscribe(c *link.Conn) (*subscription, error) {
	if err := t.useExchange(c); err != nil {
		return nil, err
	}
	in, err := c.Consumer()
	if err != nil {
		return nil, err
	}
	if err := in.Qos(t.Prefetch, 0, false); err != nil {
		return nil, err
	}
	args := amqp.Table{}
	if t.MaxLength > 0 {
		args["x-max-length"] = int64(t.MaxLength)
	}
	if t.MaxBytes > 0 {
		args["x-max-length-bytes"] = int64(t.MaxBytes)
	}
	// Exclusive without auto-delete: the queue goes with the connection, not
	// with the consumer.
	q, err := in.QueueDeclare("", false, false, true, false, args)
	if err != nil {
		return nil, refused(err, c.Endpoint, "declare a queue", "permission to configure, write and read amq.gen-.*")
	}
	s := &subscription{tail: t, in: in, queue: q.Name, late: time.NewTimer(ackWithin)}
	if c, ok := t.writer.(Committer); ok {
		s.commit = c.Commit
	}
	if err := s.bind(); err != nil {
		return nil, refused(err, c.Endpoint, "bind its queue to exchange "+t.Exchange, "permission to write amq.gen-.* and to read "+t.Exchange)
	}
	s.closed = in.NotifyClose(make(chan *amqp.Error, 1))
	if err := in.Start(q.Name, consumerTag); err != nil {
		return nil, refused(err, c.Endpoint, "consume from its queue", "permission to read amq.gen-.*")
	}
	t.sequences.session++
	return s, nil
}

// useExchange makes sure of the exchange, and remarks on what may surprise.
func (t *tail) useExchange(c *link.Conn) error {
	kind, created, err := c.UseExchange(t.Exchange)
	bare := len(t.Keys) == 1 && t.Keys[0] == anyKey
	switch {
	case err != nil:
		return err
	case created:
		t.Notify(Notice{Remark: fmt.Sprintf("exchange %q did not exist: created it, as a durable fanout", t.Exchange)})
	case kind == "direct" && bare:
		return &link.Error{
			Problem: fmt.Sprintf("exchange %q on %s is of type direct, and sends nothing without a binding key", t.Exchange, c.Endpoint),
			Hint:    "name the keys to bind with, or another exchange",
			Fatal:   true,
		}
	case kind == "fanout" && !bare && t.sequences.session == 0:
		t.Notify(Notice{Remark: fmt.Sprintf("exchange %q is of type fanout: it sends everything, whatever the binding keys", t.Exchange)})
	}
	return nil
}

// refused says which permission is missing when the broker answers 403.
func refused(err error, to link.Endpoint, what, missing string) error {
	refusal, ok := errors.AsType[*amqp.Error](err)
	if !ok || refusal.Code != amqp.AccessRefused {
		return err
	}
	return &link.Error{
		Problem: fmt.Sprintf("%s on %s may not %s", to.Who(), to, what),
		Hint:    "it needs " + missing + ": rabbitmqctl set_permissions",
		Fatal:   true,
	}
}

// receive gathers records and writes them. It returns nil when ctx has ended or
// the Writer has failed.
func (s *subscription) receive(ctx context.Context) error {
	linger := time.NewTimer(0)
	<-linger.C
	defer linger.Stop()
	check := time.NewTicker(s.checkEvery)
	defer check.Stop()
	defer s.late.Stop()
	checked := s.last
	for {
		select {
		case <-s.in.Arrived():
			before := s.pending
			if err := s.takeReady(ctx); err != nil {
				return err
			}
			switch {
			case s.commit != nil || s.Linger == 0:
				if err := s.flush(ctx); err != nil {
					return err
				}
			case before == 0:
				linger.Reset(s.Linger)
			}
		case <-s.in.Ended():
			return s.lost()
		case <-linger.C:
			if err := s.flush(ctx); err != nil {
				return err
			}
		case <-s.late.C:
			if err := s.acknowledge(ctx); err != nil {
				return err
			}
		case <-check.C:
			if checked == s.last {
				if err := s.bind(); err != nil {
					return err
				}
			}
			checked = s.last
		case <-ctx.Done():
			return nil
		}
		if s.failed != nil {
			return nil
		}
	}
}

// full reports whether it is time to write.
func (s *subscription) full() bool {
	return s.pending >= max(1, s.Prefetch/2) || len(s.batch) >= maxBatch
}

// next returns the next message that has arrived, nil when there is none.
func (s *subscription) next() *link.Delivery {
	if s.at == len(s.came) {
		s.came, s.at = s.in.Take(s.came), 0
	}
	if s.at == len(s.came) {
		return nil
	}
	s.at++
	return &s.came[s.at-1]
}

// takeReady takes what has arrived by now, and writes when it is time to.
func (s *subscription) takeReady(ctx context.Context) error {
	for d := s.next(); d != nil; d = s.next() {
		s.take(ctx, d)
		if s.full() {
			if err := s.flush(ctx); err != nil || s.failed != nil {
				return err
			}
		}
		if s.at == len(s.came) {
			return nil // of what came since, Arrived tells
		}
	}
	return nil
}

// bind binds the queue, or makes sure that it is bound: when the exchange is
// deleted the binding goes with it, and nobody tells the consumer.
func (s *subscription) bind() error {
	for _, key := range s.Keys {
		if err := s.in.QueueBind(s.queue, key, s.Exchange, false, nil); err != nil {
			return err
		}
	}
	return nil
}

// take adds the records of a message to the batch. A gap before one is told
// after what came earlier is written.
func (s *subscription) take(ctx context.Context, d *link.Delivery) {
	about := s.reader.Read(d.Properties, d.Body)
	now := time.Now()
	for seq, body := range about.Records(d.Body) {
		fresh, gap := s.sequences.see(&about, seq, now)
		if gap != nil {
			s.write(ctx)
			s.Notify(Notice{Gap: gap})
		}
		r := Record{
			Body:     body,
			Producer: about.Producer,
			Seq:      seq,
			App:      about.App,
			Host:     about.Host,
			Sent:     about.Time,
			Received: now,
			Encoding: about.Encoding,
			Headers:  Value(about.Headers),
			object:   jsontext.IsObject(body),
		}
		if fresh && (s.Filter == nil || s.Filter(&r)) {
			s.batch = append(s.batch, r)
		}
	}
	s.pending++
	s.last = d.Tag
}

// flush writes the batch, and sees to it that its messages are acknowledged.
func (s *subscription) flush(ctx context.Context) error {
	if s.write(ctx); s.failed != nil {
		return nil
	}
	within, worth := ackWithin, s.Prefetch/4
	if s.commit != nil {
		within, worth = s.Linger, s.Prefetch/2
	}
	if s.unacked == 0 && s.pending > 0 {
		s.late.Reset(within)
	}
	s.unacked += s.pending
	s.pending, s.flushed = 0, s.last
	if s.unacked < max(1, worth) {
		return nil
	}
	return s.acknowledge(ctx)
}

// acknowledge acknowledges what has been flushed, once it is safe.
func (s *subscription) acknowledge(ctx context.Context) error {
	if s.unacked == 0 {
		return nil
	}
	if s.commit != nil {
		if s.wait(ctx, s.commit); s.failed != nil {
			return nil
		}
	}
	s.unacked = 0
	return s.in.Ack(s.flushed, true)
}

// write writes the batch. A Writer that waits for something is left behind some
// time after ctx has ended.
func (s *subscription) write(ctx context.Context) {
	if len(s.batch) == 0 || s.failed != nil {
		return
	}
	batch, write := s.batch, s.writer.Write
	if c, ok := s.writer.(Committer); ok {
		write = c.Append
	}
	s.wait(ctx, func(ctx context.Context) error { return write(ctx, batch) })
	if s.failed == errStalled {
		return
	}
	clear(s.batch)
	s.batch = s.batch[:0]
}

// wait has the Writer do something, and sets failed when it can't.
func (s *subscription) wait(ctx context.Context, do func(context.Context) error) {
	done := make(chan error, 1)
	go func() { done <- do(ctx) }()
	select {
	case s.failed = <-done:
	case <-ctx.Done():
		select {
		case s.failed = <-done:
		case <-time.After(max(grace, s.Drain)):
			s.failed = errStalled
		}
	}
}

// lost returns why no more deliveries come.
func (s *subscription) lost() error {
	select {
	case reason := <-s.closed:
		if reason != nil {
			return reason
		}
		return amqp.ErrClosed
	case <-time.After(100 * time.Millisecond):
		return errors.New("the broker has cancelled the consumer; was its queue deleted?")
	}
}

// finish writes what is left once ctx has ended: with Drain what waits at the
// broker, and in any case what has been handed over.
func (s *subscription) finish(ctx context.Context) error {
	if s.Drain > 0 {
		if err := s.drain(ctx); err != nil || s.failed != nil {
			return err
		}
	}
	if err := s.in.Cancel(consumerTag, false); err != nil {
		return err
	}
	s.takeRest(ctx)
	if err := s.flush(ctx); err != nil {
		return err
	}
	return s.acknowledge(ctx)
}

// takeRest takes all messages until no more can come, after basic.cancel or the
// end of the connection.
func (s *subscription) takeRest(ctx context.Context) {
	for range s.in.Ended() {
	}
	for d := s.next(); d != nil; d = s.next() {
		s.take(ctx, d)
	}
}

// drain unbinds the queue, so that nothing new comes, and writes what is in it.
func (s *subscription) drain(ctx context.Context) error {
	if err := s.in.QueueUnbind(s.queue, "", s.Exchange, nil); err != nil {
		return err
	}
	late := time.NewTimer(s.Drain)
	defer late.Stop()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for {
		if err := s.takeReady(ctx); err != nil || s.failed != nil {
			return err
		}
		select {
		case <-s.in.Arrived():
		case <-s.in.Ended():
			return s.lost()
		case <-poll.C:
			q, err := s.in.QueueDeclarePassive(s.queue, false, false, true, false, nil)
			if err != nil || q.Messages == 0 {
				return err
			}
			if err := s.flush(ctx); err != nil || s.failed != nil {
				return err
			}
		case <-late.C:
			return nil
		}
	}
}
