package sink_test

import (
	"bytes"
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

// from is a tail's configuration that begins in the past.
func from(b *brokertest.Broker, exchange string, at sink.Offset) sink.Config {
	return sink.Config{URL: b.URL, Exchange: exchange, Queue: sink.Queue{History: true, From: at}}
}

// timed is a record of a time.
func timed(at time.Time, n int) amqp.Publishing {
	return amqp.Publishing{Timestamp: at, Body: fmt.Appendf(nil, `{"time":%q,"n":%d}`, at.Format(time.RFC3339Nano), n)}
}

// told waits for a notice with a text.
func (tl *tailing) told(text string) sink.Notice {
	tl.t.Helper()
	for {
		n := tl.notice()
		if strings.Contains(n.String(), text) {
			return n
		}
		tl.t.Logf("not %q: %v", text, n)
	}
}

func (tl *tailing) wants(bodies ...string) {
	tl.t.Helper()
	for _, want := range bodies {
		if got := tl.record(); got != want {
			tl.t.Errorf("got %s, want %s", got, want)
		}
	}
}

// TestHistoryEndsAtATime reads what had come, and returns by itself: of a time that
// is past, and of one to come.
func TestHistoryEndsAtATime(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		history(t, b, exchange)
		cfg := from(b, exchange, sink.Offset{First: true})
		ended := func(tl *tailing) {
			t.Helper()
			select {
			case err := <-tl.done:
				if err != nil || len(tl.records) > 0 {
					t.Errorf("got %v, %d records more", err, len(tl.records))
				}
			case <-time.After(soon):
				t.Fatal("Tail does not end")
			}
		}
		cfg.Queue.Until = time.Now()
		ended(launchTail(t, cfg)) // there is nothing
		p := newProducer(t, b, exchange)
		for seq := 1; seq <= 100; seq++ {
			p.publish(numbered(seq))
		}
		cfg.Queue.Until = time.Now()
		tl := launchTail(t, cfg)
		for seq := 1; seq <= 100; seq++ {
			tl.wants(fmt.Sprintf(`{"n":%d}`, seq))
		}
		ended(tl)
		cfg.Queue.From = sink.Offset{Number: 98}
		cfg.Queue.Until = time.Now().Add(time.Second)
		tl = startTail(t, cfg)
		p.publish(numbered(101))
		tl.wants(`{"n":99}`, `{"n":100}`, `{"n":101}`)
		ended(tl)
	})
}

// TestHistoryMadeAnew reads a stream that is deleted and made again while the
// connection is lost, shorter than it was.
func TestHistoryMadeAnew(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		name := history(t, b, exchange)
		p := newProducer(t, b, exchange)
		for seq := 1; seq <= 50; seq++ {
			p.publish(numbered(seq))
		}
		proxy := b.Proxy(t)
		cfg := from(b, exchange, sink.Offset{Number: 47})
		cfg.URL = proxy.URL
		tl := startTail(t, cfg)
		tl.wants(`{"n":48}`, `{"n":49}`, `{"n":50}`)
		proxy.Down()
		b.Use(t, func(ch *amqp.Channel) {
			if _, err := ch.QueueDelete(name, false, false, false); err != nil {
				t.Fatal(err)
			}
			if _, err := ch.QueueDeclare(name, true, false, false, false, amqp.Table{"x-queue-type": "stream"}); err != nil {
				t.Fatal(err)
			}
			if err := ch.QueueBind(name, "", exchange, false, nil); err != nil {
				t.Fatal(err)
			}
		})
		for seq := 51; seq <= 55; seq++ {
			p.publish(numbered(seq))
		}
		proxy.Up()
		tl.wants(`{"n":51}`, `{"n":52}`, `{"n":53}`, `{"n":54}`, `{"n":55}`)
		tl.told("made anew after offset 49")
		if err := tl.end(); err != nil {
			t.Error(err)
		}
	})
}

// TestHistoryDeleted tells of a stream that is deleted under the reader.
func TestHistoryDeleted(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		cfg := from(b, exchange, sink.Offset{First: true})
		if _, err := sink.CreateHistory(t.Context(), cfg, sink.Retention{}); err != nil {
			t.Fatal(err)
		}
		newProducer(t, b, exchange).publish(numbered(1))
		tl := startTail(t, cfg)
		tl.wants(`{"n":1}`)
		if err := sink.DeleteHistory(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		if n := tl.told("there is no stream"); !errors.Is(n.Lost, sink.ErrNoHistory) {
			t.Errorf("got %v", n)
		}
		if err := tl.end(); err != nil {
			t.Error(err)
		}
	})
}

// TestHistoryOfAnotherClock shows what comes live, however old it says to be, and
// tells what was left out for that.
func TestHistoryOfAnotherClock(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		history(t, b, exchange)
		p := newProducer(t, b, exchange)
		behind := time.Now().Add(-time.Hour)
		p.publish(timed(behind, 0))
		tl := startTail(t, from(b, exchange, sink.Offset{Since: time.Now().Add(-10 * time.Minute)}))
		tick, late := time.NewTicker(50*time.Millisecond), time.After(soon)
		defer tick.Stop()
		for n := 1; len(tl.records) == 0; n++ {
			select {
			case <-tick.C:
				p.publish(timed(behind, n))
			case <-late:
				t.Fatal("what is live is not shown")
			}
		}
		tl.told("do clocks differ?")
		if err := tl.end(); err != nil {
			t.Error(err)
		}
	})
}

