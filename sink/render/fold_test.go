package render

import (
	"bytes"
	"testing"
	"time"

	"github.com/slogcast/slogcast/sink"
)

func TestRepeatsAreFolded(t *testing.T) {
	var out bytes.Buffer
	clock := at
	terminal := New(&out, Options{Fold: true, UTC: true, Now: func() time.Time { return clock }})
	show := func(second, msg string) {
		t.Helper()
		r := sink.ParseLine([]byte(`{"time":"2026-11-23T10:20:` + second + `Z","level":"INFO","msg":"` + msg + `"}`))
		if err := terminal.Write(t.Context(), []sink.Record{r}); err != nil {
			t.Fatal(err)
		}
	}
	show("01", "a")
	show("02", "a")
	show("03", "a")
	show("04", "b")
	show("05", "b")
	clock = clock.Add(2 * foldEvery)
	show("06", "b")
	show("07", "b")
	if err := terminal.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := terminal.Separate(); err != nil {
		t.Fatal(err)
	}
	want := `10:20:01.000 INFO  a
×3 until 10:20:03.000
10:20:04.000 INFO  b
×3 until 10:20:06.000
×4 until 10:20:07.000
--
`
	if got := out.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
