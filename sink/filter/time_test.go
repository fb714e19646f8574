package filter

import (
	"testing"
	"time"
)

func TestParseTime(t *testing.T) {
	zone := time.FixedZone("", 2*3600)
	now := time.Date(2026, 11, 25, 9, 30, 0, 0, zone)
	at := func(y, m, d, h, min, s int) time.Time { return time.Date(y, time.Month(m), d, h, min, s, 0, zone) }
	for _, tt := range []struct {
		text string
		want time.Time
	}{
		{"now", now},
		{"15m", now.Add(-15 * time.Minute)},
		{"1h30m ago", now.Add(-90 * time.Minute)},
		{"-15m", now.Add(-15 * time.Minute)},
		{"2d", now.Add(-48 * time.Hour)},
		{"1w1d12h", now.Add(-204 * time.Hour)},
		{"today", at(2026, 11, 25, 0, 0, 0)},
		{"Yesterday", at(2026, 11, 24, 0, 0, 0)},
		{"2026-11-20", at(2026, 11, 20, 0, 0, 0)},
		{"2026-11-20 08:15", at(2026, 11, 20, 8, 15, 0)},
		{"2026-11-20T08:15:01", at(2026, 11, 20, 8, 15, 1)},
		{"2026-11-20 08:15:01", at(2026, 11, 20, 8, 15, 1)},
		{"2026-11-20T06:15:01Z", at(2026, 11, 20, 8, 15, 1)},
		{"2026-11-20t06:15:01z", at(2026, 11, 20, 8, 15, 1)},
		{"2026-11-20 06:15:01,000+00:00", at(2026, 11, 20, 8, 15, 1)},
		{"2026-11-20T06:15:01+0000", at(2026, 11, 20, 8, 15, 1)},
		{"08:15", at(2026, 11, 25, 8, 15, 0)},
		{"08:15:01", at(2026, 11, 25, 8, 15, 1)},
	} {
		got, err := ParseTime(tt.text, now, zone)
		if err != nil || !got.Equal(tt.want) {
			t.Errorf("%q: got %v, %v, want %v", tt.text, got, err, tt.want)
		}
	}
	for _, text := range []string{"", "soon", "15", "d", "-", "2026-13-01", "2026-11-20 25:00", "1e9d", "9999999999w", "1d-2h", "5x"} {
		if got, err := ParseTime(text, now, zone); err == nil {
			t.Errorf("%q: got %v, want an error", text, got)
		}
	}
}
