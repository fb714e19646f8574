package filter

import (
	"log/slog"
	"math"
	"testing"
)

func TestParseLevel(t *testing.T) {
	for _, tt := range []struct {
		text      string
		low, high slog.Level
	}{
		{"trace", -8, math.MaxInt},
		{"debug", slog.LevelDebug, math.MaxInt},
		{"Info", slog.LevelInfo, math.MaxInt},
		{"notice", 2, math.MaxInt},
		{"warning", slog.LevelWarn, math.MaxInt},
		{"err", slog.LevelError, math.MaxInt},
		{"critical", 12, math.MaxInt},
		{"INFO+2", 2, math.MaxInt},
		{"debug-4", -8, math.MaxInt},
		{"debug..info", slog.LevelDebug, slog.LevelInfo},
		{" info+1 .. warn-1 ", 1, 3},
		{"warn..", slog.LevelWarn, math.MaxInt},
		{"..warn", math.MinInt, slog.LevelWarn},
	} {
		low, high, err := ParseLevel(tt.text)
		if err != nil || low != tt.low || high != tt.high {
			t.Errorf("%q: got %d, %d, %v, want %d, %d", tt.text, low, high, err, tt.low, tt.high)
		}
	}
	for _, text := range []string{"", "..", "warn+", "+2", "info..debug", "a..b..c", "info+99999999999999999999", "4"} {
		if low, high, err := ParseLevel(text); err == nil {
			t.Errorf("%q: got %d, %d, want an error", text, low, high)
		}
	}
}
