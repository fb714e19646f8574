package archive

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slogcast/slogcast/sink"
)

const producer = "0190b6a0-0000-7000-8000-000000000001"

// numbered are records from first to last of a producer.
func numbered(first, last int) (records []sink.Record) {
	for n := first; n <= last; n++ {
		r := sink.ParseLine(fmt.Appendf(nil, `{"time":"2026-11-25T04:00:00Z","msg":"m","n":%d}`, n))
		r.Producer, r.Seq, r.App = producer, uint64(n), "test"
		records = append(records, r)
	}
	return records
}

// inFolder counts the lines of each number in all files of a folder.
func inFolder(t *testing.T, dir string) map[int]int {
	t.Helper()
	found := make(map[int]int)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		f, err := openSegment(segment{path: filepath.Join(dir, e.Name())})
		if err != nil {
			t.Fatal(err)
		}
		for line, err := f.next(); err == nil; line, err = f.next() {
			_, _, seq, ok := findID(line.text)
			if !ok || line.torn {
				t.Errorf("%s: line %q", e.Name(), line.text)
			}
			found[int(seq)]++
		}
		f.Close()
	}
	return found
}

// What others do to the file while records come, by name, and how many of the
// first 200 of 400 it takes away.
var changes = map[string]struct {
	do   func(path string) error
	lost int
}{
	"moved":   {func(path string) error { return os.Rename(path, filepath.Join(filepath.Dir(path), "old")) }, 0},
	"removed": {os.Remove, 200},
	"copied and cut": {func(path string) error {
		b, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(path+".1", b, 0o600)
		}
		if err == nil {
			err = os.Truncate(path, 0)
		}
		return err
	}, 0},
	"replaced by a copy":                {func(path string) error { return replace(path, 0) }, 0},
	"replaced by a copy that is behind": {func(path string) error { return replace(path, 50) }, 0},
	"replaced by an edited copy": {func(path string) error {
		return replaceWith(path, func(b []byte) []byte { return bytes.ReplaceAll(b, []byte(`"m"`), []byte(`"edited"`)) })
	}, 0},
	"overwritten with more": {func(path string) error {
		return os.WriteFile(path, bytes.Repeat(numbered(2000, 2000)[0].AppendLine(nil), 300), 0o600)
	}, 200},
	"appended to": {func(path string) error {
		return appendText(path, string(numbered(1000, 1000)[0].AppendLine(nil)))
	}, 0},
	"appended half a line to": {func(path string) error {
		line := string(numbered(1000, 1000)[0].AppendLine(nil))
		return appendText(path, line[:len(line)-1])
	}, 0},
}

func appendText(path, text string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(text)
	return err
}

// replace puts a copy in the file's place that lacks its last lines.
func replace(path string, behind int) error {
	return replaceWith(path, func(b []byte) []byte {
		for range behind + 1 {
			b = b[:bytes.LastIndexByte(b, '\n')]
		}
		return append(b, '\n')
	})
}

func replaceWith(path string, edit func([]byte) []byte) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	fresh := filepath.Join(filepath.Dir(path), ".fresh")
	if err := os.WriteFile(fresh, edit(b), 0o600); err != nil {
		return err
	}
	return os.Rename(fresh, path)
}

func TestWhatOthersDoToTheFile(t *testing.T) {
	for name, change := range changes {
		for _, when := range []string{"between groups", "within a group"} {
			t.Run(name+" "+when, func(t *testing.T) {
				dir := t.TempDir()
				path := filepath.Join(dir, "app.log")
				var said []string
				a, err := Open(path, Options{OnNotice: func(text string) { said = append(said, text) }})
				if err != nil {
					t.Fatal(err)
				}
				defer a.Close()
				all := numbered(1, 400)
				do := func(err error) {
					if err != nil {
						t.Fatal(err)
					}
				}
				do(a.Write(t.Context(), all[:150]))
				do(a.Append(t.Context(), all[150:200]))
				safe := 150
				if when == "between groups" {
					do(a.Commit(t.Context()))
					safe = 200
				}
				do(change.do(path))
				do(a.Append(t.Context(), all[200:300]))
				do(a.Commit(t.Context()))
				do(a.Write(t.Context(), all[300:]))
				do(a.Close())

				found := inFolder(t, dir)
				for n := 1; n <= 400; n++ {
					gone := change.lost > 0 && n <= safe
					if times := found[n]; times == 0 && !gone || times > 1 {
						t.Fatalf("record %d is there %d times; said %q", n, times, said)
					}
				}
				if appended := strings.HasPrefix(name, "appended"); !appended && len(said) == 0 {
					t.Error("not a word was said")
				} else if appended && found[1000] != 1 {
					t.Error("what was appended is not there as it was")
				}
			})
		}
	}
}

func TestRemovedWhileNothingComesIsSaid(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	var said []string
	a, err := Open(path, Options{OnNotice: func(text string) { said = append(said, text) }})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Write(t.Context(), numbered(1, 3)); err != nil {
		t.Fatal(err)
	}
	os.Remove(path)
	if err := a.Close(); err != nil || len(said) != 1 || !strings.Contains(said[0], "removed") {
		t.Errorf("got %v, said %q", err, said)
	}
}

func TestSecondWriterIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	a, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	_, err = Open(path, Options{})
	if want := fmt.Sprintf("pid %d", os.Getpid()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q in it", err, want)
	}
}

// The folder is removed, with the lock, and made again.
func TestSecondWriterIsRefusedInAnotherFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "app.log")
	told := make(chan error, 10)
	a, err := Open(path, Options{Retry: 10 * time.Millisecond, OnError: func(err error) { told <- err }})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	written := make(chan error)
	go func() { written <- a.Write(t.Context(), numbered(1, 3)) }()
	if err := <-told; err == nil {
		t.Error("no error was told")
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	if found := inFolder(t, dir); len(found) != 3 {
		t.Errorf("got %v", found)
	}
	if second, err := Open(path, Options{}); err == nil {
		second.Close()
		t.Error("a second writer is not refused")
	}
}

func TestFileThatIsNotOursAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	var said []string
	a, err := Open(path, Options{OnNotice: func(text string) { said = append(said, text) }})
	if err != nil {
		t.Fatal(err)
	}
	a.Close()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 || len(said) != 1 {
		t.Errorf("mode %v, said %q", info.Mode(), said)
	}
	if err := os.Link(path, path+".second"); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, Options{}); err == nil || !strings.Contains(err.Error(), "hard links") {
		t.Errorf("with a second name: got %v", err)
	}
}
