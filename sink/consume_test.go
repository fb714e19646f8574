package sink

import (
	"context"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/slogcast/slogcast/internal/broker"
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

// startTail runs a tail of the exchange that looks after its binding every 10 ms
// until the test ends, and returns when it receives.
func startTail(t *testing.T, url, exchange string, w Writer) {
	endpoints, err := link.Parse(url)
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
	tl := &tail{pipe: newPipe(cfg, w), checkEvery: 10 * time.Millisecond}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- tl.run(ctx, endpoints) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	<-connected
}

func TestTailBindsAgainWhenItsExchangeWasDeleted(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		records := make(written, 10)
		startTail(t, b.URL, exchange, records)
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
	})
}

// Acknowledgements are saved up, but no message waits for long.
func TestFewMessagesAreAcknowledgedToo(t *testing.T) {
	server, err := broker.Listen(&broker.Config{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	records := make(written, 10)
	startTail(t, server.DialURL(), "logs", records)
	conn, err := amqp.Dial(server.DialURL())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	late := time.After(30 * time.Second)
	for round := range 3 {
		for range round + 1 {
			if err := ch.Publish("logs", "", false, false, amqp.Publishing{Body: []byte("one")}); err != nil {
				t.Fatal(err)
			}
			<-records
		}
		for server.Stats().Unacked > 0 {
			select {
			case <-late:
				t.Fatal("not acknowledged")
			case <-time.After(time.Millisecond):
			}
		}
	}
}
