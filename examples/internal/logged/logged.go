// Package logged gives tests a handler with a broker behind it.
package logged

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/slogcast/slogcast/handler"
	"github.com/slogcast/slogcast/internal/broker"
)

// Handler returns a handler through which log has logged, and whose records a
// broker has confirmed. It lasts until the test ends.
func Handler(t testing.TB, log func(*slog.Logger)) *handler.Handler {
	t.Helper()
	server, err := broker.Listen(&broker.Config{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	h, err := handler.New(server.DialURL(), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(func() {
		defer cancel()
		if err := h.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	log(slog.New(h))
	if err := h.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	return h
}
