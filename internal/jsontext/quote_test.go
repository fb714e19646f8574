package jsontext

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// want is what slog.JSONHandler writes.
func want(t *testing.T, s string) string {
	var b bytes.Buffer
	r := slog.NewRecord(time.Time{}, 0, s, 0)
	if err := slog.NewJSONHandler(&b, nil).Handle(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(strings.TrimPrefix(b.String(), `{"level":"INFO","msg":`), "}\n")
}

// Bytes are looked at eight or four at a time: each must be seen wherever it
// stands in a string of any length.
func TestAppendSeesEveryByte(t *testing.T) {
	for length := range 20 {
		plain := strings.Repeat("x", length)
		if got := string(AppendString(nil, plain)); got != `"`+plain+`"` {
			t.Errorf("%q: got %s", plain, got)
		}
		for at := range length {
			for b := range 256 {
				s := plain[:at] + string([]byte{byte(b)}) + plain[at+1:]
				if got, want := string(AppendString([]byte("before"), s)), "before"+want(t, s); got != want {
					t.Fatalf("%q: got %s, want %s", s, got, want)
				}
			}
		}
	}
}

func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "a", "GET", "/users/42", `say "hi"`, "line\nline", "\u2028 \u2029", "日本語", "\xff", "\xe2\x80", "<b>&amp;</b>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, want := string(AppendString(nil, s)), want(t, s); got != want {
			t.Errorf("%q: got %s, want %s", s, got, want)
		}
	})
}

func BenchmarkAppendString(b *testing.B) {
	for _, n := range []int{2, 6, 16, 256} {
		s, dst := strings.Repeat("x", n), make([]byte, 0, 512)
		b.Run(fmt.Sprintf("bytes=%d", n), func(b *testing.B) {
			for b.Loop() {
				dst = AppendString(dst[:0], s)
			}
		})
	}
}
