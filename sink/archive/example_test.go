package archive_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/slogcast/slogcast/sink"
	"github.com/slogcast/slogcast/sink/archive"
)

// worst prints what is worse than a warning.
type worst struct{}

func (worst) Write(_ context.Context, records []sink.Record) error {
	for i := range records {
		r := &records[i]
		if level, known := r.Level(); known && level <= slog.LevelWarn {
			continue
		}
		user, _ := r.Lookup("order.user")
		at, _ := r.Time()
		fmt.Println(at.Format("15:04"), r.App, r.Message(), user.Text())
	}
	return nil
}

// A program can read an archive, its compressed segments included.
func Example() {
	dir, err := os.MkdirTemp("", "archive")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "app.log")
	err = os.WriteFile(path, []byte(`{"time":"2026-11-25T04:00:00Z","level":"INFO","msg":"order placed","order":{"user":"ann"},"@app":"shop"}
{"time":"2026-11-25T04:01:00Z","level":"ERROR","msg":"payment failed","order":{"user":"bob"},"@app":"shop"}
`), 0o600)
	if err != nil {
		log.Fatal(err)
	}

	sources, err := archive.Find(path)
	if err != nil {
		log.Fatal(err)
	}
	if err := archive.Read(context.Background(), sources, archive.ReadOptions{}, worst{}); err != nil {
		log.Fatal(err)
	}
	// Output: 04:01 shop payment failed bob
}
