package faults

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/slogcast/slogcast/handler"
	"github.com/slogcast/slogcast/internal/brokertest"
)

// The wedge: a peer has stopped reading while amqp091-go publishes. Publish
// waits in the socket, with the channel's lock; the library has no write
// deadline, and on the read deadline it waits for that lock before it closes
// the socket. What then waits for the library waits for ever.

// wedgeHeartbeat is the plain publisher's. Its read deadline is one and a half.
const wedgeHeartbeat = time.Second

// plain publishes with amqp091-go alone, as much as it can.
type plain struct {
	raw       net.Conn
	conn      *amqp.Connection
	ch        *amqp.Channel
	lost      chan *amqp.Error // asked for early: later that would hang as well
	published atomic.Int64
	ended     chan error // Publish's error
}

func startPlain(t *testing.T, url, exchange string, size int) *plain {
	t.Helper()
	p := &plain{ended: make(chan error, 1)}
	var err error
	p.conn, err = amqp.DialConfig(url, amqp.Config{
		Heartbeat: wedgeHeartbeat,
		Dial: func(network, addr string) (net.Conn, error) {
			p.raw, err = net.Dial(network, addr)
			return p.raw, err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	p.ch, err = p.conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	p.lost = p.conn.NotifyClose(make(chan *amqp.Error, 1))
	body := make([]byte, size)
	go func() {
		for {
			err := p.ch.Publish(exchange, "", false, false, amqp.Publishing{Body: body})
			if err != nil {
				p.ended <- err
				return
			}
			p.published.Add(1)
		}
	}()
	return p
}

// full waits until nothing has been published for a second: the socket buffers
// are full.
func (p *plain) full(t *testing.T) {
	t.Helper()
	last, since := int64(-1), time.Now()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for start := time.Now(); time.Since(since) < time.Second; <-tick.C {
		if n := p.published.Load(); n != last {
			last, since = n, time.Now()
		}
		if time.Since(start) > soon {
			t.Fatal("Publish goes on although nobody reads")
		}
	}
}

// wedged shows that the library hangs, in every call, past its read deadline,
// and that closing the socket below it is what helps.
func (p *plain) wedged(t *testing.T) {
	t.Helper()
	p.full(t)
	start := time.Now()
	select {
	case reason := <-p.lost:
		t.Logf("the library's read deadline passes, %v later: %v", time.Since(start).Round(time.Millisecond), reason)
	case <-time.After(3 * wedgeHeartbeat):
		t.Errorf("the library's read deadline has not passed within %v", 3*wedgeHeartbeat)
	}
	closed := make(chan string, 2)
	go func() { p.conn.Close(); closed <- "Connection.Close" }()
	go func() { p.ch.Close(); closed <- "Channel.Close" }()
	select {
	case err := <-p.ended:
		t.Errorf("Publish returned, after the read deadline: %v", err)
		p.ended <- err
	case what := <-closed:
		t.Errorf("%s returned", what)
		closed <- what
	case <-time.After(3 * wedgeHeartbeat):
		t.Logf("Publish, Connection.Close and Channel.Close hang %v after the peer stopped reading", time.Since(start).Round(time.Second))
	}
	released := time.Now()
	p.raw.Close()
	for range 2 {
		<-closed
	}
	t.Logf("closing the socket freed all of them within %v: Publish returned %v", time.Since(released).Round(time.Millisecond), <-p.ended)
}

// unwedged shows that a Handler in the same place is lost within its write
// deadline, or knows that it is blocked, and closes in time.
func unwedged(t *testing.T, h *handler.Handler, log func()) {
	t.Helper()
	start := time.Now()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for s := h.Stats(); s.Connected && !strings.Contains(s.LastError, "connection.blocked"); s = h.Stats() {
		log()
		if time.Since(start) > soon {
			t.Errorf("the Handler has noticed nothing: %+v", s)
			return
		}
		<-tick.C
	}
	t.Logf("the Handler noticed after %v: %s", time.Since(start).Round(time.Millisecond), h.Stats().LastError)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	start = time.Now()
	err := h.Close(ctx)
	took := time.Since(start)
	if *full && took > closeGoal {
		t.Errorf("Close with 2 s took %v", took)
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Close: got %v", err)
	}
	t.Logf("Close with 2 s took %v", took.Round(time.Millisecond))
}

// wedge makes the broker at url read no more, under a plain publisher and a
// Handler with large records, and compares. Nothing of them may be left after
// end.
func wedge(t *testing.T, b *brokertest.Broker, url string, stop, end func()) {
	t.Helper()
	exchange := b.Exchange(t)
	b.Use(t, func(ch *amqp.Channel) {
		if err := ch.ExchangeDeclare(exchange, "fanout", true, false, false, false, nil); err != nil {
			t.Fatal(err)
		}
	})
	before := used()
	h, err := handler.New(url, &handler.Options{Exchange: exchange, Buffer: 256 << 20, OnError: func(error) {}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = h.Close(ctx) // if the test has failed before
	}()
	body := string(make([]byte, 11<<10)) // 64 KB as JSON writes it: \u0000
	log := func() { slog.New(h).Info(body) }
	log()
	if err := h.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	p := startPlain(t, url, exchange, 64<<10)
	stop()
	var handling sync.WaitGroup
	handling.Go(func() { unwedged(t, h, log) })
	p.wedged(t)
	handling.Wait()
	end()
	back(t, before, soon)
}

func TestWedge(t *testing.T) {
	met := false
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		if met {
			return // which broker it is that can't be reached does not matter
		}
		met = true
		proxy := b.Proxy(t)
		wedge(t, b, proxy.URL, func() {
			proxy.Fault(brokertest.ToBroker, brokertest.Fault{Hold: true})
			proxy.Fault(brokertest.ToClient, brokertest.Fault{Hold: true})
		}, proxy.Cut)
	})
}
