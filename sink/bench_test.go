package sink

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"
)

// served are records of seven attributes as a handler sends them.
func served(n int) (bodies [][]byte) {
	levels := []slog.Level{slog.LevelInfo, slog.LevelInfo, slog.LevelDebug, slog.LevelWarn, slog.LevelError}
	at := time.Date(2026, 11, 23, 1, 2, 3, 456789012, time.UTC)
	for i := range n {
		var b bytes.Buffer
		r := slog.NewRecord(at.Add(time.Duration(i)*time.Millisecond), levels[i%len(levels)], "request served", 0)
		r.AddAttrs(slog.String("method", "GET"), slog.String("path", fmt.Sprintf("/users/%d", i)), slog.Int("status", 200),
			slog.Duration("took", 1234567), slog.Float64("ratio", 0.75), slog.Bool("cached", true), slog.String("agent", "curl/8.0 (x86_64)"))
		_ = slog.NewJSONHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug}).Handle(context.Background(), r)
		bodies = append(bodies, bytes.TrimSuffix(b.Bytes(), []byte{'\n'}))
	}
	return bodies
}

// BenchmarkLine appends archive lines.
func BenchmarkLine(b *testing.B) {
	r := Record{Body: served(1)[0], App: "web", Host: "h", Producer: "01a20621-6d67-77e1-943f-5c3a6f50edb6", Seq: 1, object: true}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = r.AppendLine(buf[:0])
	}
}

// BenchmarkReadLine reads archive lines: their number alone, or the record.
func BenchmarkReadLine(b *testing.B) {
	r := Record{Body: served(1)[0], App: "web", Host: "h", Producer: "01a20621-6d67-77e1-943f-5c3a6f50edb6", Seq: 1, object: true}
	line := r.AppendLine(nil)
	b.Run("id", func(b *testing.B) {
		b.SetBytes(int64(len(line)))
		b.ReportAllocs()
		for b.Loop() {
			LineID(line)
		}
	})
	for name, read := range map[string]func(*Record){"record": func(*Record) {}, "decoded": func(r *Record) { r.Level() }} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(line)))
			b.ReportAllocs()
			var again Record
			buf := make([]byte, len(line))
			for b.Loop() {
				copy(buf, line)
				again.SetLine(buf)
				read(&again)
			}
		})
	}
}
