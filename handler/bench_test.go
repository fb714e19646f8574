package handler

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// The benchmarks measure all of Handle: encode, number, queue. The buffer is
// full from the start, so that dropping the oldest record is part of it, and no
// broker is. The others write to io.Discard; other loggers' handlers are measured in
// internal/compare. They are named for benchstat; a
// ratio needs runs that take turns, as the machine changes:
//
//	for i in 1 2 3 4 5; do go test ./handler -run '^$' -bench 'Handle(Parallel)?$'; done | benchstat -col /h -

// discarding returns the handler that drops the oldest record, its buffer full.
func discarding() slog.Handler {
	h, _ := offline(&Options{Overflow: DropOldest})
	for range defaultBuffer / 150 {
		served(slog.New(h))
	}
	return h
}

// handlers are those under comparison, all of the same level.
var handlers = []struct {
	name string
	make func() slog.Handler
}{
	{"slogcast", discarding},
	{"json", func() slog.Handler { return slog.NewJSONHandler(io.Discard, nil) }},
	{"none", func() slog.Handler { return noop{} }},
}

// noop does nothing: what is left is slog's own.
type noop struct{ slog.Handler }

func (noop) Enabled(context.Context, slog.Level) bool  { return true }
func (noop) Handle(context.Context, slog.Record) error { return nil }

// served logs a record of seven attributes.
func served(l *slog.Logger) {
	l.LogAttrs(context.Background(), slog.LevelInfo, "request served",
		slog.String("method", "GET"), slog.String("path", "/users/42"), slog.Int("status", 200),
		slog.Duration("took", 1234567), slog.Float64("ratio", 0.75), slog.Bool("cached", true), slog.Time("at", benchTime))
}

var benchTime = time.Date(2026, 11, 23, 1, 2, 3, 456789, time.UTC)

func BenchmarkHandle(b *testing.B) {
	for _, h := range handlers {
		b.Run("h="+h.name, func(b *testing.B) {
			l := slog.New(h.make())
			b.ReportAllocs()
			for b.Loop() {
				served(l)
			}
		})
	}
}

func BenchmarkHandleParallel(b *testing.B) {
	for _, h := range handlers {
		b.Run("h="+h.name, func(b *testing.B) {
			l := slog.New(h.make())
			b.ReportAllocs()
			b.ResetTimer() // filling the buffer took a while
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					served(l)
				}
			})
		})
	}
}

// BenchmarkHandleWith has attributes and a group that were encoded beforehand.
func BenchmarkHandleWith(b *testing.B) {
	for _, h := range handlers[:2] {
		b.Run("h="+h.name, func(b *testing.B) {
			l := slog.New(h.make()).With("service", "web", "version", 3, "zone", "a").WithGroup("request")
			b.ReportAllocs()
			for b.Loop() {
				l.LogAttrs(context.Background(), slog.LevelInfo, "served", slog.String("method", "GET"), slog.Int("status", 200))
			}
		})
	}
}

// failed logs a record with an error, as programs do where something goes wrong.
func failed(l *slog.Logger) {
	l.LogAttrs(context.Background(), slog.LevelError, "request failed",
		slog.String("method", "GET"), slog.String("path", "/users/42"), slog.Int("status", 502), slog.Any("err", errBench))
}

var errBench = fmt.Errorf("get user: %w", errors.New("dial tcp 10.0.0.7:5432: connect: connection refused"))

// BenchmarkHandleError has an error attribute, and attributes that were encoded
// beforehand.
func BenchmarkHandleError(b *testing.B) {
	for _, h := range handlers[:2] {
		b.Run("h="+h.name, func(b *testing.B) {
			l := slog.New(h.make()).With("service", "web", "version", 3, "zone", "a")
			b.ReportAllocs()
			for b.Loop() {
				failed(l)
			}
		})
	}
}

