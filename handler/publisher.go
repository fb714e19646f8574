package handler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/slogcast/slogcast/internal/envelope"
	"github.com/slogcast/slogcast/internal/link"
)

// lostWithin is how often a Flush looks whether the channel that it would ask for a
// barrier is gone.
const lostWithin = 100 * time.Millisecond

// publisher takes records from the buffer to the broker. A single goroutine,
// run, owns the connection, publishes, and reads the confirms.
type publisher struct {
	Options
	buffer   *buffer
	producer string // UUID, once per Handler
	host     string
	keys     map[slog.Level]string // routing keys; owned by run
	status   *status
	refusing bool      // the last connection confirmed nothing, see refusal: a single message is tried first; owned by run
	mute     time.Time // since when the broker has answered nothing; zero while it does; owned by run
	tries    int       // messages that were tried without an answer since then, and since that is long; owned by run

	learned sizes // owned by run

	others  bool          // there are several URLs; immutable
	silence time.Duration // in place of the connection's, if not zero; immutable

	cancel context.CancelFunc // asks run to end
	done   chan struct{}      // closed when run has ended

	barriers chan chan error // asks a session for a barrier, see Unconfirmed
	afloat   atomic.Int64    // unconfirmed records published behind the last barrier
	adrift   atomic.Int64    // those of channels that were lost before one
	told     atomic.Int64    // how many of them a Flush has told of

	mu   sync.Mutex // guards conn
	conn *link.Conn // the one in use, to be aborted from outside; nil when there is none

	closing  atomic.Bool   // Close was called
	closed   chan struct{} // closed when the first Close has done its work
	closeErr error         // of that; written before closed is
}

func newPublisher(o Options) (*publisher, error) {
	producer, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("make producer id: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return &publisher{
		Options:  o,
		buffer:   newBuffer(o.Buffer, o.Overflow, o.BlockTimeout),
		producer: producer.String(),
		host:     envelope.Clean(host),
		keys:     make(map[slog.Level]string),
		status:   newStatus(o.OnError),
		done:     make(chan struct{}),
		closed:   make(chan struct{}),
		barriers: make(chan chan error),
	}, nil
}

// start starts run. It is called once.
func (p *publisher) start(endpoints []link.Endpoint) {
	p.status.start()
	if p.Fallback != nil {
		// Any record should fit.
		share := min(max(p.buffer.limit/8, cost(size(p.MaxRecord))), p.buffer.limit/2)
		p.buffer.limit -= share
		p.buffer.fallback = startFallback(p.Fallback, share)
	}
	p.others = len(endpoints) > 1
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	go p.run(ctx, link.Config{
		Endpoints:   endpoints,
		Name:        envelope.Clean(fmt.Sprintf("%s@%s %d", p.App, p.host, os.Getpid())),
		TLS:         p.TLS,
		Credentials: p.Credentials,
		Notify:      p.notify,
	})
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
		p.status.failed(explain(s.Err))
	}
}

// flush waits until every record put so far is settled, or ctx ends.
func (p *publisher) flush(ctx context.Context) error {
	told := p.told.Load()
	if err := p.buffer.flush(ctx); err != nil {
		return err
	}
	for asked := false; !asked && p.afloat.Load() > 0; {
		passed := make(chan error, 1)
		select {
		case p.barriers <- passed:
			asked = true
			select {
			case <-passed: // of an error adrift tells
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		case <-time.After(lostWithin): // the session that they were published by may have ended
		case <-p.done:
			return ErrClosed
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	// Of flushes at the same time each tells: any of the records may be its own.
	if adrift := p.adrift.Load(); adrift > told {
		p.told.CompareAndSwap(told, adrift)
		return fmt.Errorf("the connection or its channel was lost behind %s that nobody confirms", plural(int(adrift-told), "record"))
	}
	return nil
}

// left returns how many records are neither settled nor known to have been read
// by the broker.
func (p *publisher) left() int {
	_, _, records, _ := p.buffer.snapshot()
	return records + int(p.afloat.Load())
}

// close flushes until ctx ends, and then ends run whatever it is doing. A call
// beside the first, from a function of the program's even, waits for that.
func (p *publisher) close(ctx context.Context) error {
	if p.closing.CompareAndSwap(false, true) {
		p.closeErr = p.shut(ctx)
		close(p.closed)
		return p.closeErr
	}
	select {
	case <-p.closed:
		return p.closeErr
	default:
	}
	if f := p.buffer.fallback; f != nil && f.calls() {
		return errors.New("close: another call is still at it, and waits for the Fallback that calls this one")
	}
	select {
	case <-p.closed:
		return p.closeErr
	case <-ctx.Done():
		return fmt.Errorf("close: another call is still at it, %s left: %w", plural(p.left(), "record"), context.Cause(ctx))
	}
}

func (p *publisher) shut(ctx context.Context) error {
	p.buffer.close()
	flushing, cancel := p.reserve(ctx)
	err := p.flush(flushing)
	cancel()
	afloat := int(p.afloat.Load())
	p.end(ctx, err)
	lost, dropped := p.buffer.abandon()
	leftOut := 0
	if f := p.buffer.fallback; f != nil {
		leftOut = f.close(ctx)
	}
	p.status.close(ctx)
	return closeError(lost, dropped, afloat, leftOut, err)
}

// reserve returns a context that leaves some of ctx's time for the Fallback.
func (p *publisher) reserve(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok || p.buffer.fallback == nil {
		return ctx, func() {}
	}
	kept := min(time.Until(deadline)/4, time.Second)
	return context.WithDeadline(ctx, deadline.Add(-kept))
}

// end ends run: with a goodbye to the broker when all was flushed, at once with
// err.
func (p *publisher) end(ctx context.Context, err error) {
	// An aborted connection lets go at once, but for bugs in the library.
	const atOnce = 50 * time.Millisecond
	p.cancel()
	if err == nil {
		select {
		case <-p.done:
			return
		case <-ctx.Done():
		}
	}
	p.abort()
	select {
	case <-p.done:
	case <-time.After(atOnce):
	}
}

func closeError(lost, dropped, afloat, leftOut int, err error) error {
	left := lost + dropped
	switch {
	case left == 0 && leftOut == 0 && afloat == 0:
		if errors.Is(err, ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("close: %w", err)
		}
		return nil
	case left == 0 && leftOut == 0:
		return fmt.Errorf("close: the broker has not answered behind the last %s: %w", plural(afloat, "unconfirmed record"), err)
	}
	text := fmt.Sprintf("%s left, %d of them published but not confirmed", plural(left, "record"), lost)
	if leftOut > 0 {
		text += fmt.Sprintf(", and %s not handed to the Fallback", plural(leftOut, "dropped record"))
	}
	if err == nil {
		err = context.DeadlineExceeded
	}
	return fmt.Errorf("close: %s: %w", text, err)
}

// abort closes the connection in use, if any, so that nothing waits for it.
func (p *publisher) abort() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn != nil {
		p.conn.Abort()
	}
}
