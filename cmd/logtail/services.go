package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"time"
)

// The sample services of the demo. Each runs until ctx ends.

// pause waits for about d, and reports false if ctx has ended.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(time.Duration(float64(d) * (0.5 + rand.Float64()))):
		return true
	case <-ctx.Done():
		return false
	}
}

func pick[T any](of ...T) T { return of[rand.IntN(len(of))] }

// serveWeb is a web API: requests, users' mistakes, and now and then a panic.
func serveWeb(ctx context.Context, log *slog.Logger) {
	log.Info("listening", "addr", "127.0.0.1:8080")
	for n := 1; pause(ctx, 200*time.Millisecond); n++ {
		request := log.With("method", pick("GET", "GET", "POST"), "path", pick("/", "/cart", "/users/42", "/search?q=gopher", "/checkout"))
		took := time.Duration(rand.ExpFloat64() * float64(12*time.Millisecond)).Round(10 * time.Microsecond)
		switch {
		case n%25 == 6:
			crash(request)
		case n%7 == 5:
			request.Warn("bad request", "status", pick(400, 404, 422), "user", pick("ann", "bob", "eve"), "reason", pick("no such item", "email lacks an @", "session expired"))
		case took > 40*time.Millisecond:
			request.Warn("slow request", "status", 200, "took", took.String())
		default:
			request.Info("request", "status", pick(200, 200, 200, 201, 304), "took", took.String())
		}
	}
	log.Info("shutting down", "open_requests", 0)
}

// crash is a request whose handler panics, as net/http would recover it.
func crash(log *slog.Logger) {
	defer func() {
		if p := recover(); p != nil {
			log.Error("panic in request", "status", 500, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	cart("ann")["book"]++
}

// cart forgets to make the cart of a user who has none.
func cart(string) map[string]int { return nil }

// work is a worker: jobs that are done, or tried again.
func work(ctx context.Context, log *slog.Logger) {
	for id := 71; pause(ctx, 500*time.Millisecond); id++ {
		job := log.With(slog.Group("job", "id", id, "kind", pick("mail", "thumbnail", "invoice", "export")))
		job.Debug("taken", "queue", "default", "waiting", rand.IntN(9))
		for attempt := 1; ; attempt++ {
			if !pause(ctx, 250*time.Millisecond) {
				job.Warn("put back", "why", "shutting down")
				return
			}
			if id%4 != 0 || attempt == 3 {
				job.Info("done", "attempts", attempt)
				break
			}
			wait := time.Duration(1<<attempt) * 100 * time.Millisecond
			job.Error("failed", "err", errors.New("dial tcp 10.0.0.7:25: connect: connection refused"), "attempt", attempt, "retry_in", wait.String())
			if !pause(ctx, wait) {
				return
			}
		}
	}
}

// schedule is a scheduler with a few regular tasks.
func schedule(ctx context.Context, log *slog.Logger) {
	log.Info("tasks loaded", "tasks", []string{"backup", "expire-sessions", "report"})
	for pause(ctx, 1500*time.Millisecond) {
		switch task := log.With("task", pick("backup", "expire-sessions", "report")); rand.IntN(5) {
		case 0:
			task.Warn("still running, skipped", "since", time.Now().Add(-time.Minute).Format(time.TimeOnly))
		default:
			task.Info("finished", "took", (time.Duration(rand.IntN(900)) * time.Millisecond).String(), "next", time.Now().Add(time.Minute).Format(time.TimeOnly))
		}
	}
}
