package otelstats

import (
	"log/slog"
	"maps"
	"testing"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/slogcast/slogcast/examples/internal/logged"
)

func TestRegister(t *testing.T) {
	h := logged.Handler(t, func(log *slog.Logger) { log.Info("one"); log.Warn("two") })
	reader := metric.NewManualReader()
	provider := metric.NewMeterProvider(metric.WithReader(reader))
	registration, err := Register(provider.Meter("test"), h)
	if err != nil {
		t.Fatal(err)
	}
	var data metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &data); err != nil {
		t.Fatal(err)
	}
	got := make(map[string]int64)
	for _, scope := range data.ScopeMetrics {
		for _, m := range scope.Metrics {
			sum, ok := m.Data.(metricdata.Sum[int64])
			if !ok {
				continue
			}
			for _, p := range sum.DataPoints {
				cause, _ := p.Attributes.Value("cause")
				got[m.Name+cause.AsString()] = p.Value
			}
		}
	}
	want := map[string]int64{
		"slogcast.records.accepted": 2, "slogcast.records.confirmed": 2, "slogcast.records.unknown": 0,
		"slogcast.records.droppedshed": 0, "slogcast.records.droppedoversize": 0, "slogcast.records.droppedclosed": 0, "slogcast.records.droppedrefused": 0,
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if err := registration.Unregister(); err != nil {
		t.Error(err)
	}
}
