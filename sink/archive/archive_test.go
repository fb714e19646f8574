package archive

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slogcast/slogcast/sink"
)

// lines are records whose lines are short.
func lines(texts ...string) (records []sink.Record) {
	for _, text := range texts {
		records = append(records, sink.ParseLine([]byte(`{"msg":"`+text+`"}`)))
	}
	return records
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestArchiveAppends(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	for _, text := range []string{"one", "two"} {
		a, err := Open(path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(a.Write(t.Context(), lines(text, text)), a.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := content(t, path), `{"msg":"one"}`+"\n"+`{"msg":"one"}`+"\n"+`{"msg":"two"}`+"\n"+`{"msg":"two"}`+"\n"; got != want {
		t.Errorf("got %s", got)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o077 != 0 && os.PathSeparator == '/' {
		t.Errorf("others may read it: %v", info.Mode())
	}
}

func TestTornLineIsEnded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	if err := os.WriteFile(path, []byte(`{"msg":"tor`), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(a.Write(t.Context(), lines("whole")), a.Close()); err != nil {
		t.Fatal(err)
	}
	if got, want := content(t, path), `{"msg":"tor`+"\n"+`{"msg":"whole"}`+"\n"; got != want {
		t.Errorf("got %s", got)
	}
}

func TestOddPathsAreRefused(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "link")
	if err := errors.Join(os.WriteFile(target, nil, 0o600), os.Symlink(target, link), os.Symlink("nowhere", filepath.Join(dir, "dangling"))); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, link, filepath.Join(dir, "dangling"), os.DevNull, filepath.Join(dir, "no", "such", "folder")} {
		if a, err := Open(path, Options{}); err == nil {
			a.Close()
			t.Errorf("%s is taken", path)
		} else if !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v", path, err)
		}
	}
}

// faulty fails as a full or broken disk does.
type faulty struct {
	*os.File
	room     int   // bytes that Write takes
	syncFail error // what the next Sync returns
}

func (f *faulty) Write(p []byte) (int, error) {
	if len(p) <= f.room {
		return f.File.Write(p)
	}
	n, _ := f.File.Write(p[:f.room])
	return n, syscall.ENOSPC
}

func (f *faulty) Sync() error {
	err := f.syncFail
	f.syncFail = nil
	return err
}

// openFaulty opens an archive on a disk that fails at first and then does not.
func openFaulty(t *testing.T, path string, faults ...faulty) (*Archive, *[]error) {
	t.Helper()
	told := new([]error)
	a := &Archive{path: path, opts: Options{Retry: time.Minute, OnError: func(err error) { *told = append(*told, err) }}}
	a.openFile = func(path string) (file, error) {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
		if len(faults) == 0 || err != nil {
			return f, err
		}
		broken := faults[0]
		faults = faults[1:]
		broken.File = f
		return &broken, nil
	}
	if err := a.open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a, told
}

func TestFailingDiskLeavesNoTornLineAndNoDuplicate(t *testing.T) {
	const one, two = `{"msg":"one"}` + "\n", `{"msg":"two"}` + "\n"
	for name, faults := range map[string][]faulty{
		"full at once":       {{room: 0}},
		"full within a line": {{room: 5}},
		"full between lines": {{room: len(one)}, {room: len(one) + 3}, {room: 1}},
		"fsync fails":        {{room: 1000, syncFail: syscall.EIO}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "app.log")
				a, told := openFaulty(t, path, faults...)
				if err := a.Write(t.Context(), lines("one", "two")); err != nil {
					t.Fatal(err)
				}
				if got := content(t, path); got != one+two {
					t.Errorf("got %q", got)
				}
				if len(*told) != 2 || (*told)[0] == nil || (*told)[1] != nil {
					t.Errorf("told %v, want the error and its end, once", *told)
				}
			})
		})
	}
}

func TestFullDiskDoesNotHoldUpTheEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	a, _ := openFaulty(t, path, faulty{}, faulty{}, faulty{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Write(ctx, lines("one")); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v, want ENOSPC", err)
	}
	if got := content(t, path); got != "" {
		t.Errorf("got %q", got)
	}
}

func TestFileThatIsMovedAwayAfterAFailureIsMadeAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "app.log")
		a, _ := openFaulty(t, path, faulty{room: 1000})
		if err := a.Write(t.Context(), lines("one")); err != nil {
			t.Fatal(err)
		}
		a.file.(*faulty).room = 0
		if err := os.Rename(path, path+".1"); err != nil {
			t.Fatal(err)
		}
		if err := a.Write(t.Context(), lines("two")); err != nil {
			t.Fatal(err)
		}
		if old, fresh := content(t, path+".1"), content(t, path); old != `{"msg":"one"}`+"\n" || fresh != `{"msg":"two"}`+"\n" {
			t.Errorf("got %q and %q", old, fresh)
		}
	})
}
