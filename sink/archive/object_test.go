package archive

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf16"

	"github.com/slogcast/slogcast/sink"
)

// texts is a Writer that keeps the records' bodies.
type texts []string

func (b *texts) Write(_ context.Context, records []sink.Record) error {
	for i := range records {
		*b = append(*b, string(records[i].Body))
	}
	return nil
}

// readText returns the bodies of a text on standard input, and of it as a file.
func readText(t testing.TB, text string) []string {
	t.Helper()
	var got texts
	stdin, err := Find("-")
	if err != nil {
		t.Fatal(err)
	}
	if err := Read(t.Context(), stdin, ReadOptions{Input: iotest.OneByteReader(strings.NewReader(text))}, &got); err != nil {
		t.Fatal(err)
	}
	var whole texts
	if err := Read(t.Context(), stdin, ReadOptions{Input: strings.NewReader(text)}, &whole); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, whole) {
		t.Errorf("byte by byte got %q, as a whole %q", got, whole)
	}
	return got
}

// A JSON object over several lines is one record; what only looks like one stays the
// lines that it is.
func TestObjectsOverLines(t *testing.T) {
	const compact = `{"level":"warn","req":{"id":[1]},"msg":"a } b"}`
	const one = "{\n  \"level\": \"warn\",\n  \"req\": {\n    \"id\": [\n      1\n    ]\n  },\n  \"msg\": \"a } b\"\n}"
	long := "{\n" + strings.Repeat("  \"a\": 1,\n", maxObject/10) + "  \"b\": 1\n}"
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"one", one + "\n", []string{compact}},
		{"without an end", one, []string{compact}},
		{"two, and lines", "text\n" + one + "\n" + one + "\n{\"a\":1}\n", []string{"text", compact, compact, `{"a":1}`}},
		{"carriage returns", strings.ReplaceAll(one, "\n", "\r\n") + "\r\ntext\r\n", []string{compact, "text"}},
		{"tabs", "{\n\t\"a\": 1\n}\n", []string{`{"a":1}`}},
		{"cut off", "{\n  \"a\": 1,\n", []string{"{", `  "a": 1,`}},
		{"cut by another", "{\n  \"a\": 1,\n" + one + "\n", []string{"{", `  "a": 1,`, compact}},
		{"torn line", "{\n{\"a\":1}\n", []string{"{", `{"a":1}`}},
		{"no JSON", "{\n  int a;\n}\n", []string{"{", "  int a;", "}"}},
		{"code", "func a() {\n  b()\n}\n", []string{"func a() {", "  b()", "}"}},
		{"a blank line", "{\n\n  \"a\": 1\n}\n", []string{"{", `  "a": 1`, "}"}},
		{"no UTF-8", "{\n  \"a\": \"\xff\"\n}\n", []string{"{\n  \"a\": \"\xff\"\n}"}},
		{"empty", "{\n}\n{}\n", []string{"{}", "{}"}},
		{"a brace at the end", "a\n{", []string{"a", "{"}},
	} {
		if got := readText(t, tt.text); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
	var got texts
	in, _ := Find("-")
	if err := Read(t.Context(), in, ReadOptions{Input: strings.NewReader(long)}, &got); err != nil || len(got) != strings.Count(long, "\n")+1 {
		t.Errorf("an object of more than %d bytes is %d records, %v", maxObject, len(got), err)
	}
}

// An object that is being written is awaited.
func TestFollowObjects(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	writeLines(t, path, "{", `  "a": 1,`)
	got := &collector{came: make(chan string, 10)}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { _ = Read(ctx, find(t, path), ReadOptions{Follow: true}, got) }()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	select {
	case line := <-got.came:
		t.Fatalf("got %s, of half an object", line)
	case <-time.After(3 * pollEvery):
	}
	if _, err := io.WriteString(f, "  \"b\": 2\n}\nnext\n"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"a":1,"b":2`, "next"} {
		select {
		case line := <-got.came:
			if !strings.Contains(line, want) {
				t.Errorf("got %s, want %s", line, want)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s does not come", want)
		}
	}
}

func TestObjectsBoundedByTime(t *testing.T) {
	var lines []string
	start := time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)
	for n := range 30_000 {
		lines = append(lines, "{", `  "level": "info",`, `  "time": "`+start.Add(time.Duration(n)*time.Second).Format(time.RFC3339)+`"`, "}")
	}
	path := filepath.Join(t.TempDir(), "app.log")
	writeLines(t, path, lines...)
	var got texts
	if err := Read(t.Context(), find(t, path), ReadOptions{Since: start.Add(29_990 * time.Second)}, &got); err != nil || len(got) != 10 {
		t.Errorf("got %d records, %v, want 10", len(got), err)
	}
}

func TestUTF16(t *testing.T) {
	text := "2026-11-25 04:00:00 Error: größer, 日本, 🙂\r\n{\"level\":\"warn\",\"msg\":\"x\"}\n" + strings.Repeat("é日🙂", 50_000) + "\n"
	want := []string{"2026-11-25 04:00:00 Error: größer, 日本, 🙂", `{"level":"warn","msg":"x"}`, strings.Repeat("é日🙂", 50_000)}
	for name, order := range map[string]binary.AppendByteOrder{"little": binary.LittleEndian, "big": binary.BigEndian} {
		var b []byte
		for _, unit := range utf16.Encode([]rune("\ufeff" + text)) {
			b = order.AppendUint16(b, unit)
		}
		path := filepath.Join(t.TempDir(), "app.log")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		var got texts
		if err := Read(t.Context(), find(t, path), ReadOptions{}, &got); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %.300q, %v", name, got, err)
		}
		if got := readText(t, string(b)); !slices.Equal(got, want) {
			t.Errorf("%s: got %.300q", name, got)
		}
	}
	for _, odd := range []string{"\xff\xfe", "\xff\xfea", "\xff\xfe\x3d\xd8", "\xff\xfe\x3d\xd8a\x00", "\xfe\xff\xdc\x00\x00a", "\xff\xfea\x00\n\x00b"} {
		out, err := io.ReadAll(&utf16Reader{r: bufio.NewReader(strings.NewReader(odd))})
		if err != nil || bytes.ContainsRune(out, 0xfeff) {
			t.Errorf("%q: got %q, %v", odd, out, err)
		}
	}
}
