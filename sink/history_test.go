package sink_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/slogcast/slogcast/internal/brokertest"
	"github.com/slogcast/slogcast/sink"
)

// history makes the stream of an exchange, which is deleted when the test ends.
func history(t *testing.T, b *brokertest.Broker, exchange string) string {
	t.Helper()
	name := sink.HistoryName(exchange)
	b.Use(t, func(ch *amqp.Channel) {
		if err := ch.ExchangeDeclare(exchange, "fanout", true, false, false, false, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := ch.QueueDeclare(name, true, false, false, false, amqp.Table{"x-queue-type": "stream"}); err != nil {
			t.Fatal(err)
		}
		if err := ch.QueueBind(name, "", exchange, false, nil); err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(func() {
		b.Use(t, func(ch *amqp.Channel) {
			if _, err := ch.QueueDelete(name, false, false, false); err != nil {
				t.Error(err)
			}
		})
	})
	return name
}

// TestHistoryThenLive reads a stream from its start on, loses the connection in
// its middle, and goes on into the present: each record once.
func TestHistoryThenLive(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		history(t, b, exchange)
		p := newProducer(t, b, exchange)
		const n = 2000
		for seq := 1; seq <= n; seq++ {
			p.publish(numbered(seq))
		}
		proxy := b.Proxy(t)
		tl := startTail(t, sink.Config{URL: proxy.URL, Exchange: exchange, Queue: sink.Queue{History: true, From: sink.Offset{First: true}}})
		for seq := 1; seq <= n+10; seq++ {
			switch seq {
			case n / 2:
				proxy.Cut()
			case n:
				for more := n + 1; more <= n+10; more++ {
					p.publish(numbered(more))
				}
			}
			if got := tl.record(); got != fmt.Sprintf(`{"n":%d}`, seq) {
				t.Fatalf("got %s, want %d", got, seq)
			}
		}
		if err := tl.end(); err != nil {
			t.Error(err)
		}
		for len(tl.notices) > 0 {
			if n := <-tl.notices; n.Gap != nil || n.Remark != "" {
				t.Errorf("got notice %v", n)
			}
		}
		if len(tl.records) > 0 {
			t.Errorf("%d records more", len(tl.records))
		}
	})
}

// TestHistorySince leaves out what is older, by the records' own times.
func TestHistorySince(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		history(t, b, exchange)
		p := newProducer(t, b, exchange)
		now := time.Now().Truncate(time.Second)
		for minutes := 10; minutes > 0; minutes-- {
			at := now.Add(-time.Duration(minutes) * time.Minute)
			p.publish(amqp.Publishing{Timestamp: at, Body: fmt.Appendf(nil, `{"time":%q,"minutes":%d}`, at.Format(time.RFC3339), minutes)})
		}
		tl := startTail(t, sink.Config{URL: b.URL, Exchange: exchange, Queue: sink.Queue{History: true, From: sink.Offset{Since: now.Add(-3 * time.Minute)}}})
		for minutes := 3; minutes > 0; minutes-- {
			if got, want := tl.record(), fmt.Sprintf(`"minutes":%d}`, minutes); got[len(got)-len(want):] != want {
				t.Errorf("got %s, want %s", got, want)
			}
		}
		if err := tl.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestNoHistory(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		err := sink.Tail(t.Context(), sink.Config{URL: b.URL, Exchange: "nothing", Queue: sink.Queue{History: true}}, nil)
		e, ok := errors.AsType[*sink.Error](err)
		if !ok || e.Retry || !errors.Is(err, sink.ErrNoHistory) {
			t.Errorf("got %v", err)
		}
	})
}
