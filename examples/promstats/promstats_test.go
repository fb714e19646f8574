package promstats

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/slogcast/slogcast/examples/internal/logged"
)

func TestCollector(t *testing.T) {
	h := logged.Handler(t, func(log *slog.Logger) { log.Info("one"); log.Warn("two") })
	const want = `
# HELP slogcast_connected Whether there is a connection to the broker.
# TYPE slogcast_connected gauge
slogcast_connected{app="shop"} 1
# HELP slogcast_records_confirmed_total Records that the broker has taken.
# TYPE slogcast_records_confirmed_total counter
slogcast_records_confirmed_total{app="shop"} 2
# HELP slogcast_records_dropped_total Records that are lost, by cause.
# TYPE slogcast_records_dropped_total counter
slogcast_records_dropped_total{app="shop",cause="closed"} 0
slogcast_records_dropped_total{app="shop",cause="oversize"} 0
slogcast_records_dropped_total{app="shop",cause="refused"} 0
slogcast_records_dropped_total{app="shop",cause="shed"} 0
`
	c := NewCollector(h, "shop")
	if err := testutil.CollectAndCompare(c, strings.NewReader(want), "slogcast_connected", "slogcast_records_confirmed_total", "slogcast_records_dropped_total"); err != nil {
		t.Error(err)
	}
	if problems, err := testutil.CollectAndLint(c); err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
}
