package archive

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slogcast/slogcast/sink"
)

func TestRotationKeepsEveryRecordOnceAndInOrder(t *testing.T) {
	for _, comp := range []Compression{Plain, Zstd, Gzip} {
		t.Run("compressed "+string(comp), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "app.log")
			a, err := Open(path, Options{RotateSize: 5000, RotateEvery: 50 * time.Millisecond, Compress: comp})
			if err != nil {
				t.Fatal(err)
			}
			var working sync.WaitGroup
			working.Go(func() {
				for range 20 {
					if err := a.Rotate(); err != nil {
						t.Error(err)
					}
				}
			})
			all := numbered(1, 2000)
			for i := 0; i < len(all); i += 100 {
				if err := a.Write(t.Context(), all[i:i+100]); err != nil {
					t.Fatal(err)
				}
			}
			working.Wait()
			if err := a.Close(); err != nil {
				t.Fatal(err)
			}
			segments, err := a.names.segments()
			if err != nil {
				t.Fatal(err)
			}
			next := uint64(1)
			for _, s := range append(segments, segment{path: path}) {
				f, err := openSegment(s)
				if err != nil {
					t.Fatal(err)
				}
				if f.size > 5000 {
					t.Errorf("%s has %d bytes", s.path, f.size)
				}
				for line, err := f.next(); err == nil; line, err = f.next() {
					if _, _, seq, _ := findID(line.text); seq != next {
						t.Fatalf("%s: got record %d, want %d", s.path, seq, next)
					}
					next++
				}
				f.Close()
			}
			if next != 2001 {
				t.Errorf("got records up to %d", next-1)
			}
		})
	}
}

// A crash is what Close does not see: the state after any number of writes.
func TestWhatComesAgainAfterACrashIsWrittenOnce(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "app.log")
	write := func(opts Options, records []sink.Record) {
		t.Helper()
		a, err := Open(path, opts)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Write(t.Context(), records); err != nil {
			t.Fatal(err)
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	}
	all := numbered(1, 500)
	write(Options{RotateSize: 3000, Compress: Zstd}, all[:300])
	// The last record was torn, and nothing of the last 200 acknowledged.
	if err := os.Truncate(path, int64(len(content(t, path))-10)); err != nil {
		t.Fatal(err)
	}
	write(Options{RotateSize: 3000, Compress: Zstd}, all[100:])
	torn, _ := filepath.Glob(filepath.Join(dir, "*.torn"))
	if len(torn) != 1 {
		t.Errorf("torn lines set aside: %q", torn)
	}
	os.Remove(torn[0])
	found := inFolder(t, dir)
	for n := 1; n <= 500; n++ {
		if found[n] != 1 {
			t.Errorf("record %d is there %d times", n, found[n])
		}
	}
}

// Another program has begun to compress a segment, and has not come to its end.
func TestSegmentIsNotRemovedForPartOfIt(t *testing.T) {
	for _, comp := range []Compression{Zstd, Gzip} {
		path := filepath.Join(t.TempDir(), "app.log")
		plain := newNamer(path).segment(time.Now().Add(-time.Hour))
		var want []byte
		for _, r := range numbered(1, 1000) {
			want = r.AppendLine(want)
		}
		if err := os.WriteFile(plain, want, 0o600); err != nil {
			t.Fatal(err)
		}
		packed := plain + extension[comp]
		if err := compressTo(t.Context(), packed, bytes.NewReader(want), comp, 0o600); err != nil {
			t.Fatal(err)
		}
		whole := content(t, packed)
		for _, there := range []string{whole[:len(whole)/2], "", whole} {
			if err := errors.Join(os.WriteFile(plain, want, 0o600), os.WriteFile(packed, []byte(there), 0o600)); err != nil {
				t.Fatal(err)
			}
			k := newKeeper(newNamer(path), Options{Compress: comp, Mode: 0o600}, nil)
			if err := k.work(t.Context()); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(plain); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the segment is still there: %v", err)
			}
			if got := content(t, packed); got != whole {
				t.Errorf("%s: of %d bytes there are %d", comp, len(whole), len(got))
			}
		}
	}
}

