package sink

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/slogcast/slogcast/internal/link"
)

// Retention bounds a history: the broker removes its oldest records beyond any of
// the bounds.
type Retention struct {
	MaxAge   time.Duration // in whole seconds; if zero, none
	MaxBytes int64         // if zero, none
	Replicas int           // nodes of a cluster that have it; if zero, the broker's choice
}

// The broker removes whole segments, and never the last one. A tenth of what is
// kept goes at a time, within what RabbitMQ takes.
const (
	smallestSegment = 1 << 20
	largestSegment  = 500_000_000
)

// args returns the arguments of the stream.
func (r Retention) args() link.Args {
	args := link.Args{"x-queue-type": "stream"}
	if r.MaxAge > 0 {
		args["x-max-age"] = strconv.FormatInt(int64(r.MaxAge/time.Second), 10) + "s"
	}
	if r.MaxBytes > 0 {
		args["x-max-length-bytes"] = r.MaxBytes
		args["x-stream-max-segment-size-bytes"] = min(max(r.MaxBytes/10, smallestSegment), largestSegment)
	}
	if r.Replicas > 0 {
		args["x-initial-cluster-size"] = int64(r.Replicas)
	}
	return args
}

// CreateHistory declares the stream that keeps the records of cfg.Exchange, and
// binds it by cfg.Keys. Of one that exists with other arguments, which stay as they
// are, it returns which they are and what was asked for, or what the broker says.
func CreateHistory(ctx context.Context, cfg Config, keep Retention) (differs string, err error) {
	err = manage(ctx, cfg, func(t *tail, c *link.Conn, stream string) error {
		if err := t.useExchange(c); err != nil {
			return err
		}
		if differs, err = c.DeclareQueue(stream, keep.args()); err != nil {
			return link.Denied(err, c.Endpoint, fmt.Sprintf("declare stream %q", stream), fmt.Sprintf("permission to configure and write %s, and to read %s", stream, t.Exchange))
		}
		if differs != "" {
			if args, err := c.StreamArguments(stream); err == nil {
				differs = strings.Join(differences(args, keep.args()), ", ")
			}
		}
		in, err := c.Consumer()
		if err != nil {
			return err
		}
		s := subscription{tail: t, in: in, queue: stream}
		return link.Denied(s.bind(), c.Endpoint, fmt.Sprintf("bind stream %q to exchange %s", stream, t.Exchange), fmt.Sprintf("permission to write %s and to read %s", stream, t.Exchange))
	})
	return differs, err
}

// DeleteHistory deletes the stream, with all that it keeps. Its Error has the cause
// ErrNoHistory if there is none.
func DeleteHistory(ctx context.Context, cfg Config) error {
	return manage(ctx, cfg, func(t *tail, c *link.Conn, stream string) error {
		s := subscription{tail: t}
		if err := s.findHistory(c); err != nil {
			return err
		}
		return link.Denied(c.DeleteQueue(stream), c.Endpoint, fmt.Sprintf("delete stream %q", stream), "permission to configure "+stream)
	})
}

// manage does something with a history over the first broker that answers.
func manage(ctx context.Context, cfg Config, do func(t *tail, c *link.Conn, stream string) error) error {
	cfg.Queue.History = true
	cfg, err := cfg.withDefaults()
	if err != nil {
		return fmt.Errorf("history: %w", err)
	}
	endpoints, err := link.Parse(cfg.URL)
	if err != nil {
		return fmt.Errorf("history: %w", explain(err))
	}
	t := &tail{pipe: newPipe(cfg, nil)}
	stream := cfg.Queue.Name
	if stream == "" {
		stream = HistoryName(cfg.Exchange)
	}
	for _, to := range endpoints {
		var c *link.Conn
		c, err = link.Dial(ctx, link.Config{Endpoints: endpoints, Name: cfg.Name, TLS: cfg.TLS, Credentials: cfg.Credentials}, to)
		if err != nil {
			continue
		}
		err = do(t, c, stream)
		bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		c.Close(bye)
		cancel()
		break
	}
	if err != nil {
		return fmt.Errorf("history: %w", explain(err))
	}
	return nil
}
