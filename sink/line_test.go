package sink

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/slogcast/slogcast/internal/jsontext"
)

const uuid = "01a20621-6d67-77e1-943f-5c3a6f50edb6"

// Lines are valid, show nothing to a terminal that directs it, and give back the
// body they were made of.
func TestParseLineUndoesAppendLine(t *testing.T) {
	for _, tt := range []struct {
		body  string
		value bool // of the body, which is not the same byte for byte
	}{
		{body: `{"time":"2026-11-23T10:20:30.4Z","level":"INFO","msg":"hi"}`},
		{body: `{}`}, {body: `{ }`, value: true}, {body: "{\n\"a\": [1,\t2]\r\n}", value: true},
		{body: ""}, {body: "text"}, {body: "two\nlines"}, {body: "caf\xe9"}, {body: "\x00\x7f\u0085\u202e\u2028"},
		{body: "{\"msg\":\"caf\xe9\"}"}, {body: "{\"a\":\"\u202e\u009b\x7f\"}", value: true}, {body: `{"a":"é日本👩‍💻"}`},
		{body: `{"msg":"x"}`}, {body: `{"time":"2026-11-23T10:20:30.4Z","msg":"x"}`}, {body: `{"a":1,"a":2}`},
		{body: `{"msg":"x","@id":"` + uuid + `/96"}`}, {body: `{"msg":"x","@app":"other","@base64":"e30="}`}, {body: `{"@time":"2026-11-23T10:20:30Z"}`},
		{body: `{"a":"\\\"","b":"\\"}`}, {body: `[1]`}, {body: `{"a":`},
	} {
		for _, r := range []Record{{}, {App: "a\x7f\"b"}, {Producer: uuid, Seq: 7, App: "web", Host: "h", Received: at}, {Host: "h", Received: at, Sent: sent}} {
			r.Body, r.object = []byte(tt.body), jsontext.IsObject([]byte(tt.body))
			line := r.AppendLine(nil)
			if !json.Valid(line) || !utf8.Valid(line) || bytes.ContainsAny(line[:len(line)-1], "\n\r\t\x7f\u0085\u009b\u202e\u2028") {
				t.Errorf("%q: got line %q", tt.body, line)
			}
			producer, seq, ok := LineID(line)
			if string(producer) != r.Producer || seq != r.Seq || ok != (r.Seq > 0) {
				t.Errorf("%s: got number %s/%d, %t", line, producer, seq, ok)
			}
			back := ParseLine(bytes.Clone(line))
			if back.ID() != r.ID() || back.App != r.App || back.Host != r.Host || back.Object() != r.Object() {
				t.Errorf("%s: got %+v", line, back)
			}
			if got := string(back.Body); got != tt.body && !(tt.value && sameValue(t, got, tt.body)) {
				t.Errorf("%s: got body %q, want %q", line, got, tt.body)
			}
			was, own := r.Time()
			if is, still := back.Time(); !is.Equal(was) || still != own {
				t.Errorf("%s: got time %v (%t), want %v (%t)", line, is, still, was, own)
			}
			if again := back.AppendLine(nil); !bytes.Equal(again, line) {
				t.Errorf("got  %swant %s", again, line)
			}
		}
	}
}

func sameValue(t *testing.T, a, b string) bool {
	var x, y any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return false
	}
	one, _ := json.Marshal(x)
	other, _ := json.Marshal(y)
	return bytes.Equal(one, other)
}

// The lines of other programs are records of their own.
func TestForeignLines(t *testing.T) {
	for _, line := range []string{
		`plain "@id":"` + uuid + `/1"}`, `{"name":"x","@id":"https://example.org/"}`, `{"time":"2026-11-23T10:20:30Z","msg":"hi"}`, `level=info msg=x`,
		`{"a":{"@id":"` + uuid + `/1"}}`, `{"a":1,"@id":"` + uuid + `/01"}`, `{"@id":"` + uuid + `/3","a":1}`,
	} {
		r := ParseLine([]byte(line + "\n"))
		if string(r.Body) != line || r.Seq != 0 {
			t.Errorf("%s: got %s of %q", line, r.Body, r.ID())
		}
	}
}

func TestLevelAroundARecord(t *testing.T) {
	for _, tt := range []struct {
		r    Record
		want string
	}{
		{Record{Body: []byte("boom"), Headers: `{"x":1,"level":"ERROR"}`}, "error"},
		{Record{Body: []byte("boom"), Key: "shop.warn"}, "warn"},
		{Record{Body: []byte("WARN boom"), Key: "shop.error"}, "warn"},
		{Record{Body: []byte("boom"), Key: "shop.orders"}, ""},
	} {
		line := tt.r.AppendLine(nil)
		back := ParseLine(bytes.Clone(line))
		if got, again := tt.r.LevelName(), back.LevelName(); got != tt.want || again != tt.want {
			t.Errorf("%s: got %q, and %q from the archive, want %q", line, got, again, tt.want)
		}
	}
}

func TestJSONShowsKeyAndHeaders(t *testing.T) {
	for body, want := range map[string]string{
		`{"msg":"x","level":"INFO"}`: `{"msg":"x","level":"INFO","@key":"a.b","@headers":{"k":"v"},"@app":"py"}`,
		"text":                       `{"msg":"text","@key":"a.b","@headers":{"k":"v"},"@app":"py"}`,
	} {
		r := Record{Body: []byte(body), App: "py", Key: "a.b", Headers: `{"k":"v"}`, object: jsontext.IsObject([]byte(body))}
		if got := string(r.AppendJSON(nil)); got != want+"\n" {
			t.Errorf("got  %swant %s", got, want)
		}
	}
}

func TestKeysOfTheUser(t *testing.T) {
	r := newRecord(`{"level":"info","meta":{"wie":"schlimm","wann":"2026-11-23T10:20:28Z"},"text":"was","msg":"x"}`)
	r.Keys = &Keys{Level: []string{"gone", "meta.wie"}, Message: []string{"text"}, Time: []string{"meta.wann"}}
	at, own := r.Time()
	if _, known := r.Level(); known || r.Message() != "was" || !own || at.Second() != 28 {
		t.Errorf("got %v, %q, %q", at, r.LevelText(), r.Message())
	}
}

// What a record costs grows with its size, and is not kept.
func TestMemoryOfALargeRecordIsNotKept(t *testing.T) {
	r := newRecord("{" + strings.Repeat(`"level":1,`, 100_000) + `"a":1}`)
	if n := len(r.Attrs()); n != 100_000 {
		t.Fatalf("got %d attributes", n)
	}
	c := r.Clone()
	if c.parts != nil || cap(c.Body) > len(r.Body)+1024 {
		t.Error("a clone holds more than its body")
	}
	r.SetLine([]byte(`{"a":1}`))
	r.Attrs()
	if cap(r.parts.all) > 128 || cap(r.parts.uses) > 128 {
		t.Errorf("holds %d attributes", cap(r.parts.all))
	}
}

func TestLookupFindsTheStack(t *testing.T) {
	for body, key := range map[string]string{
		`{"time":"2026-11-23T10:20:28Z","level":"INFO","msg":"x","stack":"a\nb"}`: "stack",
		`{"msg":"x","err":{"code":1,"stack":"a\nb"}}`:                             "err.stack",
	} {
		r := newRecord(body)
		if v, ok := r.Lookup(key); !ok || v.Text() != "a\nb" || r.Stack() != "a\nb" {
			t.Errorf("%s: got %q", body, v)
		}
	}
}
