package archive

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestSegmentsWhileTheyAreCompressed lists segments of which each is there at any
// time, under one name or the other.
func TestSegmentsWhileTheyAreCompressed(t *testing.T) {
	dir := t.TempDir()
	n := newNamer(filepath.Join(dir, "app.log"))
	const segments, rounds = 20, 200
	var plain []string
	for i := range segments {
		plain = append(plain, n.segment(time.UnixMilli(int64(1_800_000_000_000+i))))
		if err := os.WriteFile(plain[i], []byte("{}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan error, 1)
	pace := time.NewTicker(50 * time.Microsecond) // others need a moment in which nothing changes
	defer pace.Stop()
	go func() {
		for range rounds {
			for _, path := range plain { // as compress does it, and back
				for _, pair := range [][2]string{{path, path + ".zst"}, {path + ".zst", path}} {
					if err := os.Link(pair[0], pair[1]); err != nil {
						done <- err
						return
					}
					if err := os.Remove(pair[0]); err != nil {
						done <- err
						return
					}
				}
				<-pace.C
			}
		}
		done <- nil
	}()
	for lists := 0; ; lists++ {
		found, err := n.segments()
		if err != nil {
			t.Fatal(err)
		}
		if len(found) != segments {
			t.Fatalf("list %d has %d segments of %d", lists, len(found), segments)
		}
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			return
		default:
		}
	}
}
