package sink_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
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

func TestNamedQueueThatIsAStream(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		cfg := sink.Config{URL: b.URL, Exchange: exchange, Queue: sink.Queue{Name: named(t, b, exchange)}}
		b.Use(t, func(ch *amqp.Channel) {
			if _, err := ch.QueueDeclare(cfg.Queue.Name, true, false, false, false, amqp.Table{"x-queue-type": "stream"}); err != nil {
				t.Fatal(err)
			}
		})
		if err := <-launchTail(t, cfg).done; !errors.Is(err, sink.ErrStream) {
			t.Errorf("got %v", err)
		}
	})
}

// TestTheEndOfADrainIsTold cuts the connection while what waits is written at the
// end: the queue is gone with it.
func TestTheEndOfADrainIsTold(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		proxy := b.Proxy(t)
		exchange := b.Exchange(t)
		tl := startTail(t, sink.Config{URL: proxy.URL, Exchange: exchange, Drain: soon, Prefetch: 4})
		release := tl.hold()
		p := newProducer(t, b, exchange)
		for seq := 1; seq <= 100; seq++ {
			p.publish(numbered(seq))
		}
		tl.stop()
		proxy.Cut()
		release()
		tl.told("before all that waited in this tail's queue was written")
		if err := <-tl.done; err != nil {
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

// TestWhatADrainLeavesIsTold has no time for what waits.
func TestWhatADrainLeavesIsTold(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		tl := startTail(t, sink.Config{URL: b.URL, Exchange: exchange, Drain: time.Nanosecond, Prefetch: 4})
		release := tl.hold()
		p := newProducer(t, b, exchange)
		for seq := 1; seq <= 100; seq++ {
			p.publish(numbered(seq))
		}
		tl.stop()
		release()
		n := tl.told("messages are lost with this tail's queue").Remark
		if err := <-tl.done; err != nil {
			t.Error(err)
		}
		if got, want := n, fmt.Sprintf("%d messages are lost", 100-len(tl.records)); !strings.HasPrefix(got, want) {
			t.Errorf("got %q, want %q", got, want)
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

// TestBehindIsTold has a Writer wait while records come.
func TestBehindIsTold(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		tl := startTail(t, sink.Config{URL: b.URL, Exchange: exchange, Prefetch: 4})
		release := tl.hold()
		p := newProducer(t, b, exchange)
		const n = 100
		for seq := 1; seq <= n; seq++ {
			p.publish(numbered(seq))
		}
		behind := func() int {
			select {
			case n := <-tl.behind:
				return n
			case <-time.After(soon):
				t.Fatal("nothing is told")
			}
			panic("unreachable")
		}
		if got := behind(); got <= 4 || got > n {
			t.Errorf("behind by %d", got)
		}
		release()
		for range n {
			tl.record()
		}
		for behind() > 0 {
		}
		if err := tl.end(); err != nil {
			t.Error(err)
		}
	})
}

// full is an archive whose disk takes nothing.
type full struct{ failing }

func (full) Append(ctx context.Context, _ []sink.Record) error {
	<-ctx.Done()
	return errFull
}

func (full) Commit(context.Context) error { return errFull }

var errFull = errors.New("no space left")

// TestWhatAFullDiskLeavesIsTold ends archives that could write nothing.
func TestWhatAFullDiskLeavesIsTold(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		for _, test := range []struct {
			kept bool
			want string
		}{
			{false, "300 messages are not acknowledged, and lost with this tail's queue"},
			{true, "300 messages are not acknowledged, and wait in queue "},
		} {
			exchange := b.Exchange(t)
			cfg := sink.Config{URL: b.URL, Exchange: exchange, MaxLength: -1, MaxBytes: -1, Drain: time.Second}
			if test.kept {
				cfg.Queue.Name = named(t, b, exchange)
			}
			ctx, stop := context.WithCancel(t.Context())
			connected := make(chan struct{})
			var told []string
			cfg.Notify = func(n sink.Notice) {
				if told = append(told, n.String()); n.Connected != "" {
					close(connected)
				}
			}
			done := make(chan error)
			go func() { done <- sink.Tail(ctx, cfg, full{}) }()
			<-connected
			p := newProducer(t, b, exchange)
			for seq := 1; seq <= 300; seq++ {
				p.publish(numbered(seq))
			}
			stop()
			if err := <-done; !errors.Is(err, errFull) {
				t.Errorf("got %v", err)
			}
			if !slices.ContainsFunc(told, func(text string) bool { return strings.HasPrefix(text, test.want) }) {
				t.Errorf("told %q, want %q", told, test.want)
			}
		}
	})
}
