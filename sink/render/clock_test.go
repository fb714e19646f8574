package render

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/slogcast/slogcast/sink"
)

func TestMidnightIsMarked(t *testing.T) {
	var out bytes.Buffer
	clock := time.Date(2026, 11, 23, 23, 59, 59, 0, time.UTC)
	terminal := New(&out, Options{UTC: true, Now: func() time.Time { return clock }})
	for _, at := range []string{"2026-11-23T23:59:58Z", "2026-11-23T23:59:59Z", "2026-11-24T00:00:01Z"} {
		if at > "2026-11-23T23:59:58Z" {
			clock = clock.Add(time.Second)
		}
		r := sink.ParseLine([]byte(`{"time":"` + at + `","level":"INFO","msg":"m"}`))
		if err := terminal.Write(t.Context(), []sink.Record{r}); err != nil {
			t.Fatal(err)
		}
	}
	want := `23:59:58.000 INFO  m
── Tue 2026-11-24 ──
2026-11-23 23:59:59.000 INFO  m
00:00:01.000 INFO  m
`
	if got := out.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestParseTime(t *testing.T) {
	for format, want := range map[string]string{
		"relative": relative, "15:04": "15:04", "%Y-%m-%d %H:%M:%S.%L": "2006-01-02 15:04:05.000", "RFC3339": time.RFC3339, "": "",
	} {
		if got, err := ParseTime(format); got != want || err != nil {
			t.Errorf("%q: got %q, %v, want %q", format, got, err, want)
		}
	}
	for _, format := range []string{"foo", "%Q", "15:04\n"} {
		if got, err := ParseTime(format); err == nil || !strings.Contains(err.Error(), "time format") {
			t.Errorf("%q: got %q, %v, want an error", format, got, err)
		}
	}
}
