package archive

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestFollowPastARemovedSegment has the file that is being read end as a segment that
// is removed at once, as by Options.Keep, with another one made behind it.
func TestFollowPastARemovedSegment(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	n := newNamer(path)
	writeLines(t, path, lineAt(producer, 1, 1))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	got := &collector{came: make(chan string, 10)}
	done := make(chan error, 1)
	go func() { done <- Read(ctx, find(t, path), ReadOptions{Follow: true}, got) }()
	want := func(line string) {
		t.Helper()
		select {
		case came := <-got.came:
			if came != line {
				t.Errorf("got %s, want %s", came, line)
			}
		case <-time.After(10 * time.Second):
			t.Errorf("%s does not come", line)
		}
	}
	want(lineAt(producer, 1, 1))
	// In a folder beside it, so that the reader sees all of it or nothing.
	next := filepath.Join(t.TempDir(), "next")
	writeLines(t, next, lineAt(producer, 2, 2))
	if err := os.Rename(next, n.segment(time.Now())); err != nil {
		t.Fatal(err)
	}
	writeLines(t, next, lineAt(producer, 3, 3))
	if err := os.Rename(next, path); err != nil { // over the one that is being read
		t.Fatal(err)
	}
	want(lineAt(producer, 2, 2))
	want(lineAt(producer, 3, 3))
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
