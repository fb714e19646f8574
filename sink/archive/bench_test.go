package archive

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/slogcast/slogcast/sink"
)

// archived writes an archive of about 64 MB, of records as services make them.
func archived(b *testing.B) (path string, size int64) {
	b.Helper()
	path = filepath.Join(b.TempDir(), "app.log")
	start := time.Date(2026, 11, 25, 4, 0, 0, 0, time.UTC)
	var text []byte
	for n := 1; len(text) < 64<<20; n++ {
		text = fmt.Appendf(text, `{"time":%q,"level":"INFO","msg":"order placed for customer","n":%d,"path":"/cart/checkout/items","took":"1.532ms","user":"ann.smith@example.org","ok":true,"@id":"%s/%d","@app":"shop","@host":"web-1"}`+"\n",
			start.Add(time.Duration(n)*time.Millisecond).Format(time.RFC3339Nano), n, producer, n)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		b.Fatal(err)
	}
	return path, int64(len(text))
}

// bodies writes what the producers sent.
type bodies struct {
	w   io.Writer
	buf []byte
}

func (w *bodies) Write(_ context.Context, records []sink.Record) error {
	w.buf = w.buf[:0]
	for i := range records {
		w.buf = append(append(w.buf, records[i].Body...), '\n')
	}
	_, err := w.w.Write(w.buf)
	return err
}

// BenchmarkRead reads an archive and passes the bodies on, as read -o raw does.
func BenchmarkRead(b *testing.B) {
	path, size := archived(b)
	b.SetBytes(size)
	for b.Loop() {
		sources, err := Find(path)
		if err != nil {
			b.Fatal(err)
		}
		if err := Read(b.Context(), sources, ReadOptions{}, &bodies{w: io.Discard}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	path, size := archived(b)
	b.SetBytes(size)
	for b.Loop() {
		sources, err := Find(path)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := Verify(b.Context(), sources, ReadOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWrite appends groups of 500 records, each flushed to disk.
func BenchmarkWrite(b *testing.B) {
	a, err := Open(filepath.Join(b.TempDir(), "app.log"), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer a.Close()
	group := numbered(1, 500)
	for b.Loop() {
		if err := a.Write(b.Context(), group); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(group)*b.N)/b.Elapsed().Seconds(), "records/s")
}
