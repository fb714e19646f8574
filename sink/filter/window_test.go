package filter

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/slogcast/slogcast/sink"
)

// shown is what a Window has written: messages, and "--" where it separates.
type shown []string

func (s *shown) Write(_ context.Context, records []sink.Record) error {
	for i := range records {
		*s = append(*s, strings.Clone(records[i].Message()))
	}
	return nil
}

func TestWindow(t *testing.T) {
	const lines = "a M b c d M M e f g h i M j"
	for _, tt := range []struct {
		before, after, limit int
		want                 string
	}{
		{0, 0, 0, "M -- M M -- M"},
		{1, 0, 0, "a M -- d M M -- i M"},
		{0, 1, 0, "M b -- M M e -- M j"},
		{2, 1, 0, "a M b c d M M e -- h i M j"},
		{9, 9, 0, lines},
		{0, 0, 2, "M -- M"},
		{1, 2, 1, "a M b c"},
		{0, 1, 2, "M b -- M M"},
		{0, 0, 9, "M -- M M -- M"},
	} {
		for _, size := range []int{1, 2, 3, 100} {
			t.Run(fmt.Sprintf("-B %d -A %d -n %d, %d at a time", tt.before, tt.after, tt.limit, size), func(t *testing.T) {
				var got shown
				done := 0
				w := &Window{
					Writer: &got, Before: tt.before, After: tt.after, Limit: tt.limit,
					Match:    func(r *sink.Record) bool { return r.Message() == "M" },
					Separate: func() { got = append(got, "--") },
					Done:     func() { done++ },
				}
				words := strings.Fields(lines)
				for len(words) > 0 {
					n := min(size, len(words))
					var records []sink.Record
					for _, word := range words[:n] {
						records = append(records, sink.ParseLine([]byte(`{"msg":"`+word+`"}`)))
					}
					if err := w.Write(t.Context(), records); err != nil {
						t.Fatal(err)
					}
					for i := range records { // what is kept must be a copy
						clear(records[i].Body)
					}
					words = words[n:]
				}
				if got := strings.Join(got, " "); got != tt.want {
					t.Errorf("got %s, want %s", got, tt.want)
				}
				if wantDone := tt.limit == 1 || tt.limit == 2; (done == 1) != wantDone || done > 1 {
					t.Errorf("done was called %d times", done)
				}
			})
		}
	}
}

func TestWindowKeepsFewBytes(t *testing.T) {
	var got shown
	w := &Window{Writer: &got, Before: 1_000_000, Match: func(*sink.Record) bool { return false }}
	body := []byte(`{"msg":"` + strings.Repeat("x", 1<<20) + `"}`)
	for range 50 {
		if err := w.Write(t.Context(), []sink.Record{sink.ParseLine(body)}); err != nil {
			t.Fatal(err)
		}
	}
	if w.size > maxBefore || len(w.kept) > 8 {
		t.Errorf("%d records of %d bytes are kept", len(w.kept), w.size)
	}
}

type failing struct{}

func (failing) Write(context.Context, []sink.Record) error { return errors.ErrUnsupported }

func TestWindowReturnsTheError(t *testing.T) {
	w := &Window{Writer: failing{}, Before: 1}
	if err := w.Write(t.Context(), []sink.Record{sink.ParseLine([]byte("x"))}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("got %v", err)
	}
}
