package sink_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"

	"github.com/slogcast/slogcast/handler"
	"github.com/slogcast/slogcast/internal/broker"
	"github.com/slogcast/slogcast/sink"
)

// errorCounter is a Writer that counts errors by message, until it has seen enough.
type errorCounter struct {
	counts map[string]int
	enough func()
}

func (c errorCounter) Write(_ context.Context, records []sink.Record) error {
	for i := range records {
		r := &records[i]
		if level, known := r.Level(); known && level < slog.LevelError {
			continue
		}
		if c.counts[r.Message()]++; r.Message() == "out of stock" {
			c.enough()
		}
	}
	return nil
}

// A program can have a Writer of its own: here one that counts errors.
func Example() {
	server, err := broker.Listen(&broker.Config{Addr: "127.0.0.1:0"}) // in place of RabbitMQ
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	url := server.DialURL()

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	connected := func(n sink.Notice) {
		if n.Connected == "" {
			return
		}
		h, err := handler.New(url, &handler.Options{App: "shop"})
		if err != nil {
			log.Fatal(err)
		}
		defer h.Close(ctx)
		for _, message := range []string{"payment failed", "payment failed", "out of stock"} {
			slog.New(h).Info("order placed")
			slog.New(h).Error(message)
		}
	}
	w := errorCounter{counts: make(map[string]int), enough: cancel}
	if err := sink.Tail(ctx, sink.Config{URL: url, Notify: connected}, w); err != nil {
		log.Fatal(err)
	}
	fmt.Println(w.counts)
	// Output: map[out of stock:1 payment failed:2]
}
