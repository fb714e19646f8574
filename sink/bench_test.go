package sink

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
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

// BenchmarkRender renders an archive, against jq -c . on the same file, jq's
// start included. On one core:
//
//	go test ./sink -run '^$' -bench Render -cpu 1 -count 5
func BenchmarkRender(b *testing.B) {
	const records = 100_000
	path := filepath.Join(b.TempDir(), "archive")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	w := bufio.NewWriter(f)
	for _, body := range served(records) {
		w.Write((&Record{Body: body, App: "web", Host: "h", Producer: "01a20621-6d67-77e1-943f-5c3a6f50edb6", Seq: 1, object: true}).AppendLine(nil))
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	f.Close()
	for _, color := range []bool{false, true} {
		b.Run(fmt.Sprintf("r=slogcast/color=%t", color), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				render(b, path, NewTerminal(io.Discard, TerminalOptions{Color: color}))
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
	var batch []Record
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
		batch = append(batch, Record{Body: body, App: "web", object: isObject(body)})
		if len(batch) == 128 {
			flush()
		}
	}
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

// BenchmarkObject looks whether a body is an object, against encoding/json.
func BenchmarkObject(b *testing.B) {
	body := served(1)[0]
	b.Run("f=slogcast", func(b *testing.B) {
		for b.Loop() {
			isObject(body)
		}
	})
	b.Run("f=json", func(b *testing.B) {
		for b.Loop() {
			json.Valid(body)
		}
	})
}
