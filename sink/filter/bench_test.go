package filter

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

// benchmarkLines are records of seven attributes as a handler writes them, one a
// line.
func benchmarkLines(n int) []byte {
	var b bytes.Buffer
	h := slog.NewJSONHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug})
	levels := []slog.Level{slog.LevelInfo, slog.LevelInfo, slog.LevelDebug, slog.LevelWarn, slog.LevelError}
	at := time.Date(2026, 11, 23, 1, 2, 3, 456789012, time.UTC)
	for i := range n {
		r := slog.NewRecord(at.Add(time.Duration(i)*time.Millisecond), levels[i%len(levels)], "request served", 0)
		r.AddAttrs(slog.String("method", "GET"), slog.String("path", fmt.Sprintf("/users/%d", i)), slog.Int("status", 200+i%400),
			slog.Duration("took", 1234567), slog.Float64("ratio", 0.75), slog.Bool("cached", true), slog.String("agent", "curl/8.0 (x86_64)"))
		_ = h.Handle(context.Background(), r)
	}
	return b.Bytes()
}

// BenchmarkPass filters lines of an archive in memory: MB/s of lines.
func BenchmarkPass(b *testing.B) {
	lines := bytes.SplitAfter(bytes.TrimSpace(benchmarkLines(1000)), []byte{'\n'})
	for _, bb := range []struct {
		name string
		o    Options
	}{
		{"none", Options{}},
		{"level", Options{Level: "warn"}},
		{"grep", Options{Grep: []string{"users/99"}}},
		{"field", Options{Field: []string{"status >= 500"}}},
		{"where", Options{Where: []string{`status >= 500`}}},
		{"where=level", Options{Where: []string{`level >= "warn" and took > "1ms" and path startsWith "/users/9"`}}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			f := compile(b, bb.o)
			var r sink.Record
			i := 0
			b.SetBytes(int64(len(lines[0])))
			b.ReportAllocs()
			for b.Loop() {
				r.SetLine(lines[i%len(lines)])
				f.Pass(&r)
				i++
			}
		})
	}
}

// BenchmarkAgainstJQ filters a file as logtail read -w does, and has jq select
// the same lines on the same machine; x-jq is how many times as fast it is.
func BenchmarkAgainstJQ(b *testing.B) {
	jq, err := exec.LookPath("jq")
	if err != nil {
		b.Skip("there is no jq to measure against")
	}
	name := filepath.Join(b.TempDir(), "lines")
	if err := os.WriteFile(name, benchmarkLines(100_000), 0o600); err != nil {
		b.Fatal(err)
	}
	for _, bb := range []struct{ name, where, jq string }{
		{"number", `status >= 500`, `select(.status >= 500)`},
		{"text", `path startsWith "/users/99"`, `select(.path | startswith("/users/99"))`},
		{"level", `level == "ERROR" and status > 300`, `select(.level == "ERROR" and .status > 300)`},
	} {
		b.Run(bb.name, func(b *testing.B) {
			start := time.Now()
			want, err := exec.Command(jq, "-c", bb.jq, name).Output()
			if err != nil {
				b.Fatal(err)
			}
			theirs := time.Since(start)
			f := compile(b, Options{Where: []string{bb.where}})
			got := 0
			for b.Loop() {
				got = filterFile(b, name, f)
			}
			if n := bytes.Count(want, []byte{'\n'}); got != n {
				b.Fatalf("got %d records, jq has %d", got, n)
			}
			b.ReportMetric(theirs.Seconds()/(b.Elapsed().Seconds()/float64(b.N)), "x-jq")
		})
	}
}

func filterFile(b *testing.B, name string, f *Filter) (passed int) {
	file, err := os.Open(name)
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	in, out := bufio.NewReaderSize(file, 1<<16), bufio.NewWriter(io.Discard)
	var r sink.Record
	rejects := f.Rejects()
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return passed
		}
		if rejects(line) {
			continue
		}
		if r.SetLine(line); f.Pass(&r) {
			passed++
			_, _ = out.Write(line)
		}
	}
}
