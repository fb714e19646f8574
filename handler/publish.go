package handler

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/slogcast/slogcast/internal/envelope"
	"github.com/slogcast/slogcast/internal/link"
)

const (
	// maxWindow is how many records may be on their way without a confirm. A
	// confirm of several costs the library a walk over all of them.
	maxWindow = 1024

	// burst is how many records are published before confirms are looked at.
	burst = 64
)

// publisher takes records from the queue to the broker. A single goroutine,
// run, owns the connection, publishes, and reads the confirms.
type publisher struct {
	queue     *queue
	producer  string // UUID, once per Handler
	host      string
	app       string
	exchange  string
	transient bool
	status    *status

	cancel context.CancelFunc // asks run to end
	done   chan struct{}      // closed when run has ended

	mu   sync.Mutex // guards conn
	conn *link.Conn // the one in use, to be aborted from outside; nil when there is none

	closeOnce sync.Once
	closeErr  error // written in closeOnce
}

func startPublisher(endpoints []link.Endpoint, o Options) (*publisher, error) {
	producer, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("make producer id: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &publisher{
		queue:     newQueue(o.Buffer, o.Overflow, o.BlockTimeout),
		producer:  producer.String(),
		host:      envelope.Clamp(host),
		app:       o.App,
		exchange:  o.Exchange,
		transient: o.Transient,
		status:    newStatus(o.OnError),
		cancel:    cancel,
		done:      make(chan struct{}),
	}
	go p.run(ctx, link.Config{
		Endpoints: endpoints,
		Name:      envelope.Clamp(fmt.Sprintf("%s@%s %d", o.App, host, os.Getpid())),
		Notify:    p.notify,
	})
	return p, nil
}

func (p *publisher) run(ctx context.Context, cfg link.Config) {
	defer close(p.done)
	// Without FailFast, it ends with ctx, and never with an error.
	_ = link.Supervise(ctx, cfg, p.session)
	p.status.disconnected()
}

// notify follows the connection. It is called from the goroutine of run.
func (p *publisher) notify(s link.State) {
	p.mu.Lock()
	p.conn = s.Conn
	p.mu.Unlock()
	if s.Err != nil {
		p.status.disconnected()
		p.status.failed(s.Err)
	}
}

// session publishes over one connection until that is lost (an error) or ctx
// ends (nil). It begins with what earlier connections left unconfirmed, under
// the same message-ids.
func (p *publisher) session(ctx context.Context, c *link.Conn) error {
	if err := c.DeclareFanout(p.exchange); err != nil {
		return err
	}
	ch, err := c.Channel()
	if err != nil {
		return err
	}
	if err := ch.Confirm(false); err != nil {
		return err
	}
	s := &session{
		publisher: p,
		ch:        ch,
		lost:      c.Lost(),
		closed:    ch.NotifyClose(make(chan *amqp.Error, 1)),
		blocked:   c.NotifyBlocked(make(chan amqp.Blocking, 16)),
	}
	l, _, _, _ := p.queue.snapshot()
	p.status.connected(c.Endpoint.String(), l)
	for {
		if err := s.settle(); err != nil {
			return err
		}
		sent, err := s.publish()
		if err != nil {
			return s.why(err)
		}
		if sent {
			continue
		}
		if stop, err := s.wait(ctx); stop || err != nil {
			return err
		}
	}
}

// session is the state of publishing over one connection.
type session struct {
	*publisher
	ch      *amqp.Channel
	lost    <-chan *amqp.Error
	closed  <-chan *amqp.Error
	blocked <-chan amqp.Blocking

	// confirms are those of the oldest records of the queue's window, in the
	// same order. They are looked at from the front: a confirm that overtakes
	// waits. That needs no listener, whose events the library drops when it
	// falls behind.
	confirms []*amqp.DeferredConfirmation

	paused bool // between connection.blocked and connection.unblocked
}

