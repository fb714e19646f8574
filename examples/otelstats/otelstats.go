// Package otelstats tells OpenTelemetry what became of a program's records.
package otelstats

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/slogcast/slogcast/handler"
)

// Register has a meter observe the counts of a handler, all of one instant, until
// the registration is undone.
func Register(m metric.Meter, h *handler.Handler) (metric.Registration, error) {
	var err error
	counter := func(name, help string) metric.Int64ObservableCounter {
		c, e := m.Int64ObservableCounter(name, metric.WithDescription(help), metric.WithUnit("{record}"))
		if err == nil {
			err = e
		}
		return c
	}
	accepted := counter("slogcast.records.accepted", "records given to the handler")
	confirmed := counter("slogcast.records.confirmed", "records that the broker has taken")
	dropped := counter("slogcast.records.dropped", "records that are lost, by cause")
	unknown := counter("slogcast.records.unknown", "records given up before the broker answered")
	if err != nil {
		return nil, err
	}
	pending, err := m.Int64ObservableGauge("slogcast.buffer.usage", metric.WithDescription("bytes of the buffer that are in use"), metric.WithUnit("By"))
	if err != nil {
		return nil, err
	}
	cause := func(name string) metric.MeasurementOption {
		return metric.WithAttributes(attribute.String("cause", name))
	}
	shed, oversize, closed, refused := cause("shed"), cause("oversize"), cause("closed"), cause("refused")
	return m.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		s := h.Stats()
		o.ObserveInt64(accepted, int64(s.Accepted))
		o.ObserveInt64(confirmed, int64(s.Confirmed))
		o.ObserveInt64(unknown, int64(s.Unknown))
		o.ObserveInt64(pending, int64(s.PendingBytes))
		o.ObserveInt64(dropped, int64(s.Dropped.Shed), shed)
		o.ObserveInt64(dropped, int64(s.Dropped.Oversize), oversize)
		o.ObserveInt64(dropped, int64(s.Dropped.Closed), closed)
		o.ObserveInt64(dropped, int64(s.Dropped.Refused), refused)
		return nil
	}, accepted, confirmed, dropped, unknown, pending)
}