// TestHistoryBeginsLater says so where less is kept than was asked for.
func TestHistoryBeginsLater(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		history(t, b, exchange)
		p, now := newProducer(t, b, exchange), time.Now()
		p.publish(timed(now, 1))
		p.publish(timed(now, 2))
		for _, since := range []time.Time{now.Add(-time.Hour), now.AddDate(-30, 0, 0), time.Unix(-1, 0), now.AddDate(-2000, 0, 0)} {
			tl := startTail(t, from(b, exchange, sink.Offset{Since: since}))
			tl.told("the history begins at " + now.Format("2006-01-02 15:04:05"))
			tl.wants(string(timed(now, 1).Body), string(timed(now, 2).Body))
			if err := tl.end(); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestHistoryTrims leaves 100 MB of old records out without holding them.
func TestHistoryTrims(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		history(t, b, exchange)
		p, now := newProducer(t, b, exchange), time.Now()
		m := timed(now.Add(-time.Hour), 1)
		m.Body = append(m.Body[:len(m.Body)-1], fmt.Sprintf(`,"fill":%q}`, bytes.Repeat([]byte{'x'}, 50_000))...)
		for range 2000 {
			if err := p.ch.PublishWithContext(t.Context(), exchange, "", false, false, m); err != nil {
				t.Fatal(err)
			}
		}
		p.publish(timed(now, 2))
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		var most uint64
		cfg := from(b, exchange, sink.Offset{Since: now.Add(-time.Minute)})
		cfg.Notify = func(sink.Notice) {}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		w := writer(func(records []sink.Record) {
			if got, want := string(records[0].Body), string(timed(now, 2).Body); got != want {
				t.Errorf("got %.100s, want %s", got, want)
			}
			stop()
		})
		done := make(chan error, 1)
		go func() { done <- sink.Tail(ctx, cfg, w) }()
		for tick := time.Tick(20 * time.Millisecond); ; {
			select {
			case err := <-done:
				if err != nil || b.Ctl != nil && most > before.HeapAlloc+(64<<20) { // the embedded one's is in this heap, too
					t.Errorf("got %v, heap of %d MiB, before %d MiB", err, most>>20, before.HeapAlloc>>20)
				}
				return
			case <-tick:
				runtime.ReadMemStats(&after)
				most = max(most, after.HeapAlloc)
			}
		}
	})
}

type writer func([]sink.Record)

func (w writer) Write(_ context.Context, records []sink.Record) error {
	w(records)
	return nil
}

// TestHistoryOfARestart holds records of two runs of a program: nothing is missing
// between them.
func TestHistoryOfARestart(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		history(t, b, exchange)
		p := newProducer(t, b, exchange)
		for seq := 1; seq <= 3; seq++ {
			p.publish(numbered(seq))
		}
		for seq := 1; seq <= 3; seq++ {
			m := numbered(seq)
			m.MessageId = fmt.Sprintf("0192f0c1-7d3a-7e21-9a51-6f1f0f4e8f12/%d", seq)
			p.publish(m)
		}
		cfg := from(b, exchange, sink.Offset{First: true})
		cfg.Queue.Until = time.Now()
		tl := launchTail(t, cfg)
		tl.wants(`{"n":1}`, `{"n":2}`, `{"n":3}`, `{"n":1}`, `{"n":2}`, `{"n":3}`)
		if err := <-tl.done; err != nil {
			t.Error(err)
		}
		for len(tl.notices) > 0 {
			if n := <-tl.notices; n.Connected == "" {
				t.Errorf("got notice %v", n)
			}
		}
	})
}

// TestHistoryOvertakes loses the connection until the stream has removed what was to
// be read next: that is told, as a gap and for those without a number.
func TestHistoryOvertakes(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		proxy := b.Proxy(t)
		cfg := from(b, exchange, sink.Offset{First: true})
		if _, err := sink.CreateHistory(t.Context(), cfg, sink.Retention{MaxBytes: 2 << 20}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := sink.DeleteHistory(context.Background(), cfg); err != nil {
				t.Error(err)
			}
		})
		p := newProducer(t, b, exchange)
		p.publish(numbered(1))
		through := cfg
		through.URL = proxy.URL
		tl := startTail(t, through)
		tl.wants(`{"n":1}`)
		proxy.Down()
		const n = 200
		for seq := 2; seq <= n; seq++ {
			m := numbered(seq)
			m.Body = append(m.Body[:len(m.Body)-1], fmt.Sprintf(`,"fill":%q}`, bytes.Repeat([]byte{'x'}, 50_000))...)
			p.publish(m)
		}
		proxy.Up()
		tl.told("its retention has removed")
		var shown int
		for r := ""; !strings.HasPrefix(r, fmt.Sprintf(`{"n":%d,`, n)); shown++ {
			r = tl.record()
		}
		g := tl.told("gap").Gap
		if g == nil || int(g.Count())+shown != n-1 || !strings.Contains(g.Cause, "retention removed them") {
			t.Errorf("got %v, and %d records of %d", g, shown, n-1)
		}
		if err := tl.end(); err != nil {
			t.Error(err)
		}
	})
}

// TestHistoryEndsWhileItIsWrittenTo finds its end, though more comes all the time.
func TestHistoryEndsWhileItIsWrittenTo(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		history(t, b, exchange)
		p := newProducer(t, b, exchange)
		p.publish(numbered(1))
		cfg := from(b, exchange, sink.Offset{First: true})
		cfg.Queue.Until = time.Now()
		tl := launchTail(t, cfg)
		tick, late := time.NewTicker(50*time.Millisecond), time.After(soon)
		defer tick.Stop()
		for seq := 2; ; seq++ {
			select {
			case err := <-tl.done:
				if err != nil {
					t.Error(err)
				}
				tl.wants(`{"n":1}`)
				return
			case <-tick.C:
				p.publish(numbered(seq))
			case <-late:
				t.Fatal("Tail does not end")
			}
		}
	})
}
