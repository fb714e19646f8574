package handler_test

import (
	"context"
	"expvar"
	"fmt"
	"log"
	"log/slog"
	"os"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/slogcast/slogcast/handler"
	"github.com/slogcast/slogcast/internal/broker"
)

// startBroker starts a broker, in place of RabbitMQ, with a queue that gets what is
// logged.
func startBroker() (url string, messages <-chan amqp.Delivery, stop func()) {
	server, err := broker.Listen(&broker.Config{Addr: "127.0.0.1:0"})
	if err != nil {
		log.Fatal(err)
	}
	conn, err := amqp.Dial(server.DialURL())
	if err != nil {
		log.Fatal(err)
	}
	ch, err := conn.Channel()
	if err != nil {
		log.Fatal(err)
	}
	_ = ch.ExchangeDeclare("logs", "fanout", true, false, false, false, nil)
	q, _ := ch.QueueDeclare("", false, false, true, false, nil)
	_ = ch.QueueBind(q.Name, "", "logs", false, nil)
	messages, err = ch.Consume(q.Name, "", true, false, false, false, nil)
	if err != nil {
		log.Fatal(err)
	}
	return server.DialURL(), messages, func() {
		conn.Close()
		server.Close()
	}
}

// withoutTime leaves the time out, so that the examples print the same each time.
func withoutTime(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

func Example() {
	url, messages, stop := startBroker()
	defer stop()

	h, err := handler.New(url, &handler.Options{App: "shop", ReplaceAttr: withoutTime})
	if err != nil {
		log.Fatal(err)
	}
	logger := slog.New(h)
	logger.Info("order placed", "user", 42, "total", 19.9)

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := h.Close(ctx); err != nil { // sends what is buffered
		log.Fatal(err)
	}
	m := <-messages
	fmt.Println(m.AppId, m.RoutingKey, string(m.Body))
	// Output: shop shop.info {"level":"INFO","msg":"order placed","user":42,"total":19.9}
}

// Standard error stays the place to look when the network is the trouble.
func Example_multiHandler() {
	h, err := handler.New(os.Getenv("LOG_URL"), nil)
	if err != nil {
		panic(err)
	}
	defer h.Close(context.Background())
	stderr := slog.NewTextHandler(os.Stderr, nil)
	slog.SetDefault(slog.New(slog.NewMultiHandler(stderr, h)))
}

// What the broker does not get, as it is away for too long, goes to a file.
func ExampleOptions_fallback() {
	file := slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: withoutTime})
	h, err := handler.New("amqp://127.0.0.1:1/", &handler.Options{Fallback: file, OnError: func(error) {}})
	if err != nil {
		log.Fatal(err)
	}
	slog.New(h).Error("payment failed", "order", 7)

	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	fmt.Println(h.Close(ctx))
	// Output:
	// level=ERROR msg="payment failed" order=7
	// close: 1 record left, 0 of them published but not confirmed: context deadline exceeded
}

// traceKey is where this program keeps the ids of a trace; with OpenTelemetry it is
// trace.SpanContextFromContext(ctx), with TraceID().String() and SpanID().String().
type traceKey struct{}

type trace struct{ traceID, spanID string }

// The ids of the trace stand at the top of each record, as OpenTelemetry wants them
// (https://opentelemetry.io/docs/specs/otel/compatibility/logging_trace_context/).
func ExampleOptions_contextAttrs() {
	url, messages, stop := startBroker()
	defer stop()

	h, err := handler.New(url, &handler.Options{
		ReplaceAttr: withoutTime,
		ContextAttrs: func(ctx context.Context) []slog.Attr {
			t, ok := ctx.Value(traceKey{}).(trace)
			if !ok {
				return nil
			}
			return []slog.Attr{slog.String("trace_id", t.traceID), slog.String("span_id", t.spanID)}
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close(context.Background())

	ctx := context.WithValue(context.Background(), traceKey{}, trace{"4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"})
	slog.New(h).WithGroup("http").InfoContext(ctx, "served", "status", 200)
	fmt.Println(string((<-messages).Body))
	// Output: {"level":"INFO","msg":"served","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"00f067aa0ba902b7","http":{"status":200}}
}

// Stats is JSON, for /debug/vars.
func ExampleHandler_Stats() {
	url, _, stop := startBroker()
	defer stop()

	h, err := handler.New(url, nil)
	if err != nil {
		log.Fatal(err)
	}
	expvar.Publish("logs", expvar.Func(func() any { return h.Stats() }))

	slog.New(h).Info("counted")
	if err := h.Close(context.Background()); err != nil {
		log.Fatal(err)
	}
	s := h.Stats()
	fmt.Println(s.Accepted, s.Confirmed, s.Dropped.Total())
	// Output: 1 1 0
}
