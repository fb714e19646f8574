package envelope

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"go.uber.org/goleak"

	"github.com/slogcast/slogcast/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const producer = "0192f0c1-7d3a-7e21-9a51-6f1f0f4e8f11"

func TestEnvelopeArrivesAsItWasSent(t *testing.T) {
	var reader Reader
	for _, want := range []Envelope{
		{Producer: producer, Seq: 41, App: "shop", Host: "h1", Time: time.Unix(1_700_000_000, 0), Count: 1},
		{Producer: producer, Seq: 41, App: "shop", Host: "h1", Time: time.Unix(1_700_000_000, 0), Count: 1, Dropped: 7},
		{Producer: producer, Seq: 41, App: "shop", Host: "h1", Time: time.Unix(1_700_000_000, 0), Count: 3, Dropped: 7},
		{Producer: producer, Seq: 41, App: "shop", Host: "h1", Time: time.Unix(253_402_300_799, 0), Count: 1},
		{Producer: producer, Seq: 1<<64 - 1, App: strings.Repeat("a", 255), Host: strings.Repeat("h", 255), Count: 2, Dropped: 1<<62 - 1},
		{Host: "h1", Count: 1},
	} {
		body := []byte(`{"msg":"one"}` + strings.Repeat("\n{}", want.Count-1))
		properties := want.AppendProperties(nil)
		if _, err := wire.ParseProperties(properties); err != nil {
			t.Errorf("%v: %q", err, properties)
		}
		got := reader.Read(properties, body)
		if got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		var records []string
		for seq, record := range got.Records(body) {
			if want.Seq > 0 && seq != want.Seq+uint64(len(records)) {
				t.Errorf("record %d has number %d", len(records), seq)
			}
			records = append(records, string(record))
		}
		if strings.Join(records, "\n") != string(body) {
			t.Errorf("got records %q of %q", records, body)
		}
		want.Transient = true
		if transient := want.AppendProperties(nil); bytes.Equal(transient, properties) || len(transient) != len(properties) {
			t.Errorf("got %q and %q", properties, transient)
		}
	}
}

func FuzzClamp(f *testing.F) {
	f.Add(strings.Repeat("é", 200))
	f.Add(strings.Repeat("x", 256))
	f.Add("\xff" + strings.Repeat("\x80", 300))
	f.Fuzz(func(t *testing.T, s string) {
		got := Clamp(s)
		switch {
		case len(got) > 255, !strings.HasPrefix(s, got):
			t.Errorf("got %d bytes of %d", len(got), len(s))
		case utf8.ValidString(s) && (!utf8.ValidString(got) || len(s) > 255 && len(got) < 252):
			t.Errorf("cut %q to %q", s, got)
		case len(s) <= 255 && got != s:
			t.Errorf("cut %q, which fits", s)
		}
		if key := RoutingKey(s, "WARN+2"); len(key) > 255 || !strings.HasSuffix(key, ".warn+2") {
			t.Errorf("got routing key %q", key)
		}
	})
}

func ExampleMessageID() {
	id := MessageID(producer, 12)
	fmt.Println(id)
	fmt.Println(ParseMessageID(id))
	// Output:
	// 0192f0c1-7d3a-7e21-9a51-6f1f0f4e8f11/12
	// 0192f0c1-7d3a-7e21-9a51-6f1f0f4e8f11 12 true
}

// Python's clients can't make a date of others, and end their consumers.
func TestOnlyTimesThatEveryClientCanReadAreSent(t *testing.T) {
	var reader Reader
	for _, unix := range []int64{-1, -62135596801, 253_402_300_800, 1 << 62} {
		e := Envelope{Producer: producer, Seq: 1, Time: time.Unix(unix, 0), Count: 1}
		if got := reader.Read(e.AppendProperties(nil), nil); !got.Time.IsZero() {
			t.Errorf("%d: got %v", unix, got.Time)
		}
	}
}

func TestCleanTextIsReadableAndFits(t *testing.T) {
	for in, want := range map[string]string{
		"shop": "shop", "caf\xe9": "caf\uFFFD", "\xff\xfe": "\uFFFD", strings.Repeat("\xe9", 300): "\uFFFD",
		strings.Repeat("a", 254) + "é": strings.Repeat("a", 254),
		strings.Repeat("\xff-", 200):   strings.Repeat("\uFFFD-", 63) + "\uFFFD",
	} {
		if got := Clean(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
