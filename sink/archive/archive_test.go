package archive

import (
	"cmp"
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

func TestTornLineIsSetAside(t *testing.T) {
	for name, test := range map[string]struct{ torn, kept, aside string }{
		"half a line":           {`{"msg":"tor`, "", `{"msg":"tor`},
		"half a line of others": {`{"msg":"a"}` + "\n\x00\x00", `{"msg":"a"}` + "\n", "\x00\x00"},
		"only the end missing":  {`{"msg":"tor"}`, `{"msg":"tor"}` + "\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "app.log")
			if err := os.WriteFile(path, []byte(test.torn), 0o600); err != nil {
				t.Fatal(err)
			}
			var said []string
			a, err := Open(path, Options{OnNotice: func(text string) { said = append(said, text) }})
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(a.Write(t.Context(), lines("whole")), a.Close()); err != nil {
				t.Fatal(err)
			}
			if got, want := content(t, path), test.kept+`{"msg":"whole"}`+"\n"; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			if len(said) != 1 {
				t.Errorf("said %q, want one notice", said)
			}
			aside, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "app-*.torn"))
			switch {
			case test.aside == "" && len(aside) > 0, test.aside != "" && len(aside) != 1:
				t.Errorf("set aside: %q", aside)
			case test.aside != "" && content(t, aside[0]) != test.aside:
				t.Errorf("set aside %q, want %q", content(t, aside[0]), test.aside)
			}
		})
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
	again    int   // as room, after that
	full     error // of Write without room; if nil, ENOSPC
	syncFail error // what the next Sync returns
	kept     bool  // Truncate fails
}

func (f *faulty) Write(p []byte) (int, error) {
	if len(p) <= f.room {
		return f.File.Write(p)
	}
	n, _ := f.File.Write(p[:f.room])
	f.room, f.again = cmp.Or(f.again, 1<<20), 0 // somebody makes room
	return n, cmp.Or(f.full, error(syscall.ENOSPC))
}

func (f *faulty) Truncate(size int64) error {
	if f.kept {
		return syscall.EPERM
	}
	return f.File.Truncate(size)
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
	opts := Options{Retry: time.Minute, OnError: func(err error) { *told = append(*told, err) }}
	a, err := open(path, opts, func(path string, flag int, mode os.FileMode) (file, error) {
		f, err := os.OpenFile(path, flag, mode)
		if len(faults) == 0 || err != nil {
			return f, err
		}
		broken := faults[0]
		faults = faults[1:]
		broken.File = f
		return &broken, nil
	})
	if err != nil {
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
		"full between lines": {{room: len(one)}},
		"full twice":         {{room: len(one) + 3, again: 3}},
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

// Whoever may have no more of the disk, or is told so by fsync, makes room as well.
func TestRoomIsMadeByTheOldestSegment(t *testing.T) {
	for name, broken := range map[string]faulty{
		"ENOSPC":          {full: syscall.ENOSPC},
		"EDQUOT":          {full: syscall.EDQUOT},
		"EDQUOT of fsync": {room: 1000, syncFail: syscall.EDQUOT},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "app.log")
			oldest := newNamer(path).segment(time.Now().Add(-time.Hour))
			if err := os.WriteFile(oldest, []byte("{}\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			opts := Options{Retry: time.Millisecond, Keep: Retention{FreeBytes: 1}}
			first := true
			a, err := open(path, opts, func(path string, flag int, mode os.FileMode) (file, error) {
				f, err := os.OpenFile(path, flag, mode)
				if !first || err != nil {
					return f, err
				}
				first, broken.File = false, f
				return &broken, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			defer a.Close()
			if err := a.Write(t.Context(), lines("one")); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(oldest); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the oldest segment is there: %v", err)
			}
		})
	}
}

// With --fsync rotate records were acknowledged before: that they may be gone is
// said, once.
func TestFailedFsyncOfASegmentIsSaid(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	var said []string
	opts := Options{Fsync: FsyncRotate, OnNotice: func(text string) { said = append(said, text) }}
	broken := &faulty{room: 1000, syncFail: syscall.EIO}
	a, err := open(path, opts, func(path string, flag int, mode os.FileMode) (_ file, err error) {
		if broken.File != nil {
			return os.OpenFile(path, flag, mode)
		}
		broken.File, err = os.OpenFile(path, flag, mode)
		return broken, err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(a.Write(t.Context(), lines("one")), a.Rotate(), a.Close()); err != nil {
		t.Fatal(err)
	}
	if len(said) != 1 || !strings.Contains(said[0], "may not be on the disk") {
		t.Errorf("said %q", said)
	}
}

// An archive begins on a disk that is full, with half a line or with nothing.
func TestFullDiskAtTheStart(t *testing.T) {
	for name, there := range map[string]string{"nothing": "", "half a line": `{"msg":"tor`} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "app.log")
			if there != "" {
				if err := os.WriteFile(path, []byte(there), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			var said []string
			room := false
			opts := Options{Retry: time.Millisecond, OnNotice: func(text string) { said = append(said, text) }, OnError: func(error) { room = true }}
			a, err := open(path, opts, func(path string, flag int, mode os.FileMode) (file, error) {
				if !room {
					return nil, syscall.ENOSPC
				}
				return os.OpenFile(path, flag, mode)
			})
			if err != nil {
				t.Fatal(err)
			}
			if len(said) != 1 || !strings.Contains(said[0], "room") {
				t.Errorf("said %q", said)
			}
			if err := errors.Join(a.Write(t.Context(), lines("one")), a.Close()); err != nil {
				t.Fatal(err)
			}
			if got := content(t, path); got != `{"msg":"one"}`+"\n" {
				t.Errorf("got %q", got)
			}
		})
	}
}

// A file that can be appended to alone, by chattr say.
func TestTornLineThatCanNotBeCutIsNotCopiedForEver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	if err := os.WriteFile(path, []byte(`{"msg":"tor`), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := open(path, Options{}, func(path string, flag int, mode os.FileMode) (file, error) {
		f, err := os.OpenFile(path, flag, mode)
		return &faulty{File: f, kept: true}, err
	})
	if !errors.Is(err, syscall.EPERM) {
		t.Errorf("got %v", err)
	}
	if aside, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*.torn")); len(aside) > 0 {
		t.Errorf("copies are left: %q", aside)
	}
}

func TestFullDiskDoesNotHoldUpTheEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	a, _ := openFaulty(t, path, faulty{again: 3})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Write(ctx, lines("one")); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v, want ENOSPC", err)
	}
	if got := content(t, path); got != "" {
		t.Errorf("got %q", got)
	}
}
