package handler_test

import (
	"context"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/slogcast/slogcast/handler"
	"github.com/slogcast/slogcast/internal/brokertest"
)

// soon bounds what must not hang. Nothing is measured by it.
const soon = 30 * time.Second

func soonContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	t.Cleanup(cancel)
	return ctx
}

// mute keeps the default OnError off the tests' output.
func mute(error) {}

// newHandler returns a Handler that is closed when the test ends.
func newHandler(t *testing.T, url string, opts handler.Options) *handler.Handler {
	t.Helper()
	if opts.OnError == nil {
		opts.OnError = mute
	}
	h, err := handler.New(url, &opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = h.Close(ctx) // tests that mind have closed it
	})
	return h
}

// receiver binds a queue to the exchange, and returns the messages that come.
func receiver(t *testing.T, b *brokertest.Broker, exchange string, args amqp.Table) <-chan amqp.Delivery {
	t.Helper()
	conn, err := amqp.Dial(b.URL)
	if err != nil {
		t.Fatal(err)
	}
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	err = ch.ExchangeDeclare(exchange, "fanout", true, false, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	q, err := ch.QueueDeclare("", false, false, true, false, args)
	if err != nil {
		t.Fatal(err)
	}
	if err := ch.QueueBind(q.Name, "", exchange, false, nil); err != nil {
		t.Fatal(err)
	}
	deliveries, err := ch.Consume(q.Name, "", true, false, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		for range deliveries {
		}
	})
	return deliveries
}

// next returns the next message.
func next(t *testing.T, deliveries <-chan amqp.Delivery) amqp.Delivery {
	t.Helper()
	select {
	case d, ok := <-deliveries:
		if !ok {
			t.Fatal("the receiver's connection is lost")
		}
		return d
	case <-time.After(soon):
		t.Fatal("no message came")
		panic("unreachable")
	}
}

func closeClean(t *testing.T, h *handler.Handler) {
	t.Helper()
	if err := h.Close(soonContext(t)); err != nil {
		t.Fatal(err)
	}
	s := h.Stats()
	if s.Accepted != s.Confirmed+s.Dropped.Total() || s.Unknown != 0 || s.PendingRecords != 0 || s.PendingBytes != 0 || s.Connected {
		t.Errorf("after a clean Close: %+v", s)
	}
}

// until returns the first error that OnError gets with the text.
func until(t *testing.T, errs <-chan error, text string) error {
	t.Helper()
	for {
		select {
		case err := <-errs:
			if strings.Contains(err.Error(), text) {
				return err
			}
		case <-time.After(soon):
			t.Fatalf("no error with %q came", text)
		}
	}
}
