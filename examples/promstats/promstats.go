// Package promstats tells Prometheus what became of a program's records.
package promstats

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/slogcast/slogcast/handler"
)

// collector is a prometheus.Collector of one handler. All numbers of a scrape are
// of one instant.
type collector struct {
	h *handler.Handler

	accepted, confirmed, dropped, unknown  *prometheus.Desc
	records, bytes, connected, connections *prometheus.Desc
}

// NewCollector returns a collector for one handler, to be registered once. Names
// begin with slogcast_; the app's name is a label of all.
func NewCollector(h *handler.Handler, app string) prometheus.Collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("slogcast_"+name, help, labels, prometheus.Labels{"app": app})
	}
	return &collector{
		h:           h,
		accepted:    desc("records_accepted_total", "Records given to the handler."),
		confirmed:   desc("records_confirmed_total", "Records that the broker has taken."),
		dropped:     desc("records_dropped_total", "Records that are lost, by cause.", "cause"),
		unknown:     desc("records_unknown_total", "Records that were published, and given up before the broker answered."),
		records:     desc("pending_records", "Records in the buffer, those on their way included."),
		bytes:       desc("pending_bytes", "Bytes of the buffer that are in use."),
		connected:   desc("connected", "Whether there is a connection to the broker."),
		connections: desc("reconnects_total", "Connections after the first."),
	}
}

func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.accepted, c.confirmed, c.dropped, c.unknown, c.records, c.bytes, c.connected, c.connections} {
		ch <- d
	}
}

func (c *collector) Collect(ch chan<- prometheus.Metric) {
	s := c.h.Stats()
	counter := func(d *prometheus.Desc, n uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	gauge := func(d *prometheus.Desc, n int) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n))
	}
	counter(c.accepted, s.Accepted)
	counter(c.confirmed, s.Confirmed)
	counter(c.dropped, s.Dropped.Shed, "shed")
	counter(c.dropped, s.Dropped.Oversize, "oversize")
	counter(c.dropped, s.Dropped.Closed, "closed")
	counter(c.dropped, s.Dropped.Refused, "refused")
	counter(c.unknown, s.Unknown)
	counter(c.connections, s.Reconnects)
	gauge(c.records, s.PendingRecords)
	gauge(c.bytes, s.PendingBytes)
	connected := 0
	if s.Connected {
		connected = 1
	}
	gauge(c.connected, connected)
}
