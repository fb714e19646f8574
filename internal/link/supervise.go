package link

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// State is what Config.Notify is told.
type State struct {
	Conn *Conn         // the new connection; nil when there is none
	Err  *Error        // why there is none
	Wait time.Duration // until the next attempt
}

// Attempts at an endpoint are spaced by an exponential back-off with jitter, so
// that many programs do not return to a broker all at once: quickly at first, then
// at most about every 2 s. What no retry can mend is retried rarely.
const (
	firstWait   = 100 * time.Millisecond
	longestWait = 1500 * time.Millisecond
	growth      = 1.6
	jitter      = 0.3
	fatalWait   = 30 * time.Second

	// quickDial bounds the first attempt at an endpoint where there are others: a
	// node that hangs takes connections, and says nothing.
	quickDial = 3 * time.Second

	// hungWait is how long a node that has hung is left alone where there are others.
	hungWait = 5 * time.Second

	// closeTimeout bounds the goodbye to a broker.
	closeTimeout = 500 * time.Millisecond
)

// target is an endpoint and when it may be tried again. One that refuses what no
// retry mends, or is away, delays no other.
type target struct {
	Endpoint
	due     time.Time
	wait    time.Duration // the last one
	refused int           // times in a row that the broker refused the same on an open connection
	fatal   *Error        // the last error, if no retry can mend it
	slow    bool          // the last attempt had no answer in time
}

// failed notes an error, and returns how long to leave the endpoint alone.
func (t *target) failed(useful, others bool, err error) *Error {
	problem := *Explain(err)
	hung := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded)
	t.slow = !useful && hung
	if useful {
		t.wait, t.refused = 0, 0
	}
	// An exchange that was deleted is declared again; what is refused even then
	// will be refused again.
	if unmendable(err) {
		t.refused++
		problem.Fatal = problem.Fatal || t.refused > 2
	} else {
		t.refused = 0
	}
	t.wait = min(max(firstWait, time.Duration(float64(t.wait)*growth)), longestWait)
	wait := time.Duration(float64(t.wait) * (1 + jitter*(2*rand.Float64()-1)))
	if hung && others {
		wait = hungWait
	}
	t.fatal = nil
	if problem.Fatal {
		t.fatal, wait = &problem, fatalWait
	}
	t.due = time.Now().Add(wait)
	return &problem
}

// Supervise dials, calls use with the connection, and when use returns an
// error dials again, for ever. It returns nil once use returns nil or ctx has
// ended, and an error only by Config.FailFast. The connection is closed when
// use has returned. ctx is the one given to use, too: its end stops dialing,
// while a connection in use is left to use.
//
// It begins with one of the endpoints at random, so that many programs spread over
// them, and then goes round.
func Supervise(ctx context.Context, cfg Config, use func(ctx context.Context, c *Conn) error) error {
	cfg = cfg.withDefaults()
	var targets []*target
	for _, to := range cfg.Endpoints {
		targets = append(targets, &target{Endpoint: to})
	}
	lasted := false // a connection was of use
	for at := rand.IntN(len(targets)); ctx.Err() == nil; {
		to := targets[at]
		how := cfg
		if len(targets) > 1 && !to.slow {
			how.DialTimeout = min(cfg.DialTimeout, quickDial)
		}
		useful, err := attempt(ctx, how, to.Endpoint, use)
		if err == nil || ctx.Err() != nil {
			return nil
		}
		lasted = lasted || useful
		problem := to.failed(useful, len(targets) > 1, err)
		if cfg.FailFast && !lasted && allFatal(targets) {
			return problem
		}
		at = nextTarget(targets, at)
		wait := max(0, time.Until(targets[at].due))
		cfg.Notify(State{Err: problem, Wait: wait})
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
	return nil
}

func allFatal(targets []*target) bool {
	for _, t := range targets {
		if t.fatal == nil {
			return false
		}
	}
	return true
}

// nextTarget returns the target that may be tried first, going round from at.
func nextTarget(targets []*target, at int) (next int) {
	now := time.Now()
	next = (at + 1) % len(targets)
	for i := range targets {
		t := (at + 1 + i) % len(targets)
		if !targets[t].due.After(now) {
			return t
		}
		if targets[t].due.Before(targets[next].due) {
			next = t
		}
	}
	return next
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
	useful = c.useful || time.Since(start) > longestWait && !unmendable(err)
	if err != nil {
		err = explainUse(to, c.reason(err))
		// Whatever was being written may be cut within a frame.
		c.Abort()
		cfg.failed[to.host] = c.raw.RemoteAddr().String()
	}
	bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	c.Close(bye)
	return useful, err
}

// reason returns why the connection was lost, where that is known, rather than
// err, which may only say that something is closed.
func (c *Conn) reason(err error) error {
	if refusal, ok := err.(*amqp.Error); ok && refusal.Server {
		return err
	}
	if _, ok := err.(*Error); ok {
		return err
	}
	return cmp.Or(c.failed(), err)
}
