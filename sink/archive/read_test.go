package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slogcast/slogcast/sink"
)

// collector is a Writer that keeps lines.
type collector struct {
	lines []string
	came  chan string // nil, or told of each
}

func (c *collector) Write(_ context.Context, records []sink.Record) error {
	for i := range records {
		line := strings.TrimSuffix(string(records[i].AppendLine(nil)), "\n")
		c.lines = append(c.lines, line)
		if c.came != nil {
			c.came <- line
		}
	}
	return nil
}

// line is a line of an archive, some seconds after four.
func lineAt(who string, seq, second int) string {
	at := time.Date(2026, 11, 25, 4, 0, second, 0, time.UTC)
	return fmt.Sprintf(`{"time":%q,"msg":"m","n":%d,"@id":"%s/%d","@app":"a"}`, at.Format(time.RFC3339Nano), seq, who, seq)
}

const other = "0190b6a0-0000-7000-8000-000000000002"

func writeLines(t *testing.T, path string, lines ...string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func find(t *testing.T, paths ...string) []Source {
	t.Helper()
	sources, err := Find(paths...)
	if err != nil {
		t.Fatal(err)
	}
	return sources
}

func TestReadGivesWhatWentIn(t *testing.T) {
	for _, comp := range []Compression{Plain, Zstd, Gzip} {
		dir := t.TempDir()
		path := filepath.Join(dir, "app.log")
		a, err := Open(path, Options{RotateSize: 10_000, Compress: comp})
		if err != nil {
			t.Fatal(err)
		}
		all := numbered(1, 1000)
		if err := errors.Join(a.Write(t.Context(), all), a.Close()); err != nil {
			t.Fatal(err)
		}
		for _, paths := range [][]string{{path}, {dir}} {
			var got collector
			if err := Read(t.Context(), find(t, paths...), ReadOptions{}, &got); err != nil {
				t.Fatal(err)
			}
			if len(got.lines) != len(all) {
				t.Fatalf("got %d lines of %d", len(got.lines), len(all))
			}
			for i := range all {
				if want := string(all[i].AppendLine(nil)); got.lines[i]+"\n" != want {
					t.Fatalf("got %s, want %s", got.lines[i], want)
				}
			}
		}
	}
}

func TestReadMergesByTime(t *testing.T) {
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one.log"), filepath.Join(dir, "two.log")
	writeLines(t, one, lineAt(producer, 1, 1), lineAt(producer, 2, 4), "torn", lineAt(producer, 3, 9))
	writeLines(t, two, lineAt(other, 1, 2), lineAt(other, 2, 3), lineAt(other, 3, 30))
	var got collector
	if err := Read(t.Context(), find(t, one, two), ReadOptions{}, &got); err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, line := range got.lines {
		order = append(order, line[max(0, len(line)-14):])
	}
	if len(got.lines) != 7 || !strings.Contains(got.lines[1], other) || !strings.Contains(got.lines[4], "torn") {
		t.Errorf("got %q", order)
	}
}

func TestReadBoundedByTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	var lines []string
	start := time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)
	for n := range 50_000 { // 14 hours, 5 MB
		lines = append(lines, fmt.Sprintf(`{"time":%q,"msg":"%060d"}`, start.Add(time.Duration(n)*time.Second).Format(time.RFC3339Nano), n))
	}
	writeLines(t, path, lines...)
	for _, bounds := range [][2]int{{0, 50_000}, {1, 2}, {25_000, 25_010}, {49_990, 60_000}} {
		var got collector
		opts := ReadOptions{Since: start.Add(time.Duration(bounds[0]) * time.Second), Until: start.Add(time.Duration(bounds[1]) * time.Second)}
		if err := Read(t.Context(), find(t, path), opts, &got); err != nil {
			t.Fatal(err)
		}
		if want := lines[bounds[0]:min(bounds[1], len(lines))]; !slices.Equal(got.lines, want) {
			t.Errorf("%v: got %d lines, want %d", bounds, len(got.lines), len(want))
		}
	}
}

