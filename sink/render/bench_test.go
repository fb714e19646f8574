package render

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/slogcast/slogcast/sink"
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

// line returns the body as a line of an archive.
func line(body []byte) []byte {
	r := sink.ParseLine(body)
	r.App, r.Host, r.Producer, r.Seq = "web", "h", "01a20621-6d67-77e1-943f-5c3a6f50edb6", 1
	return r.AppendLine(nil)
}

// BenchmarkRender renders an archive, against jq -c . on the same file, jq's
// start included. On one core:
//
//	go test ./sink/render -run '^$' -bench Render -cpu 1 -count 5
func BenchmarkRender(b *testing.B) {
	const records = 100_000
	path := filepath.Join(b.TempDir(), "archive")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	w := bufio.NewWriter(f)
	for _, body := range served(records) {
		w.Write(line(body))
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	f.Close()
	for _, color := range []bool{false, true} {
		b.Run(fmt.Sprintf("r=slogcast/color=%t", color), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				render(b, path, New(io.Discard, Options{Color: color, Now: func() time.Time { return at }}))
			}
			b.ReportMetric(records*float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
	b.Run("r=jq", func(b *testing.B) {
		for b.Loop() {
			if err := exec.Command("jq", "-c", ".", path).Run(); err != nil {
				b.Skip("jq: ", err)
			}
		}
		b.ReportMetric(records*float64(b.N)/b.Elapsed().Seconds(), "records/s")
	})
}

// render reads the file and renders its lines, as many at a time as a tail does.
func render(b *testing.B, path string, t *Terminal) {
	f, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, 64<<10)
	batch := make([]sink.Record, 0, 128)
	var text []byte
	flush := func() {
		if err := t.Write(context.Background(), batch); err != nil {
			b.Fatal(err)
		}
		batch, text = batch[:0], text[:0]
	}
	for {
		line, err := in.ReadSlice('\n')
		if err == io.EOF {
			flush()
			return
		}
		if err != nil {
			b.Fatal(err)
		}
		start := len(text)
		text = append(text, line...)
		body := text[start:]
		batch = batch[:len(batch)+1]
		r := &batch[len(batch)-1]
		r.SetLine(body)
		r.App = "web"
		if len(batch) == 128 {
			flush()
		}
	}
}
