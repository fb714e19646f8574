package sink

import (
	"bufio"
	"encoding/json"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/slogcast/slogcast/internal/jsontext"
)

// format is a record as a logger writes it, and what a person sees in it.
type format struct {
	Name, Body string
	Want       struct {
		Time    any     `json:"time_ms"`   // milliseconds, null for none, "any" where it is not judged
		Level   *string `json:"level"`     // null for none
		Message *string `json:"msg_first"` // its first line; null where it is not judged
		Stack   bool    `json:"stack"`
	}
}

func readFormats(t *testing.T, path string) (formats []format) {
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	in := bufio.NewScanner(f)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		var one format
		if err := json.Unmarshal(in.Bytes(), &one); err != nil {
			t.Fatalf("%q: %v", in.Text(), err)
		}
		formats = append(formats, one)
	}
	return formats
}

// TestFormats reads records of all kinds of loggers. Texts without a zone are in
// UTC here.
func TestFormats(t *testing.T) {
	for _, path := range []string{"testdata/formats.jsonl", "testdata/more_formats.jsonl"} {
		for _, f := range readFormats(t, path) {
			t.Run(f.Name, func(t *testing.T) {
				r := Record{Body: []byte(f.Body), Received: time.Date(2025, 11, 26, 0, 0, 0, 0, time.UTC), zone: time.UTC, object: jsontext.IsObject([]byte(f.Body))}
				at, own := r.Time()
				switch want := f.Want.Time.(type) {
				case nil:
					if own {
						t.Errorf("got time %v, want none", at)
					}
				case float64:
					if !own || at.UnixMilli() != int64(want) {
						t.Errorf("got time %v (own: %t), want %v", at, own, time.UnixMilli(int64(want)).UTC())
					}
				}
				want := ""
				if f.Want.Level != nil {
					want = *f.Want.Level
				}
				if got := r.LevelName(); got != want {
					t.Errorf("got level %q (%q), want %q", got, r.LevelText(), want)
				}
				if level, known := r.Level(); known && level < slog.LevelWarn && (want == "warn" || want == "error" || want == "fatal") {
					t.Error("a filter for warn hides it")
				}
				message, _, _ := strings.Cut(r.Message(), "\n")
				if f.Want.Message != nil && message != *f.Want.Message && stripColor(message) != *f.Want.Message {
					t.Errorf("got message %q, want %q", message, *f.Want.Message)
				}
				if got := r.Stack() != ""; got != f.Want.Stack {
					t.Errorf("got stack %q, want one: %t", r.Stack(), f.Want.Stack)
				}
			})
		}
	}
}

// TestStackWithoutLevel: an exception that nobody ranked is not hidden.
func TestStackWithoutLevel(t *testing.T) {
	for _, text := range []string{
		"Exception in thread \"main\" java.lang.Error: x\n\tat a.B.c(B.java:1)",
		"Traceback (most recent call last):\n  File \"a.py\", line 1, in <module>\nValueError: x",
		"thread 'main' panicked at src/main.rs:2:5:\nboom\nstack backtrace:\n   0: rust_begin_unwind",
	} {
		r := Record{Body: []byte(text)}
		if level, known := r.Level(); known || r.LevelName() != "" {
			t.Errorf("got level %v (known: %t, %q) for %q, want an unknown one", level, known, r.LevelText(), text)
		}
	}
}
