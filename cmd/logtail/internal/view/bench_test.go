package view

import (
	"context"
	"testing"
	"time"

	"github.com/slogcast/slogcast/sink"
	"github.com/slogcast/slogcast/sink/filter"
)

// full returns a ring of the default size that is full.
func full(b *testing.B) *Ring {
	ring := New(256 << 20)
	batch := make([]sink.Record, 1000)
	for n := 0; ring.Stats().First == 1; n += len(batch) {
		for i := range batch {
			batch[i] = numbered(n+i, "")
		}
		write(b, ring, batch...)
	}
	b.ReportMetric(float64(ring.Stats().Next-ring.Stats().First), "rows")
	return ring
}

func BenchmarkWrite(b *testing.B) {
	ring := New(256 << 20)
	batch := make([]sink.Record, 100)
	for i := range batch {
		batch[i] = numbered(i, "")
	}
	for b.Loop() {
		for i := range batch {
			batch[i].Unpack(batch[i].Pack(nil)) // not decoded yet
		}
		write(b, ring, batch...)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(batch)), "ns/record")
}

// BenchmarkScan is a look at all of a full ring, per row.
func BenchmarkScan(b *testing.B) {
	ring := full(b)
	for name, o := range map[string]filter.Options{
		"fatal": {Level: "fatal"}, "minute": {Since: began, Until: began.Add(time.Minute)}, "grep": {Grep: []string{"needle"}},
	} {
		query, err := NewQuery(o)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			s := ring.Stats()
			for b.Loop() {
				c := ring.Cursor(s.First, query)
				for _, ok := c.Next(); ok; _, ok = c.Next() {
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(s.Next-s.First), "ns/row")
		})
	}
	b.Run("histogram", func(b *testing.B) {
		s := ring.Stats()
		for b.Loop() {
			ring.Cursor(s.First, nil).Histogram(context.Background(), time.Second, -1)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(s.Next-s.First), "ns/row")
	})
}