func BenchmarkHandleErrorParallel(b *testing.B) {
	for _, h := range handlers[:2] {
		b.Run("h="+h.name, func(b *testing.B) {
			l := slog.New(h.make()).With("service", "web", "version", 3, "zone", "a")
			b.ReportAllocs()
			b.ResetTimer() // filling the buffer took a while
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					failed(l)
				}
			})
		})
	}
}

// filling returns a handler whose buffer is filled for the first time, and how many
// records that takes.
func filling() (slog.Handler, int) {
	h, _ := offline(nil)
	return h, defaultBuffer / 300
}

// BenchmarkFilling fills the buffer for the first time, again and again.
func BenchmarkFilling(b *testing.B) {
	for _, h := range handlers[:2] {
		b.Run("h="+h.name, func(b *testing.B) {
			b.ReportAllocs()
			l, left := slog.New(h.make()), 0
			for b.Loop() {
				if left--; left < 0 && h.name == "slogcast" {
					var fresh slog.Handler
					fresh, left = filling()
					l = slog.New(fresh)
				}
				failed(l)
			}
		})
	}
}

// BenchmarkFillingParallel is that from many goroutines.
func BenchmarkFillingParallel(b *testing.B) {
	for _, h := range handlers[:2] {
		b.Run("h="+h.name, func(b *testing.B) {
			b.ReportAllocs()
			var current atomic.Pointer[slog.Logger]
			var put atomic.Int64
			current.Store(slog.New(h.make()))
			_, most := filling()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for n := 0; pb.Next(); n++ {
					if n%256 == 255 && put.Add(256)%int64(most) < 256 && h.name == "slogcast" {
						fresh, _ := filling()
						current.Store(slog.New(fresh))
					}
					failed(current.Load())
				}
			})
		})
	}
}

// BenchmarkAttrs grows the number of attributes.
func BenchmarkAttrs(b *testing.B) {
	for _, n := range []int{0, 1, 5, 10, 20, 50} {
		var attrs []slog.Attr
		for i := range n {
			attrs = append(attrs, slog.Int(fmt.Sprintf("key%d", i), i))
		}
		for _, h := range handlers[:2] {
			b.Run(fmt.Sprintf("attrs=%d/h=%s", n, h.name), func(b *testing.B) { bench(b, slog.New(h.make()), attrs...) })
		}
	}
}

// BenchmarkGroups grows the number of groups around an attribute.
func BenchmarkGroups(b *testing.B) {
	for _, n := range []int{0, 1, 3, 10} {
		a := slog.Int("n", 1)
		for range n {
			a = slog.Attr{Key: "group", Value: slog.GroupValue(a)}
		}
		for _, h := range handlers[:2] {
			b.Run(fmt.Sprintf("groups=%d/h=%s", n, h.name), func(b *testing.B) { bench(b, slog.New(h.make()), a) })
		}
	}
}

// BenchmarkSize grows the record.
func BenchmarkSize(b *testing.B) {
	for _, n := range []int{100, 1_000, 10_000, 100_000} {
		a := slog.String("text", strings.Repeat("x", n))
		for _, h := range handlers[:2] {
			b.Run(fmt.Sprintf("bytes=%d/h=%s", n, h.name), func(b *testing.B) {
				b.SetBytes(int64(n))
				bench(b, slog.New(h.make()), a)
			})
		}
	}
}

// BenchmarkGoroutines has ever more goroutines log through one handler.
func BenchmarkGoroutines(b *testing.B) {
	for _, n := range []int{1, 4, 16, 64, 256} {
		for _, h := range handlers[:2] {
			b.Run(fmt.Sprintf("goroutines=%d/h=%s", n, h.name), func(b *testing.B) {
				l := slog.New(h.make())
				b.SetParallelism(n)
				b.ResetTimer() // filling the buffer took a while
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						served(l)
					}
				})
			})
		}
	}
}

func bench(b *testing.B, l *slog.Logger, attrs ...slog.Attr) {
	b.ReportAllocs()
	for b.Loop() {
		l.LogAttrs(context.Background(), slog.LevelInfo, "message", attrs...)
	}
}
