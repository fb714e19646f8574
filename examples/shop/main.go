// Shop takes orders that nobody has placed, and logs them. $LOG_URL names the
// broker. It tells its numbers at $LISTEN, by default 127.0.0.1:8080, under
// /metrics and /debug/vars.
package main

import (
	"cmp"
	"context"
	_ "expvar" // has /debug/vars
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/slogcast/slogcast/examples/expvarstats"
	"github.com/slogcast/slogcast/examples/promstats"
	"github.com/slogcast/slogcast/handler"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "shop:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	h, err := handler.New(cmp.Or(os.Getenv("LOG_URL"), "amqp://guest:guest@localhost:5672/"), &handler.Options{App: "shop"})
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		err = cmp.Or(err, h.Close(ctx))
	}()
	slog.SetDefault(slog.New(slog.NewMultiHandler(slog.NewTextHandler(os.Stderr, nil), h)))
	expvarstats.Publish("slogcast", h)
	prometheus.MustRegister(promstats.NewCollector(h, "shop"))
	http.Handle("GET /metrics", promhttp.Handler())
	server := &http.Server{Addr: cmp.Or(os.Getenv("LISTEN"), "127.0.0.1:8080"), ReadHeaderTimeout: 5 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	defer server.Close()
	slog.Info("open", "addr", server.Addr)
	for order := 1; ; order++ {
		select {
		case <-ctx.Done():
			slog.Info("closed", "orders", order-1)
			return nil
		case err := <-failed:
			return err
		case <-time.After(time.Duration(rand.IntN(500)) * time.Millisecond):
			take(order)
		}
	}
}

// take takes an order. One in ten is not paid.
func take(order int) {
	log := slog.With("order", order, "total", fmt.Sprintf("%d.%02d", rand.IntN(90)+5, rand.IntN(100)))
	if rand.IntN(10) == 0 {
		log.Warn("payment refused", "code", "card_declined")
		return
	}
	log.Info("order taken", "items", 1+rand.IntN(4))
}
