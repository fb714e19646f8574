package compare

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	phuslu "github.com/phuslu/log"
	"github.com/rs/zerolog"
	"go.uber.org/zap"
	"go.uber.org/zap/exp/zapslog"
	"go.uber.org/zap/zapcore"

	"github.com/slogcast/slogcast/handler"
)

// buffer is the size of slogcast's buffer: the default.
const buffer = 8 << 20

// handlers are those under comparison, all of the same level.
var handlers = []struct {
	name string
	make func(testing.TB) slog.Handler
}{
	{"slogcast", full},
	{"json", func(testing.TB) slog.Handler { return slog.NewJSONHandler(io.Discard, nil) }},
	{"phuslu", func(testing.TB) slog.Handler { return phuslu.SlogNewJSONHandler(io.Discard, nil) }},
	{"zerolog", func(testing.TB) slog.Handler {
		return zerolog.NewSlogHandler(zerolog.New(io.Discard).With().Timestamp().Logger())
	}},
	{"zap", func(testing.TB) slog.Handler {
		return zapslog.NewHandler(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(io.Discard), zap.InfoLevel))
	}},
}

// silent returns the URL of a broker that takes connections and says nothing.
func silent(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { l.Close() })
	return "amqp://" + l.Addr().String() + "/"
}

// empty returns slogcast's handler, without a broker that answers.
func empty(tb testing.TB, url string) *handler.Handler {
	tb.Helper()
	h, err := handler.New(url, &handler.Options{Buffer: buffer, Overflow: handler.DropOldest, OnError: func(error) {}})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { end(h) })
	return h
}

// end closes a handler and leaves what is in its buffer.
func end(h *handler.Handler) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = h.Close(ctx) // it tells what was left
}

// full returns slogcast's handler with a buffer that is full.
func full(tb testing.TB) slog.Handler {
	h := empty(tb, silent(tb))
	for range buffer / 150 {
		served(slog.New(h))
	}
	return h
}

var at = time.Date(2026, 11, 23, 1, 2, 3, 456789, time.UTC)

// served logs a record of seven attributes.
func served(l *slog.Logger) {
	l.LogAttrs(context.Background(), slog.LevelInfo, "request served",
		slog.String("method", "GET"), slog.String("path", "/users/42"), slog.Int("status", 200),
		slog.Duration("took", 1234567), slog.Float64("ratio", 0.75), slog.Bool("cached", true), slog.Time("at", at))
}

var errRefused = errors.New("dial tcp 10.0.0.7:25: connect: connection refused")

func each(b *testing.B, run func(*testing.B, *slog.Logger)) {
	for _, h := range handlers {
		b.Run("h="+h.name, func(b *testing.B) {
			l := slog.New(h.make(b))
			b.ReportAllocs()
			run(b, l)
		})
	}
}

func BenchmarkHandle(b *testing.B) {
	each(b, func(b *testing.B, l *slog.Logger) {
		for b.Loop() {
			served(l)
		}
	})
}

func BenchmarkHandleParallel(b *testing.B) {
	each(b, func(b *testing.B, l *slog.Logger) {
		b.ResetTimer() // filling the buffer took a while
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				served(l)
			}
		})
	})
}

func BenchmarkHandleError(b *testing.B) {
	each(b, func(b *testing.B, l *slog.Logger) {
		for b.Loop() {
			l.LogAttrs(context.Background(), slog.LevelError, "failed", slog.Int("attempt", 2), slog.Any("err", errRefused))
		}
	})
}

func BenchmarkHandleWith(b *testing.B) {
	each(b, func(b *testing.B, l *slog.Logger) {
		l = l.With("service", "web", "version", 3, "zone", "a").WithGroup("request")
		for b.Loop() {
			l.LogAttrs(context.Background(), slog.LevelInfo, "served", slog.String("method", "GET"), slog.Int("status", 200))
		}
	})
}

// BenchmarkHandleFilling has slogcast fill its buffer for the first time, with a
// new handler when half of it is full. The others have nothing to fill.
func BenchmarkHandleFilling(b *testing.B) {
	for _, h := range handlers[1:] {
		b.Run("h="+h.name, func(b *testing.B) {
			l := slog.New(h.make(b))
			b.ReportAllocs()
			for b.Loop() {
				served(l)
			}
		})
	}
	b.Run("h=slogcast", func(b *testing.B) {
		const records = buffer / 600 // of some 300 bytes each in the buffer
		url := silent(b)
		h := empty(b, url)
		l := slog.New(h)
		b.ReportAllocs()
		n := 0
		for b.Loop() {
			if n++; n == records {
				b.StopTimer()
				end(h)
				h, n = empty(b, url), 0
				l = slog.New(h)
				b.StartTimer()
			}
			served(l)
		}
		b.StopTimer()
		if dropped := h.Stats().Dropped.Total(); dropped > 0 {
			b.Errorf("%d records were dropped: the buffer was full", dropped)
		}
	})
}
