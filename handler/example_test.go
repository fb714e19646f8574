package handler_test

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/slogcast/slogcast/handler"
)

func Example() {
	h, err := handler.New("amqp://guest:guest@localhost:5672/", &handler.Options{App: "shop"})
	if err != nil {
		panic(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := h.Close(ctx); err != nil {
			println(err.Error())
		}
	}()
	logger := slog.New(h)
	logger.Info("order placed", "user", 42, "total", 19.9)
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
