package sink_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/slogcast/slogcast/internal/brokertest"
	"github.com/slogcast/slogcast/sink"
)

// named returns a queue that no other test uses, deleted when the test ends.
func named(t *testing.T, b *brokertest.Broker, exchange string) string {
	name := exchange + ".archive"
	t.Cleanup(func() {
		b.Use(t, func(ch *amqp.Channel) {
			if _, err := ch.QueueDelete(name, false, false, false); err != nil {
				t.Error(err)
			}
		})
	})
	return name
}

// TestNamedQueueKeepsRecords ends a tail, and starts another: what passed in
// between has waited, and what waits when one ends is left.
func TestNamedQueueKeepsRecords(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		cfg := sink.Config{URL: b.URL, Exchange: exchange, Queue: sink.Queue{Name: named(t, b, exchange)}, Drain: soon}
		seq := 1
		for round := range 3 {
			tl := startTail(t, cfg)
			p := newProducer(t, b, exchange)
			p.publish(numbered(10*round + 1))
			for ; seq <= 10*round+1; seq++ {
				if got := tl.record(); got != fmt.Sprintf(`{"n":%d}`, seq) {
					t.Errorf("got %s, want %d", got, seq)
				}
			}
			if err := tl.end(); err != nil {
				t.Error(err)
			}
			for more := 10*round + 2; more <= 10*round+10; more++ {
				p.publish(numbered(more))
			}
			if n := len(tl.records); n > 0 {
				t.Errorf("%d records more", n)
			}
		}
	})
}

// TestNamedQueueIsShared has two tails on one queue: each record goes to one of
// them, and none tells that the other's are missing.
func TestNamedQueueIsShared(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		cfg := sink.Config{URL: b.URL, Exchange: exchange, Queue: sink.Queue{Name: named(t, b, exchange)}, Prefetch: 4}
		one, two := startTail(t, cfg), launchTail(t, cfg)
		for n := two.notice(); n.Connected == ""; n = two.notice() {
			if !strings.Contains(n.Remark, "others receive") {
				t.Errorf("got notice %v", n)
			}
		}
		p := newProducer(t, b, exchange)
		const n = 200
		for seq := 1; seq <= n; seq++ {
			p.publish(numbered(seq))
		}
		late := time.After(soon)
		for got := 0; got < n; got++ {
			select {
			case <-one.records:
			case <-two.records:
			case <-late:
				t.Fatalf("got %d records", got)
			}
		}
		if err := errors.Join(one.end(), two.end()); err != nil {
			t.Error(err)
		}
		for len(one.notices)+len(two.notices) > 0 {
			select {
			case n := <-one.notices:
				if n.Gap != nil {
					t.Errorf("one tells %v", n)
				}
			case n := <-two.notices:
				if n.Gap != nil {
					t.Errorf("two tells %v", n)
				}
			}
		}
	})
}

func TestNamedQueueWithOtherArguments(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		cfg := sink.Config{URL: b.URL, Exchange: exchange, Queue: sink.Queue{Name: named(t, b, exchange)}, MaxLength: 1000}
		if err := startTail(t, cfg).end(); err != nil {
			t.Error(err)
		}
		cfg.MaxLength = 500
		tl := launchTail(t, cfg)
		if n := tl.notice(); !strings.Contains(n.Remark, "other arguments") || !strings.Contains(n.Remark, "x-max-length") {
			t.Errorf("got notice %v", n)
		}
		newProducer(t, b, exchange).publish(numbered(1))
		if tl.notice().Connected == "" || tl.record() != `{"n":1}` {
			t.Error("it is not used")
		}
		if err := tl.end(); err != nil {
			t.Error(err)
		}
	})
}

// writerFunc is a Writer.
type writerFunc func()

func (w writerFunc) Write(context.Context, []sink.Record) error {
	w()
	return nil
}

// What a Writer took that has panicked, or ended its goroutine, is not safe.
func TestAWriterThatDoesNotReturnHasNothing(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		cfg := sink.Config{URL: b.URL, Exchange: exchange, Queue: sink.Queue{Name: named(t, b, exchange)}}
		if err := startTail(t, cfg).end(); err != nil {
			t.Fatal(err)
		}
		newProducer(t, b, exchange).publish(numbered(1))
		for want, w := range map[string]writerFunc{"Goexit": runtime.Goexit, "panicked: boom": func() { panic("boom") }} {
			if err := sink.Tail(soonContext(t), cfg, w); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %q", err, want)
			}
		}
		tl := startTail(t, cfg)
		if got := tl.record(); got != `{"n":1}` {
			t.Errorf("got %s", got)
		}
		if err := tl.end(); err != nil {
			t.Error(err)
		}
	})
}

// TestAStalledWriterCanBeWaitedFor ends a tail whose Writer is stuck.
func TestAStalledWriterCanBeWaitedFor(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		tl := startTail(t, sink.Config{URL: b.URL, Exchange: exchange})
		release := tl.hold()
		newProducer(t, b, exchange).publish(numbered(1))
		stalled, ok := errors.AsType[*sink.Stalled](tl.end())
		if !ok {
			t.Fatal("Tail has not stalled")
		}
		select {
		case <-stalled.Done:
			t.Error("the Writer has returned")
		default:
		}
		release()
		select {
		case <-stalled.Done:
		case <-time.After(soon):
			t.Error("the Writer's return is not told")
		}
	})
}
