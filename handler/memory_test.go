package handler_test

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"testing"

	"github.com/slogcast/slogcast/handler"
	"github.com/slogcast/slogcast/internal/brokertest"
)

// heap returns the bytes of objects that are in use.
func heap() int {
	runtime.GC()
	runtime.GC() // what the first has taken out of pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// discard closes h without a wait for what is left.
func discard(h *handler.Handler) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = h.Close(ctx)
}

// Buffer bounds the memory that holds records of any size, within a tenth and
// 2 MiB.
func TestBufferBoundsMemoryForRecordsOfAnySize(t *testing.T) {
	const buffer = 8 << 20
	for _, size := range []int{0, 100, 4000, 4301, 7000, 33_001, 70_000} {
		for _, overflow := range []handler.Overflow{handler.ShedByLevel, handler.DropOldest}[:1+size%2] {
			t.Run(fmt.Sprint(size, overflow), func(t *testing.T) {
				text := strings.Repeat("x", size)
				before := heap()
				h := newHandler(t, "amqp://127.0.0.1:9/", handler.Options{Buffer: buffer, Overflow: overflow, Level: slog.LevelDebug})
				l := slog.New(h)
				for i := range 2*buffer/(size+150) + 10 {
					l.Log(t.Context(), slog.Level(4*(i%4)-4), "m", "text", text)
				}
				s := h.Stats()
				if s.Dropped.Shed == 0 || s.PendingBytes > buffer || s.PendingBytes < buffer*8/10 {
					t.Errorf("not full: %+v", s)
				}
				defer discard(h)
				if grown, most := heap()-before, buffer*11/10+2<<20; grown > most {
					t.Errorf("%.1f MiB are in use, want %.1f at most", float64(grown)/(1<<20), float64(most)/(1<<20))
				}
			})
		}
	}
}

// What is on its way to a broker that has stopped can't be shed; what matters more
// finds room all the same.
func TestErrorsFindRoomWhileTheBrokerIsStopped(t *testing.T) {
	for _, opts := range []handler.Options{{}, {Batch: handler.Batch{Records: 100}}, {Batch: handler.Batch{Records: 1000, Bytes: 16 << 20}}, {Buffer: 300_000}} {
		for _, size := range []int{100, 10_000} {
			t.Run(fmt.Sprintf("batch of %d, buffer %d, %d bytes", opts.Batch.Records, opts.Buffer, size), func(t *testing.T) {
				brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
					proxy := b.Proxy(t)
					opts := opts
					opts.Exchange, opts.Level = b.Exchange(t), slog.LevelDebug
					h := newHandler(t, proxy.URL, opts)
					l := slog.New(h)
					l.Info("first")
					if err := h.Flush(soonContext(t)); err != nil {
						t.Fatal(err)
					}
					defer discard(h)
					proxy.Fault(brokertest.ToBroker, brokertest.Fault{Hold: true})
					proxy.Fault(brokertest.ToClient, brokertest.Fault{Hold: true})
					buffer := opts.Buffer
					if buffer == 0 {
						buffer = 8 << 20
					}
					text := strings.Repeat("x", size)
					for range 2 * buffer / (size + 150) {
						l.Debug("d", "text", text)
					}
					errors := buffer / 2 / (size + 250)
					for range errors {
						l.Error("e", "text", text)
					}
					if s := h.Stats(); s.Dropped.Levels.Error > 0 || s.Dropped.Levels.Debug == 0 {
						t.Errorf("of %d errors: %+v", errors, s)
					}
				})
			})
		}
	}
}
