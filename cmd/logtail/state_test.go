package main

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/slogcast/slogcast/sink"
)

func TestStateLine(t *testing.T) {
	start := time.Date(2026, 11, 25, 4, 0, 0, 0, time.UTC)
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	s := state{began: start}
	pass := s.counting(func(r *sink.Record) bool { return r.App != "hidden" }, true)
	come := func(second int, app, line string) {
		r := sink.ParseLine([]byte(line))
		r.App, r.Received = app, at(second)
		if got, want := pass(&r), app != "hidden"; got != want {
			t.Errorf("%s passes: got %v", app, got)
		}
	}
	for _, step := range []struct {
		do     func()
		second int
		want   string
	}{
		{func() {}, 0, "connecting"},
		{func() { s.note(sink.Notice{Lost: errors.New("refused"), Retry: 4 * time.Second}, at(1)) }, 2, "waiting for the broker: attempt 2, next in 3s"},
		{func() { s.note(sink.Notice{Connected: "amqp://h/"}, at(3)) }, 4, "▁▁▁▁▁▁▁▁▁▁▁ 0.0/s · 0 records"},
		{func() {
			for range 8 {
				come(4, "web", `{"level":"INFO","msg":"m"}`)
			}
			come(5, "web", `{"level":"ERROR","msg":"m"}`)
			come(5, "hidden", `{"level":"WARN","msg":"m"}`)
		}, 6, "▁▁▁▁▁▁▁▁▁█▂ 1.8/s · 9 of 10 records · error 1"},
		{func() { s.note(sink.Notice{Gap: &sink.Gap{First: 3, Last: 7}}, at(6)) }, 12, "▁▁▁█▂▁▁▁▁▁▁ 0.0/s · 9 of 10 records · error 1 · 5 missing · quiet for 7s"},
		{func() { n := 4321; s.note(sink.Notice{Behind: &n}, at(12)) }, 12, "▁▁▁█▂▁▁▁▁▁▁ 0.0/s · 9 of 10 records · error 1 · 5 missing · behind by 4321 · quiet for 7s"},
		{func() { n := 0; s.note(sink.Notice{Behind: &n}, at(13)) }, 3600, "▁▁▁▁▁▁▁▁▁▁▁ 0.0/s · 9 of 10 records · error 1 · 5 missing · quiet for 59m55s"},
	} {
		step.do()
		if got := s.line(at(step.second)); got != step.want {
			t.Errorf("after %d s: got %q, want %q", step.second, got, step.want)
		}
	}
	const want = "10 records in 1h0m0s, 9 of them shown or kept, 0.0/s now, info 8, error 1; 1 gap with 5 missing; connected to amqp://h/ for 59m57s; the last record came 59m55s ago"
	if got := s.numbers(at(3600)); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLevelIndex(t *testing.T) {
	for level, want := range map[slog.Level]string{-100: "debug", slog.LevelDebug: "debug", -1: "debug", slog.LevelInfo: "info", 3: "info", slog.LevelWarn: "warn", slog.LevelError: "error", 100: "error"} {
		if got := levelNames[levelIndex(level)]; got != want {
			t.Errorf("%d: got %s, want %s", level, got, want)
		}
	}
}

// TestRecentTakesAnyTime has the clock go back, and jump.
func TestRecentTakesAnyTime(t *testing.T) {
	var r recent
	now := time.Unix(1_800_000_000, 0)
	for _, d := range []time.Duration{0, -time.Hour, 3 * time.Second, 24 * 365 * time.Hour, -time.Minute} {
		r.add(now.Add(d))
		if n := len([]rune(r.sparkline(now.Add(d)))); n != len(r.counts)-1 {
			t.Errorf("after %v: %d bars", d, n)
		}
	}
}

func TestShortRate(t *testing.T) {
	for rate, want := range map[float64]string{0: "0.0", 3.25: "3.2", 99.9: "99.9", 100.4: "100", 10_000: "10000", 123_456: "123456"} {
		if got := shortRate(rate); got != want {
			t.Errorf("%v: got %s, want %s", rate, got, want)
		}
	}
}
