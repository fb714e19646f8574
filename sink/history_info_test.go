package sink_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slogcast/slogcast/internal/brokertest"
	"github.com/slogcast/slogcast/sink"
)

func TestDescribeHistory(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		cfg := sink.Config{URL: b.URL, Exchange: exchange}
		if _, err := sink.DescribeHistory(t.Context(), cfg); !errors.Is(err, sink.ErrNoHistory) {
			t.Errorf("got %v", err)
		}
		keep := sink.Retention{MaxAge: time.Hour, MaxBytes: 100e6}
		if _, err := sink.CreateHistory(t.Context(), cfg, keep); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := sink.DeleteHistory(t.Context(), cfg); err != nil {
				t.Error(err)
			}
		}()
		h, err := sink.DescribeHistory(t.Context(), cfg)
		want := []string{"x-max-age=3600s", "x-max-length-bytes=100000000", "x-queue-type=stream", "x-stream-max-segment-size-bytes=10000000"}
		if err != nil || h.Messages != 0 || h.Name != exchange+".history" || !slices.Equal(h.Arguments, want) || h.NotTold != "" {
			t.Errorf("got %+v, %v", h, err)
		}
		p, first := newProducer(t, b, exchange), time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)
		const n = 600
		size := 0
		for i := range n {
			m := timed(first.Add(time.Duration(i)*time.Second), i)
			size += len(m.Body)
			p.publish(m)
		}
		h, err = sink.DescribeHistory(t.Context(), cfg)
		if err != nil || h.Messages != n || h.FirstOffset != 0 || h.LastOffset != n-1 || !h.First.Equal(first) || !h.Last.Equal(first.Add((n-1)*time.Second)) || h.Bytes < int64(size)*9/10 || h.Bytes > int64(size)*11/10 {
			t.Errorf("got %+v, %v, want %d bytes", h, err, size)
		}
		keep.MaxAge, keep.MaxBytes = 2*time.Hour, 200e6
		differs, err := sink.CreateHistory(t.Context(), cfg, keep)
		if err != nil || !strings.Contains(differs, "x-max-age is 3600s, not 7200s") || !strings.Contains(differs, "x-max-length-bytes is 100000000, not 200000000") {
			t.Errorf("got %q, %v", differs, err)
		}
	})
}

// TestHistoryPermissions says what a user needs who may not.
func TestHistoryPermissions(t *testing.T) {
	brokertest.EachReal(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		name := history(t, b, exchange)
		newProducer(t, b, exchange).publish(numbered(1))
		reader := sink.Config{URL: b.User(t, "^$", "^$", `^`+name+`$`), Exchange: exchange, Queue: sink.Queue{History: true, From: sink.Offset{First: true}}}
		tl := startTail(t, reader)
		tl.wants(`{"n":1}`)
		if err := tl.end(); err != nil {
			t.Error(err)
		}
		h, err := sink.DescribeHistory(t.Context(), reader)
		if err != nil || h.Messages != 1 || !strings.Contains(h.NotTold, "permission to configure "+name) {
			t.Errorf("got %+v, %v", h, err)
		}
		if err := sink.DeleteHistory(t.Context(), reader); err == nil || !strings.Contains(err.Error(), "permission to configure "+name) {
			t.Errorf("delete: got %v", err)
		}
		other := reader
		other.Queue.Name = exchange + ".other"
		if _, err := sink.CreateHistory(t.Context(), other, sink.Retention{}); err == nil || !strings.Contains(err.Error(), "permission") {
			t.Errorf("create: got %v", err)
		}
		nobody := reader
		nobody.URL = b.User(t, "^$", "^$", "^$")
		if err := sink.Tail(t.Context(), nobody, nil); err == nil || !strings.Contains(err.Error(), "permission to read "+name) {
			t.Errorf("tail: got %v", err)
		}
	})
}
