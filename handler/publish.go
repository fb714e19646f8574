package handler

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/slogcast/slogcast/internal/envelope"
	"github.com/slogcast/slogcast/internal/link"
)

// publisher takes records from the queue to the broker. A single goroutine,
// run, owns the connection, publishes, and reads the confirms.
type publisher struct {
	Options
	queue    *queue
	producer string // UUID, once per Handler
	host     string
	keys     map[slog.Level]string // routing keys; owned by run
	status   *status

	confirmTimeout time.Duration // immutable; see the constant

	cancel context.CancelFunc // asks run to end
	done   chan struct{}      // closed when run has ended

	mu   sync.Mutex // guards conn
	conn *link.Conn // the one in use, to be aborted from outside; nil when there is none

	closeOnce sync.Once
	closeErr  error // written in closeOnce
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
	host = envelope.Clamp(host)
	return &publisher{
		Options:        o,
		queue:          newQueue(o.Buffer, o.Overflow, o.BlockTimeout),
		producer:       producer.String(),
		host:           host,
		keys:           make(map[slog.Level]string),
		status:         newStatus(o.OnError),
		confirmTimeout: confirmTimeout,
		done:           make(chan struct{}),
	}, nil
}

// start starts run. It is called once.
func (p *publisher) start(endpoints []link.Endpoint) {
	if p.Fallback != nil {
		p.queue.fallback = startFallback(p.Fallback)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	go p.run(ctx, link.Config{
		Endpoints:   endpoints,
		Name:        envelope.Clamp(fmt.Sprintf("%s@%s %d", p.App, p.host, os.Getpid())),
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
		p.status.failed(s.Err)
	}
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
		lost, dropped := p.queue.abandon()
		if f := p.queue.fallback; f != nil {
			f.close(ctx)
		}
		if left := lost + dropped; left > 0 {
			p.closeErr = fmt.Errorf("close: %s left, %d of them published but not confirmed: %w", plural(left, "record"), lost, err)
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
