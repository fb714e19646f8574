package link

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
	amqp "github.com/rabbitmq/amqp091-go"
)

// State is what Config.Notify is told.
type State struct {
	Conn *Conn         // the new connection; nil when there is none
	Err  *Error        // why there is none
	Wait time.Duration // until the next attempt
}

// Attempts are spaced by an exponential back-off with jitter, so that many
// programs do not return to a broker all at once: quickly at first, then at
// most about every 2 s. What no retry can mend is retried rarely.
const (
	firstWait   = 100 * time.Millisecond
	longestWait = 1500 * time.Millisecond
	fatalWait   = 30 * time.Second
	jitter      = 0.4

	// closeTimeout bounds the goodbye to a broker.
	closeTimeout = time.Second
)

// Supervise dials, calls use with the connection, and when use returns an
// error dials again, for ever. It returns nil once use returns nil or ctx has
// ended, and an error only by Config.FailFast. The connection is closed when
// use has returned. ctx is the one given to use, too: its end stops dialing,
// while a connection in use is left to use.
func Supervise(ctx context.Context, cfg Config, use func(ctx context.Context, c *Conn) error) error {
	cfg = cfg.withDefaults()
	waits := backoff.ExponentialBackOff{
		InitialInterval:     firstWait,
		MaxInterval:         longestWait,
		Multiplier:          1.6,
		RandomizationFactor: jitter,
	}
	useful := false // a connection has lasted
	for try := 0; ctx.Err() == nil; try++ {
		start := time.Now()
		err := attempt(ctx, cfg, cfg.Endpoints[try%len(cfg.Endpoints)], use)
		if err == nil || ctx.Err() != nil {
			return nil
		}
		// A connection that lasted for a while starts the back-off afresh; one
		// that fails at its first use does not, or a broker that accepts and
		// then refuses would be hammered.
		if errors.Is(err, errInUse) && time.Since(start) > longestWait {
			useful = true
			waits.Reset()
		}
		problem := Explain(err)
		wait := waits.NextBackOff()
		if last := try%len(cfg.Endpoints) == len(cfg.Endpoints)-1; problem.Fatal && last {
			if cfg.FailFast && !useful {
				return problem
			}
			wait = fatalWait
		}
		cfg.Notify(State{Err: problem, Wait: wait})
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
	return nil
}

// errInUse marks an error that came after the connection was made.
var errInUse = errors.New("in use")

func attempt(ctx context.Context, cfg Config, to Endpoint, use func(context.Context, *Conn) error) error {
	c, err := Dial(ctx, cfg, to)
	if err != nil {
		return err
	}
	cfg.Notify(State{Conn: c})
	err = use(ctx, c)
	if err != nil {
		// Whatever was being written may be cut within a frame.
		c.Abort()
	}
	bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	c.Close(bye)
	if err == nil {
		return nil
	}
	return errors.Join(explainUse(to, err), errInUse)
}

// explainUse puts an error from an open connection into words.
func explainUse(to Endpoint, err error) *Error {
	if known, ok := errors.AsType[*Error](err); ok {
		return known
	}
	e := &Error{err: err}
	if refusal, ok := errors.AsType[*amqp.Error](err); ok && refusal.Server {
		e.Problem = fmt.Sprintf("lost %s: the broker answered %d %s", to, refusal.Code, refusal.Reason)
		return e
	}
	e.Problem = fmt.Sprintf("lost %s: %s", to, withoutAddress(err))
	return e
}
