package sink_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/slogcast/slogcast/internal/brokertest"
	"github.com/slogcast/slogcast/sink"
)

func TestHistoryIsCreatedAndDeleted(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		cfg := sink.Config{URL: b.URL, Exchange: exchange}
		keep := sink.Retention{MaxAge: time.Hour, MaxBytes: 100e6}
		for range 2 {
			if differs, err := sink.CreateHistory(t.Context(), cfg, keep); err != nil || differs != "" {
				t.Fatalf("got %q, %v", differs, err)
			}
		}
		newProducer(t, b, exchange).publish(numbered(1))
		cfg.Queue = sink.Queue{History: true, From: sink.Offset{First: true}}
		tl := startTail(t, cfg)
		if got := tl.record(); got != `{"n":1}` {
			t.Errorf("got %s", got)
		}
		if err := tl.end(); err != nil {
			t.Error(err)
		}
		keep.MaxAge = 2 * time.Hour
		if differs, err := sink.CreateHistory(t.Context(), cfg, keep); err != nil || !strings.Contains(differs, "x-max-age") {
			t.Errorf("got %q, %v", differs, err)
		}
		if err := sink.DeleteHistory(t.Context(), cfg); err != nil {
			t.Error(err)
		}
		if err := sink.DeleteHistory(t.Context(), cfg); !errors.Is(err, sink.ErrNoHistory) {
			t.Errorf("got %v", err)
		}
	})
}
