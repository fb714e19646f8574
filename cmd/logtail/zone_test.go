package main

import (
	"testing"
	"time"
)

func TestPOSIXZones(t *testing.T) {
	winter, summer := time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC), time.Date(2026, 7, 15, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct{ rule, winter, summer string }{
		{"<+03>-3", "15:00 +03", "15:00 +03"},
		{"<-0330>3:30", "08:30 -0330", "08:30 -0330"},
		{"EST5", "07:00 EST", "07:00 EST"},
		{"UTC0", "12:00 UTC", "12:00 UTC"},
		{"CET-1CEST,M3.5.0,M10.5.0/3", "13:00 CET", "14:00 CEST"},
		{"EST5EDT", "07:00 EST", "08:00 EDT"},
	} {
		zone := posixZone(tt.rule)
		if zone == nil {
			t.Errorf("%s is not understood", tt.rule)
			continue
		}
		const layout = "15:04 MST"
		if w, s := winter.In(zone).Format(layout), summer.In(zone).Format(layout); w != tt.winter || s != tt.summer {
			t.Errorf("%s: got %q and %q, want %q and %q", tt.rule, w, s, tt.winter, tt.summer)
		}
	}
	for _, rule := range []string{"Mars/Olympus", "?", "+3", "<+03", "ab1", "CET-1\nUTC0"} {
		if zone := posixZone(rule); zone != nil {
			t.Errorf("%q: got %v, want nothing", rule, time.Unix(0, 0).In(zone))
		}
	}
}
