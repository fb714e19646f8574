package handler_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/slogcast/slogcast/handler"
	"github.com/slogcast/slogcast/internal/brokertest"
)

// Nobody waits for a linger's end: not Flush, not Close, not a full message, and not
// a buffer that is half full.
func TestLingerEndsAtOnce(t *testing.T) {
	linger := handler.Batch{Records: 100, Linger: time.Hour}
	for name, tt := range map[string]struct {
		opts handler.Options
		do   func(t *testing.T, h *handler.Handler)
	}{
		"Close": {handler.Options{Batch: linger}, func(t *testing.T, h *handler.Handler) { slog.New(h).Info("m") }},
		"Flush": {handler.Options{Batch: linger}, func(t *testing.T, h *handler.Handler) {
			for range 3 {
				slog.New(h).Info("m")
				if err := h.Flush(soonContext(t)); err != nil {
					t.Fatal(err)
				}
			}
		}},
		"Records": {handler.Options{Batch: linger}, func(t *testing.T, h *handler.Handler) {
			for range 100 {
				slog.New(h).Info("m")
			}
			awaitConfirmed(t, h, 100)
		}},
		"Bytes": {handler.Options{Batch: handler.Batch{Records: 100, Bytes: 1000, Linger: time.Hour}}, func(t *testing.T, h *handler.Handler) {
			for range 20 {
				slog.New(h).Info("m", "text", strings.Repeat("x", 100))
			}
			awaitConfirmed(t, h, 1)
		}},
		"half a buffer": {handler.Options{Buffer: 100_000, Batch: handler.Batch{Records: 100_000, Linger: time.Hour}}, func(t *testing.T, h *handler.Handler) {
			for range 600 {
				slog.New(h).Info("m", "text", strings.Repeat("x", 250))
				for s := h.Stats(); s.PendingBytes > 80_000; s = h.Stats() { // an idle broker is quicker
				}
			}
			if s := h.Stats(); s.Dropped.Total() > 0 {
				t.Errorf("got %+v", s)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
				opts := tt.opts
				opts.Exchange = b.Exchange(t)
				h := newHandler(t, b.URL, opts)
				tt.do(t, h)
				closeClean(t, h)
				if s := h.Stats(); s.Confirmed != s.Accepted {
					t.Errorf("got %+v", s)
				}
			})
		})
	}
}

// awaitConfirmed waits until so many records are confirmed.
func awaitConfirmed(t *testing.T, h *handler.Handler, n uint64) {
	t.Helper()
	late := time.After(soon)
	for poll := time.Tick(time.Millisecond); h.Stats().Confirmed < n; {
		select {
		case <-poll:
		case <-late:
			t.Fatalf("got %+v, want %d confirmed", h.Stats(), n)
		}
	}
}

// Without confirms, Close and Flush still wait until the broker has read all.
func TestUnconfirmedEndsWithTheBrokersWord(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		messages := receiver(t, b, exchange, nil)
		proxy := b.Proxy(t)
		proxy.Fault(brokertest.ToBroker, brokertest.Fault{Rate: 400_000})
		h := newHandler(t, proxy.URL, handler.Options{Exchange: exchange, Unconfirmed: true})
		const n = 1000
		for i := range n {
			slog.New(h).Info("m", "i", i, "text", strings.Repeat("x", 500))
			if i == n/2 {
				if err := h.Flush(soonContext(t)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := h.Close(soonContext(t)); err != nil {
			t.Fatal(err)
		}
		seen := map[string]int{}
		receive(t, messages, seen, n)
		if s := h.Stats(); s.Unknown != n || s.Dropped.Total() != 0 || s.PendingRecords != 0 {
			t.Errorf("got %+v", s)
		}
	})
}

// A connection that is lost before the broker's word is told.
func TestUnconfirmedRecordsThatMayBeLostAreTold(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		proxy := b.Proxy(t)
		h := newHandler(t, proxy.URL, handler.Options{Exchange: b.Exchange(t), Unconfirmed: true})
		slog.New(h).Info("first")
		if err := h.Flush(soonContext(t)); err != nil {
			t.Fatal(err)
		}
		proxy.Fault(brokertest.ToBroker, brokertest.Fault{Hole: true})
		for range 10 {
			slog.New(h).Info("vanishes")
		}
		late := time.After(soon)
		for poll := time.Tick(time.Millisecond); h.Stats().Unknown < 11; {
			select {
			case <-poll:
			case <-late:
				t.Fatalf("got %+v", h.Stats())
			}
		}
		failed := make(chan error, 1)
		go func() { failed <- h.Close(soonContext(t)) }()
		proxy.Cut()
		if err := <-failed; err == nil || !strings.Contains(err.Error(), "10 records that nobody confirms") && !strings.Contains(err.Error(), "10 unconfirmed records") {
			t.Errorf("got %v", err)
		}
	})
}

// What has not been written to the network can't have reached the broker.
func TestCloseTellsWhatWasPublishedFromWhatWasNot(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		proxy := b.Proxy(t)
		h := newHandler(t, proxy.URL, handler.Options{Exchange: b.Exchange(t)})
		slog.New(h).Info("first")
		if err := h.Flush(soonContext(t)); err != nil {
			t.Fatal(err)
		}
		proxy.Down()
		for range 5 {
			slog.New(h).Info("left")
		}
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		err := h.Close(ctx)
		s := h.Stats()
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("5 records left, %d of them published", s.Unknown)) || s.Unknown+s.Dropped.Closed != 5 {
			t.Errorf("got %v, %+v", err, s)
		}
	})
}

// A Close beside another ends with its own context, whatever that of the other is.
func TestCloseBesideAnother(t *testing.T) {
	h := newHandler(t, "amqp://127.0.0.1:9/", handler.Options{})
	slog.New(h).Info("m")
	long, end := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() { first <- h.Close(long) }()
	for h.Handle(t.Context(), slog.Record{}) == nil { // until it has begun
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Close(ended); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "another call") {
		t.Errorf("got %v", err)
	}
	end()
	err := <-first
	if again := h.Close(ended); err == nil || again != err {
		t.Errorf("got %v, then %v", err, again)
	}
}

func TestNoContext(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		h := newHandler(t, b.URL, handler.Options{Exchange: b.Exchange(t)})
		slog.New(h).Info("m")
		var none context.Context
		if err := errors.Join(h.Flush(none), h.Close(none)); err != nil || h.Stats().Confirmed != 1 {
			t.Errorf("got %v, %+v", err, h.Stats())
		}
	})
}