// settle lets go of the records that the broker has answered for.
func (s *session) settle() error {
	for len(s.confirms) > 0 {
		n, acked := 0, true
		for ; n < len(s.confirms) && acked && isDone(s.confirms[n]); n++ {
			acked = s.confirms[n].Acked()
		}
		if n == 0 {
			return nil
		}
		if acked {
			s.queue.settle(n, true)
			s.forget(n)
			continue
		}
		s.queue.settle(n-1, true)
		s.forget(n - 1)
		// The library answers "no" for everything that is open when the channel
		// closes; that is not the broker's answer.
		if s.ch.IsClosed() {
			return s.why(amqp.ErrClosed)
		}
		s.refused()
	}
	return nil
}

// refused publishes the oldest record again after the others, or gives it up.
func (s *session) refused() {
	s.forget(1)
	if !s.queue.retry() {
		s.queue.settle(1, false)
		s.status.failed(errors.New("publish record: the broker refuses it (basic.nack); is a queue full that has x-overflow reject-publish?"))
	}
}

func (s *session) forget(n int) {
	s.confirms = s.confirms[:copy(s.confirms, s.confirms[n:])]
}

func isDone(c *amqp.DeferredConfirmation) bool {
	select {
	case <-c.Done():
		return true
	default:
		return false
	}
}

// publish sends a burst of records, as far as the window allows.
func (s *session) publish() (sent bool, err error) {
	if s.paused {
		return false, nil
	}
	records := s.queue.fill(maxWindow, len(s.confirms), burst)
	for i := range records {
		e := &records[i]
		key := envelope.RoutingKey(s.app, e.level.String())
		confirm, err := s.ch.PublishWithDeferredConfirm(s.exchange, key, false, false, s.message(e))
		if err != nil {
			return sent, err
		}
		s.confirms = append(s.confirms, confirm)
		sent = true
	}
	return sent, nil
}

func (s *session) message(e *entry) amqp.Publishing {
	about := envelope.Envelope{
		Producer: s.producer,
		Seq:      e.seq,
		App:      s.app,
		Host:     s.host,
		Dropped:  e.missing,
	}
	if e.unix != 0 {
		about.Time = time.Unix(e.unix, 0)
	}
	m := about.Publishing(e.body())
	if s.transient {
		m.DeliveryMode = amqp.Transient
	}
	return m
}

// wait waits for something to do.
func (s *session) wait(ctx context.Context) (stop bool, err error) {
	var oldest <-chan struct{}
	if len(s.confirms) > 0 {
		oldest = s.confirms[0].Done()
	}
	select {
	case <-oldest:
	case <-s.queue.wake:
	case b := <-s.blocked:
		s.paused = b.Active
		if b.Active {
			s.status.failed(fmt.Errorf("publish records: the broker takes none for now (connection.blocked: %s)", b.Reason))
		} else {
			s.status.unblocked()
		}
	case reason := <-s.lost:
		return false, orClosed(reason)
	case reason := <-s.closed:
		return false, orClosed(reason)
	case <-ctx.Done():
		return true, nil
	}
	return false, nil
}

// why returns the broker's reason for closing, where it comes, rather than err,
// which may only say that something is closed.
func (s *session) why(err error) error {
	select {
	case reason := <-s.closed:
		return orClosed(reason)
	case reason := <-s.lost:
		return orClosed(reason)
	case <-time.After(100 * time.Millisecond):
		return err
	}
}

func orClosed(reason *amqp.Error) error {
	if reason == nil {
		return amqp.ErrClosed
	}
	return reason
}

// close flushes until ctx ends, and then ends run whatever it is doing.
func (p *publisher) close(ctx context.Context) error {
	p.closeOnce.Do(func() {
		p.queue.close()
		err := p.queue.flush(ctx)
		p.cancel()
		if err != nil {
			p.abort()
		}
		select {
		case <-p.done:
		case <-ctx.Done():
			p.abort()
			// An aborted connection lets go at once, but for bugs in the library.
			select {
			case <-p.done:
			case <-time.After(50 * time.Millisecond):
			}
		}
		unknown, dropped := p.queue.abandon()
		if left := unknown + dropped; left > 0 {
			p.closeErr = fmt.Errorf("close: %s left, %d of them published but not confirmed: %w", plural(left, "record"), unknown, err)
		}
	})
	return p.closeErr
}

// abort closes the connection in use, if any, so that nothing waits for it.
func (p *publisher) abort() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn != nil {
		p.conn.Abort()
	}
}