// A history may send again more than a broker does after a crash.
func TestHistoryIsKnownAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	all := numbered(1, 1000)
	a, err := Open(path, Options{RotateSize: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(a.Write(t.Context(), all[:300]), a.Write(t.Context(), all[301:]), a.Close()); err != nil {
		t.Fatal(err)
	}
	segments, err := a.names.segments()
	if err != nil {
		t.Fatal(err)
	}
	four := time.Date(2026, 11, 25, 4, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		since     time.Time
		least, of int
	}{{time.Time{}, 100, 250}, {four, 999, 999}} {
		again := &Archive{path: path, names: a.names, opts: Options{Since: test.since, OnNotice: func(text string) { t.Error(text) }}}
		if err := again.readBack(segments, 100); err != nil {
			t.Fatal(err)
		}
		known := 0
		for i := range all {
			if again.written.has(all[i].AppendLine(nil)) {
				known++
			}
		}
		if known < test.least || known > test.of || again.written.has(all[300].AppendLine(nil)) {
			t.Errorf("since %v: %d are known, want %d to %d", test.since, known, test.least, test.of)
		}
		if got := again.Last()[producer]; got != 1000 {
			t.Errorf("the last is %d", got)
		}
	}
}

func TestForgedIDHidesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	for _, text := range []string{"forged", "real"} {
		a, err := Open(path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		r := lines(text)
		r[0].Producer, r[0].Seq = producer, 7
		if err := a.Write(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		a.Close()
	}
	if got := content(t, path); strings.Count(got, "\n") != 2 {
		t.Errorf("got %s", got)
	}
}

func TestRetention(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	for name, test := range map[string]struct {
		keep Retention
		want int
	}{
		"count":      {Retention{Segments: 3}, 3},
		"bytes":      {Retention{Bytes: 1500}, 1},
		"age":        {Retention{Age: time.Nanosecond}, 0},
		"free space": {Retention{FreePercent: 99.99}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			for i := range 10 {
				at := newNamer(path).segment(time.Now().Add(time.Duration(i-1000) * time.Second))
				if err := os.WriteFile(at, make([]byte, 1000), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			k := newKeeper(newNamer(path), Options{Keep: test.keep, OnNotice: func(string) {}}, nil)
			if err := k.retain(); err != nil {
				t.Fatal(err)
			}
			left, err := k.names.segments()
			if err != nil || len(left) != test.want {
				t.Errorf("%d are left, want %d: %v", len(left), test.want, err)
			}
		})
	}
}

func TestBoundaries(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	santiago, err := time.LoadLocation("America/Santiago")
	if err != nil {
		t.Fatal(err)
	}
	at := func(text string) time.Time {
		when, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	for _, test := range []struct {
		from  string
		every time.Duration
		zone  *time.Location
		want  string
	}{
		{"2026-11-25T03:20:00Z", time.Hour, time.UTC, "2026-11-25T04:00:00Z"},
		{"2026-11-25T04:00:00Z", time.Hour, time.UTC, "2026-11-25T05:00:00Z"},
		{"2026-11-25T22:30:00Z", 24 * time.Hour, time.UTC, "2026-11-26T00:00:00Z"},
		{"2026-11-25T22:30:00Z", 24 * time.Hour, berlin, "2026-11-25T23:00:00Z"},
		{"2026-03-28T23:30:00Z", 24 * time.Hour, berlin, "2026-03-29T22:00:00Z"},   // a day of 23 hours
		{"2026-03-29T05:00:00Z", 6 * time.Hour, berlin, "2026-03-29T10:00:00Z"},    // 12:00 there
		{"2026-10-25T03:00:00Z", 6 * time.Hour, berlin, "2026-10-25T05:00:00Z"},    // 06:00 there
		{"2026-10-25T00:30:00Z", time.Hour, berlin, "2026-10-25T01:00:00Z"},        // 02:00 for the second time
		{"2026-09-06T03:30:00Z", 24 * time.Hour, santiago, "2026-09-06T04:00:00Z"}, // from 24:00 to 01:00
		{"2026-11-25T22:30:00Z", 7 * time.Hour, time.UTC, "2026-11-26T00:00:00Z"},
		{"2026-11-25T22:30:00Z", 7 * 24 * time.Hour, time.UTC, "2026-11-30T00:00:00Z"}, // Monday
	} {
		if got := nextBoundary(at(test.from).In(test.zone), test.every); !got.Equal(at(test.want)) {
			t.Errorf("%v after %s in %v: got %v, want %s", test.every, test.from, test.zone, got.UTC(), test.want)
		}
	}
}

// Wherever the clock is set, a boundary is behind the one before, and not far.
func TestBoundariesWhereTheClockIsSet(t *testing.T) {
	for _, name := range []string{"America/Santiago", "Africa/Cairo", "America/Havana", "Asia/Beirut", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, every := range []time.Duration{7 * 24 * time.Hour, 24 * time.Hour, 6 * time.Hour, 5 * time.Hour, time.Hour, 50 * time.Minute} {
			for at := time.Date(2024, 1, 1, 12, 0, 0, 0, zone); at.Year() < 2026; {
				next := nextBoundary(at, every)
				if took := next.Sub(at); took <= 0 || took > every+time.Hour {
					t.Fatalf("%v in %s: %v behind %v", every, name, next, at)
				}
				at = next
			}
		}
	}
}

// A clock that was far ahead when the archive began, and is set right.
func TestClockSetBackDoesNotEndRotation(t *testing.T) {
	a, err := Open(filepath.Join(t.TempDir(), "app.log"), Options{RotateEvery: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	a.mu.Lock()
	a.due = time.Now().Add(10 * 365 * 24 * time.Hour)
	a.mu.Unlock()
	if err := a.Write(t.Context(), numbered(1, 1)); err != nil {
		t.Fatal(err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if wait := time.Until(a.due); wait > time.Hour {
		t.Errorf("the next segment is made in %v", wait)
	}
}

func TestNamesSort(t *testing.T) {
	path := filepath.Join(t.TempDir(), "my-app.2.log")
	a, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	// The clock went back by a day.
	a.latest = time.Now().Add(24 * time.Hour).Truncate(time.Millisecond)
	for i := range 5 {
		if err := a.Write(t.Context(), numbered(i+1, i+1)); err != nil {
			t.Fatal(err)
		}
		if err := a.Rotate(); err != nil {
			t.Fatal(err)
		}
	}
	segments, err := a.names.segments()
	if err != nil || len(segments) != 5 {
		t.Fatalf("got %d segments: %v", len(segments), err)
	}
	for i, s := range segments {
		if got := content(t, s.path); !strings.Contains(got, fmt.Sprintf(`"n":%d}`, i+1)[:5]) || !strings.Contains(got, fmt.Sprintf(`/%d"`, i+1)) {
			t.Errorf("segment %d has %s", i, got)
		}
	}
}
