package handler

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"
)

// The benchmarks measure all of Handle for a record of seven attributes: encode,
// number, queue. The buffer is full after a while, so that dropping the oldest
// record is part of it, and no broker is. They are named for benchstat:
//
//	go test ./handler -run '^$' -bench Handle -count 6 | benchstat -col /h -

// handlers under comparison, all of the same level.
func handlers() map[string]slog.Handler {
	h, _ := offline(&Options{Overflow: DropOldest})
	return map[string]slog.Handler{
		"slogcast": h,
		"json":     slog.NewJSONHandler(io.Discard, nil),
	}
}

func sevenAttrs(l *slog.Logger) {
	l.LogAttrs(context.Background(), slog.LevelInfo, "request served",
		slog.String("method", "GET"), slog.String("path", "/users/42"), slog.Int("status", 200),
		slog.Duration("took", 1234567), slog.Float64("ratio", 0.75), slog.Bool("cached", true), slog.Time("at", benchTime))
}

var benchTime = time.Date(2026, 11, 23, 1, 2, 3, 456789, time.UTC)

func BenchmarkHandle(b *testing.B) {
	for name, h := range handlers() {
		b.Run("h="+name, func(b *testing.B) {
			l := slog.New(h)
			b.ReportAllocs()
			for b.Loop() {
				sevenAttrs(l)
			}
		})
	}
}

func BenchmarkHandleParallel(b *testing.B) {
	for name, h := range handlers() {
		b.Run("h="+name, func(b *testing.B) {
			l := slog.New(h)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					sevenAttrs(l)
				}
			})
		})
	}
}

func BenchmarkHandleWith(b *testing.B) {
	for name, h := range handlers() {
		b.Run("h="+name, func(b *testing.B) {
			l := slog.New(h).With("service", "web", "version", 3, "zone", "a").WithGroup("request")
			b.ReportAllocs()
			for b.Loop() {
				l.LogAttrs(context.Background(), slog.LevelInfo, "served", slog.String("method", "GET"), slog.Int("status", 200))
			}
		})
	}
}
