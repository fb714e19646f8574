package sink

import (
	"context"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/slogcast/slogcast/internal/brokertest"
	"github.com/slogcast/slogcast/internal/link"
)

// written is a Writer that hands over bodies.
type written chan string

func (w written) Write(_ context.Context, records []Record) error {
	for i := range records {
		w <- string(records[i].Body)
	}
	return nil
}

func TestTailBindsAgainWhenItsExchangeWasDeleted(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		endpoints, err := link.Parse(b.URL)
		if err != nil {
			t.Fatal(err)
		}
		connected := make(chan struct{}, 10)
		cfg, err := Config{Exchange: exchange, Notify: func(n Notice) {
			if n.Connected != "" {
				connected <- struct{}{}
			}
		}}.withDefaults()
		if err != nil {
			t.Fatal(err)
		}
		records := make(written, 10)
		tl := &tail{Config: cfg, writer: records, sequences: newSequences(), checkEvery: 10 * time.Millisecond}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- tl.run(ctx, endpoints) }()
		<-connected
		b.Use(t, func(ch *amqp.Channel) {
			if err := ch.ExchangeDelete(exchange, false, false); err != nil {
				t.Fatal(err)
			}
			if err := ch.ExchangeDeclare(exchange, "fanout", true, false, false, false, nil); err != nil {
				t.Fatal(err)
			}
			for {
				if err := ch.Publish(exchange, "", false, false, amqp.Publishing{Body: []byte("again")}); err != nil {
					t.Fatal(err)
				}
				select {
				case got := <-records:
					if got != "again" {
						t.Errorf("got %q", got)
					}
					return
				case <-time.After(5 * time.Millisecond):
				}
			}
		})
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
