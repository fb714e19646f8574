package tui

import (
	"fmt"
	"slices"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/slogcast/slogcast/cmd/logtail/internal/view"
	"github.com/slogcast/slogcast/sink/render"
)

// BenchmarkKey measures the time from a key to the screen, without the terminal,
// with a million rows in the ring, 10,000 more a second, and a filter that has
// just been changed: its rows are still being looked at.
func BenchmarkKey(b *testing.B) {
	p := sit(b, 160, 50, func(c *Config) {
		c.Ring = view.New(1 << 30)
		c.Render = render.Options{Color: true, Now: time.Now}
	})
	for p.n < 1_000_000 {
		p.write([]string{"web", "worker", "cron"}[p.n%3], []string{"DEBUG", "INFO", "WARN", "ERROR"}[p.n%4], "request served",
			fmt.Sprintf(`,"method":"GET","path":"/users/%d","status":%d,"took":1234567,"ratio":0.75,"cached":true,"agent":"curl/8.0 (x86_64)"`, p.n, 200+p.n%400))
	}
	p.look()
	keys := []string{"k", "pgup", "enter", "j", "home", "end", "e", "n", "1", "c", "c", "w", "o", "o", "h", "l"}
	filters := []string{`status >= 599 and path matches "99$"`, `-g users/12345`, ``}
	p.press("/", "'agent", "enter")
	var took []time.Duration
	keyed := 0
	for b.Loop() {
		// What comes in between two frames.
		for range 200 {
			p.write("web", "INFO", "more", "")
		}
		if keyed%20 == 0 {
			p.setFilter(filters[keyed/20%len(filters)])
		}
		start := time.Now()
		// At worst a slice of work has just begun.
		p.Update(workMsg{})
		p.View()
		p.Update(keyOf(keys[keyed%len(keys)]))
		p.View()
		took = append(took, time.Since(start))
		keyed++
		p.Update(tea.Msg(rowsMsg{}))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms-p50")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "ms-p99")
	b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "ms-max")
}
