package bench

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/slogcast/slogcast/sink"
)

// The baseline is what a program does that publishes and consumes with
// amqp091-go and nothing else: no buffer, no numbers, no properties.

// window is how many messages are on their way unconfirmed, as in handler.
const window = 1024

// dialBaseline opens a channel to the first of the brokers that can be reached.
func dialBaseline(o *order) (*amqp.Connection, *amqp.Channel, error) {
	conn, ch, err := dialAny(o.URL)
	if err != nil {
		return nil, nil, err
	}
	if err := ch.ExchangeDeclare(o.Exchange, "fanout", true, false, false, false, nil); err != nil {
		conn.Close()
		return nil, nil, err
	}
	return conn, ch, nil
}

// body returns a record of the load, encoded.
func (l *Load) body() []byte {
	var b bytes.Buffer
	r := slog.NewRecord(time.Now().UTC(), slog.LevelInfo, "bench", 0)
	r.AddAttrs(l.attrs()...)
	_ = slog.NewJSONHandler(&b, nil).Handle(context.Background(), r) // a bytes.Buffer takes everything
	// The time gets nine decimals, so that it can be written over.
	_, rest, _ := strings.Cut(b.String()[len(stampKey):], `"`)
	return []byte(stampKey + time.Now().UTC().Format(stampFormat) + `"` + strings.TrimSuffix(rest, "\n"))
}

const stampFormat = "2006-01-02T15:04:05.000000000Z"

// produceBaseline publishes the same bytes again and again, one record a
// message, from one goroutine: a channel is not faster with several. Confirms
// are counted as they come, which costs less than to ask for each.
func produceBaseline(ctx context.Context, o *order, p *pace) (*produced, error) {
	conn, ch, err := dialBaseline(o)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	l := o.Load
	confirms := ch.NotifyPublish(make(chan amqp.Confirmation, window))
	if !l.Unconfirmed {
		if err := ch.Confirm(false); err != nil {
			return nil, err
		}
	}
	message := amqp.Publishing{ContentType: "application/json", DeliveryMode: amqp.Persistent, Body: l.body()}
	if l.Transient {
		message.DeliveryMode = amqp.Transient
	}
	var a produced
	open := 0
	confirmed := func() error {
		c, ok := <-confirms
		if !ok || !c.Ack {
			return amqp.ErrClosed
		}
		a.Confirmed++
		open--
		return nil
	}
	a.Start = time.Now()
	cpu := cpuTime()
	for p.next(ctx, l.stride()) {
		for range l.stride() {
			for open == window {
				if err := confirmed(); err != nil {
					return nil, err
				}
			}
			if l.Rate > 0 { // or else the delay is not measured
				time.Now().UTC().AppendFormat(message.Body[:len(stampKey)], stampFormat)
				for len(confirms) > 0 {
					if err := confirmed(); err != nil {
						return nil, err
					}
				}
			}
			if err := ch.PublishWithContext(ctx, o.Exchange, "", false, false, message); err != nil {
				return nil, err
			}
			a.Accepted++
			if !l.Unconfirmed {
				open++
			}
		}
	}
	for open > 0 {
		if err := confirmed(); err != nil {
			return nil, err
		}
	}
	a.Unknown = a.Accepted - a.Confirmed
	a.Took, a.CPU = time.Since(a.Start), cpuTime()-cpu
	return &a, nil
}

// nowhere counts what is written to it.
type nowhere struct{ n int }

func (w *nowhere) Write(p []byte) (int, error) {
	w.n += len(p)
	return len(p), nil
}

// tailBaseline consumes until all that is expected has come.
func (s *side) tailBaseline() error {
	cfg := sink.Config{MaxLength: 100_000, MaxBytes: 64 << 20, Prefetch: 256}
	var out io.Writer
	switch s.Load.Sink {
	case "file":
		path, remove, err := temporaryFile()
		if err != nil {
			return err
		}
		defer remove()
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		defer f.Close()
		out = bufio.NewWriterSize(f, 64<<10)
		s.archive(&cfg)
	case "pretty":
		out = &nowhere{}
	}
	conn, deliveries, err := s.consume(&cfg)
	if err != nil {
		return err
	}
	defer conn.Close()
	var mu sync.Mutex // guards m
	m := newMeter(s.Load)
	failed := make(chan error, 1)
	go func() {
		failed <- receive(deliveries, cfg.Prefetch/2, func(d *amqp.Delivery) {
			if out != nil {
				_, _ = out.Write(append(d.Body, '\n')) // to memory, or a file that bufio remembers the failure of
			}
			mu.Lock()
			defer mu.Unlock()
			m.count(d.Body, time.Now())
		})
	}()
	if err := s.say(word{Ready: true}); err != nil {
		return err
	}
	err = s.wait(func() (int, time.Time) {
		mu.Lock()
		defer mu.Unlock()
		return m.Records, m.Last
	}, failed)
	if err != nil {
		return err
	}
	if b, ok := out.(*bufio.Writer); ok {
		if err := b.Flush(); err != nil {
			return err
		}
	}
	return s.say(word{Tailed: m.account()})
}

// consume binds a queue like that of a tail with the same settings.
func (s *side) consume(cfg *sink.Config) (*amqp.Connection, <-chan amqp.Delivery, error) {
	conn, ch, err := dialBaseline(&s.order)
	if err != nil {
		return nil, nil, err
	}
	args := amqp.Table{}
	if cfg.MaxLength > 0 {
		args = amqp.Table{"x-max-length": int64(cfg.MaxLength), "x-max-length-bytes": int64(cfg.MaxBytes)}
	}
	deliveries, err := func() (<-chan amqp.Delivery, error) {
		if err := ch.Qos(cfg.Prefetch, 0, false); err != nil {
			return nil, err
		}
		q, err := ch.QueueDeclare("", false, false, true, false, args)
		if err != nil {
			return nil, err
		}
		if err := ch.QueueBind(q.Name, "", s.Exchange, false, nil); err != nil {
			return nil, err
		}
		return ch.Consume(q.Name, "", false, true, false, false, nil)
	}()
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return conn, deliveries, nil
}

// receive takes each delivery, and acknowledges many at a time.
func receive(deliveries <-chan amqp.Delivery, many int, take func(*amqp.Delivery)) error {
	n := 0
	for d := range deliveries {
		take(&d)
		if n++; n%many == 0 {
			if err := d.Ack(true); err != nil {
				return err
			}
		}
	}
	return amqp.ErrClosed
}

func (s *side) tailAll() error {
	if s.Baseline {
		return s.tailBaseline()
	}
	return s.tailSlogcast()
}

// temporaryFile returns the path of a file that does not exist yet.
func temporaryFile() (path string, remove func(), err error) {
	dir, err := os.MkdirTemp("", "logtail-bench-")
	if err != nil {
		return "", nil, err
	}
	return filepath.Join(dir, "bench.log"), func() { os.RemoveAll(dir) }, nil
}