// The names of segments are of a clock that was wrong.
func TestReadBoundedByTimeWhereTheClockWasSet(t *testing.T) {
	four := time.Date(2026, 11, 25, 4, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		ends  []time.Time // of segments, with a record each, a second after the other
		opts  ReadOptions
		wants int
	}{
		"ahead, and set right":   {[]time.Time{four.Add(24 * time.Hour), four.Add(24*time.Hour + time.Millisecond), four.Add(25 * time.Hour)}, ReadOptions{Until: four.Add(time.Minute)}, 4},
		"set back":               {[]time.Time{four.Add(-2 * time.Hour), four.Add(-2*time.Hour + time.Millisecond)}, ReadOptions{Since: four.Add(time.Second)}, 2},
		"right, and of interest": {[]time.Time{four, four.Add(time.Second)}, ReadOptions{Since: four, Until: four.Add(time.Second)}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "app.log")
			for i, end := range test.ends {
				writeLines(t, newNamer(path).segment(end), lineAt(producer, i+1, i))
			}
			writeLines(t, path, lineAt(producer, len(test.ends)+1, len(test.ends)))
			var got collector
			if err := Read(t.Context(), find(t, path), test.opts, &got); err != nil || len(got.lines) != test.wants {
				t.Errorf("got %q, want %d, %v", got.lines, test.wants, err)
			}
		})
	}
}

func TestDamagedSegmentIsReadAsFarAsItGoes(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "app.log")
	a, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(a.Write(t.Context(), numbered(1, 20_000)), a.Rotate(), a.Write(t.Context(), numbered(20_001, 20_010)), a.Close()); err != nil {
		t.Fatal(err)
	}
	segments, err := a.names.segments()
	if err != nil || len(segments) != 1 {
		t.Fatal(segments, err)
	}
	k := newKeeper(a.names, Options{Compress: Zstd, Mode: 0o600}, nil)
	if err := k.compress(t.Context(), segments[0]); err != nil {
		t.Fatal(err)
	}
	packed := segments[0].path + ".zst"
	info, err := os.Stat(packed)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(packed, info.Size()*3/4); err != nil {
		t.Fatal(err)
	}
	var got collector
	var problems []error
	opts := ReadOptions{OnProblem: func(err error) { problems = append(problems, err) }}
	if err := Read(t.Context(), find(t, path), opts, &got); err != nil {
		t.Fatal(err)
	}
	if len(problems) != 1 || len(got.lines) < 1000 || !strings.Contains(got.lines[len(got.lines)-1], "/20010") {
		t.Errorf("got %d lines, problems %v", len(got.lines), problems)
	}
	report, err := Verify(t.Context(), find(t, path), ReadOptions{})
	if err != nil || report.Problems != 1 || report.Whole() {
		t.Errorf("verify: %+v, %v", report, err)
	}
}

func TestEmptyCompressedSegmentIsDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	writeLines(t, path, lineAt(producer, 1, 0))
	if err := os.WriteFile(newNamer(path).segment(time.Now())+".zst", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	report, err := Verify(t.Context(), find(t, path), ReadOptions{})
	if err != nil || report.Problems != 1 || report.Whole() || report.Total.Records != 1 {
		t.Errorf("got %+v, %v", report, err)
	}
}

func TestFollowAcrossRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	a, err := Open(path, Options{Compress: Zstd})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	all := numbered(1, 300)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	got := &collector{came: make(chan string, 1000)}
	done := make(chan error)
	go func() { done <- Read(ctx, find(t, path), ReadOptions{Follow: true}, got) }()
	for n := 0; n < len(all); n += 30 {
		for part := range 3 { // with two segments at a time
			err := a.Write(t.Context(), all[n+10*part:n+10*part+10])
			if err == nil && part < 2 {
				err = a.Rotate()
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		for i := range 30 {
			want := strings.TrimSuffix(string(all[n+i].AppendLine(nil)), "\n")
			select {
			case line := <-got.came:
				if line != want {
					t.Fatalf("got %s, want %s", line, want)
				}
			case <-time.After(10 * time.Second):
				t.Fatalf("record %d does not come", n+i+1)
			}
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestVerifyCounts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	forged := `{"a":{"@id":"` + other + `/5"}}`
	writeLines(t, path,
		lineAt(producer, 1, 1), lineAt(producer, 2, 2), lineAt(producer, 2, 2), lineAt(producer, 5, 3), lineAt(producer, 4, 4),
		forged, `{"@id":"x/1","msg":"its own"}`, "torn {", `{"msg":"slogcast: records were dropped","dropped":7}`)
	r, err := Verify(t.Context(), find(t, path), ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Total.Records != 8 || r.Total.Torn != 1 || r.Missing != 1 || r.Duplicates != 1 || r.Declared != 7 || r.Total.Foreign != 3 || len(r.Producers) != 1 {
		t.Errorf("got %+v", r)
	}
	if p := r.Producers[0]; p.First != 1 || p.Last != 5 || len(p.Gaps) != 1 || p.Gaps[0] != (Range{3, 3}) || p.App != "a" {
		t.Errorf("got %+v", p)
	}
}

func TestRepair(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	if err := os.WriteFile(path, []byte(lineAt(producer, 1, 1)+"\n"+`{"half`), 0o600); err != nil {
		t.Fatal(err)
	}
	var did []string
	if err := Repair(find(t, path), func(text string) { did = append(did, text) }); err != nil {
		t.Fatal(err)
	}
	r, err := Verify(t.Context(), find(t, path), ReadOptions{})
	if err != nil || !r.Whole() || len(did) != 1 {
		t.Errorf("got %+v, %v, did %q", r, err, did)
	}
}

// The seqs of a producer are in spans, however they come.
func TestSpansOfAnyOrder(t *testing.T) {
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 0))
		p, want := &seen{}, make(map[uint64]bool)
		var again int64
		for range 200 {
			seq := 1 + random.Uint64N(150)
			if want[seq] {
				again++
			}
			want[seq] = true
			p.see(seq)
		}
		var sum int
		for i, s := range p.spans {
			if i > 0 && p.spans[i-1].Last+1 >= s.First {
				t.Fatalf("seed %d: spans %v", seed, p.spans)
			}
			for seq := s.First; seq <= s.Last; seq++ {
				sum++
				if !want[seq] {
					t.Fatalf("seed %d: %d was not seen", seed, seq)
				}
			}
		}
		if sum != len(want) || p.duplicates != again {
			t.Fatalf("seed %d: %d of %d, %d of %d again", seed, sum, len(want), p.duplicates, again)
		}
	}
}

func TestMergeIsTheUnion(t *testing.T) {
	dir := t.TempDir()
	var one, two []string
	random := rand.New(rand.NewPCG(1, 2))
	for n := 1; n <= 1000; n++ {
		for _, who := range []string{producer, other} {
			second := n
			if who == other && n%100 == 50 {
				second = n - 30 // its clock goes back
			}
			line := lineAt(who, n, second)
			at := random.IntN(3)
			if n == 500 {
				continue // nobody has it
			}
			if at != 0 {
				one = append(one, line)
			}
			if at != 1 {
				two = append(two, line)
			}
		}
	}
	plain := `{"time":"2026-11-25T04:00:07Z","msg":"without an id"}`
	one = append(one, plain, plain)
	two = append([]string{plain, `{"time":"2026-11-25T04:00:07Z","msg":"without an id, too"}`}, two...)
	a, b, into := filepath.Join(dir, "a", "app.log"), filepath.Join(dir, "b", "app.log"), filepath.Join(dir, "all")
	writeLines(t, a, one...)
	writeLines(t, b, two...)
	done, err := Merge(t.Context(), find(t, a, b), into, ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := Verify(t.Context(), find(t, into), ReadOptions{})
	if err != nil || r.Total.Records != 2*999+3 || r.Missing != 2 || r.Duplicates != 0 || r.Total.Foreign != 3 || done.Written != r.Total.Records {
		t.Errorf("got %+v, %+v, %v", done, r, err)
	}
	last := make(map[string]uint64)
	for _, line := range strings.Split(strings.TrimSpace(content(t, filepath.Join(into, "app.log"))), "\n") {
		if _, who, seq, ok := findID([]byte(line)); ok {
			if seq <= last[string(who)] {
				t.Fatalf("%d after %d of %s", seq, last[string(who)], who)
			}
			last[string(who)] = seq
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	if _, err := Merge(t.Context(), find(t, a), into, ReadOptions{}); err == nil {
		t.Error("a folder with files is taken")
	}
}

func TestSorterInFiles(t *testing.T) {
	s := newSorter(t.TempDir())
	s.limit = 2000
	random := rand.New(rand.NewPCG(3, 4))
	var want []string
	for range 1000 {
		key := fmt.Sprint(random.IntN(500))
		want = append(want, key)
		if err := s.add([]byte(key), []byte("line "+key)); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(want)
	var got []string
	err := s.each(func(key, line []byte) error {
		got = append(got, string(key))
		if !bytes.Equal(line, append([]byte("line "), key...)) {
			return fmt.Errorf("key %s with %s", key, line)
		}
		return nil
	})
	if err != nil || !slices.Equal(got, want) || len(s.files) < 10 {
		t.Errorf("%d lines of %d files, %v", len(got), len(s.files), err)
	}
}

// To look at the time of a line that slog has not written does not change the line.
func TestOthersLinesStayAsTheyAre(t *testing.T) {
	dir := t.TempDir()
	a, b, into := filepath.Join(dir, "a", "app.log"), filepath.Join(dir, "b", "app.log"), filepath.Join(dir, "all")
	lines := []string{
		`{"level":30,"time":1764043200123,"msg":"of pino","@app":"web"}`,
		`{"ts":"2025-11-25T04:00:01Z","msg":"a key of its own","@id":"` + producer + `/1","@app":"web","@host":"vm"}`,
		`{"n":1,"msg":"no time","@id":"` + producer + `/3","@time":"2025-11-25T04:00:02Z"}`,
		`{"time":"2025-11-25T04:00:03Z","msg":"a text","@app":"web"}`,
	}
	writeLines(t, a, lines[0], lines[2])
	writeLines(t, b, lines[1], lines[3])
	for name, opts := range map[string]ReadOptions{"all": {}, "since": {Since: time.Date(2025, 11, 1, 0, 0, 0, 0, time.UTC)}} {
		for _, paths := range [][]string{{a, b}, {a}} {
			var got collector
			if err := Read(t.Context(), find(t, paths...), opts, &got); err != nil {
				t.Fatal(err)
			}
			for _, line := range got.lines {
				if !slices.Contains(lines, line) {
					t.Errorf("%s of %d archives: got %s", name, len(paths), line)
				}
			}
		}
	}
	if _, err := Merge(t.Context(), find(t, a, b), into, ReadOptions{}); err != nil {
		t.Fatal(err)
	}
	if got, want := content(t, filepath.Join(into, "app.log")), strings.Join(lines, "\n")+"\n"; got != want {
		t.Errorf("merged: got\n%swant\n%s", got, want)
	}
	r, err := Verify(t.Context(), find(t, into), ReadOptions{})
	if err != nil || r.Total.Records != 4 || r.Total.Torn != 0 || r.Missing != 1 || r.Total.Foreign != 2 {
		t.Errorf("got %+v, %v", r, err)
	}
}
