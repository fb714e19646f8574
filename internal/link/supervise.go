package link

import (
	"cmp"
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
	jitter      = 0.3

	// closeTimeout bounds the goodbye to a broker.
	closeTimeout = 500 * time.Millisecond
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
	lasted := false // a connection was of use
	for try := 0; ctx.Err() == nil; try++ {
		useful, err := attempt(ctx, cfg, cfg.Endpoints[try%len(cfg.Endpoints)], use)
		if err == nil || ctx.Err() != nil {
			return nil
		}
		// A broker that accepts and then refuses must not be hammered: only a
		// connection that was of use starts the back-off afresh.
		if useful {
			lasted = true
			waits.Reset()
		}
		problem := Explain(err)
		wait := waits.NextBackOff()
		if last := try%len(cfg.Endpoints) == len(cfg.Endpoints)-1; problem.Fatal && last {
			if cfg.FailFast && !lasted {
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

// attempt dials and uses one connection. It reports whether that was of use:
// by its own word, or since it lasted.
func attempt(ctx context.Context, cfg Config, to Endpoint, use func(context.Context, *Conn) error) (useful bool, err error) {
	c, err := Dial(ctx, cfg, to)
	if err != nil {
		return false, err
	}
	start := time.Now()
	cfg.Notify(State{Conn: c})
	err = use(ctx, c)
	useful = c.useful || time.Since(start) > longestWait
	if err != nil {
		err = explainUse(to, cmp.Or(c.raw.failed(), err))
		// Whatever was being written may be cut within a frame.
		c.Abort()
	}
	bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	c.Close(bye)
	return useful, err
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
