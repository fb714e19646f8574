package tui

import (
	"fmt"
	"testing"
	"time"
)

func TestHistogram(t *testing.T) {
	day := func(seconds int) uint32 { return uint32(noon.Unix()) + uint32(seconds) }
	for _, test := range []struct {
		seconds []uint32
		now     time.Time
		columns int
		want    string
	}{
		{nil, noon, 5, `0 "     "`},
		{[]uint32{day(0), day(1), day(1)}, time.Time{}, 5, `1 "   ▄█"`},
		{[]uint32{day(0), day(1), day(1)}, noon.Add(3 * time.Second), 5, `1 " ▄█  "`},
		{[]uint32{day(0), day(3600)}, time.Time{}, 5, `900 "█   █"`},
		{[]uint32{day(0), day(10 * 365 * 24 * 3600)}, time.Time{}, 3, `2592000 "  █"`},
		{[]uint32{0, day(0)}, time.Time{}, 1, `1 "█"`}, // the other one has no time
		// Few clocks are wrong; they do not make one column of all others.
		{append([]uint32{1, day(40 * 365 * 24 * 3600)}, day(0), day(1), day(2), day(3), day(4), day(4), day(5), day(6), day(7), day(7)), time.Time{}, 8, `1 "▄▄▄▄█▄▄█"`},
	} {
		f, x := newFacts(1), index{}
		x.restart(1)
		for _, s := range test.seconds {
			f.apps, f.count = []string{""}, []int{0}
			x.newer = append(x.newer, f.next())
			f.of = append(f.of, fact{second: s, level: levelInfo})
		}
		h := histogram{}
		h.count(&f, &x, test.columns, test.now)
		step := h.step
		if len(test.seconds) == 0 {
			step = 0
		}
		if got := fmt.Sprintf("%d %q", step, string(h.line(sum))); got != test.want {
			t.Errorf("%v: got %s, want %s", test.seconds, got, test.want)
		}
	}
}
