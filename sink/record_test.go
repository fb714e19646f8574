package sink

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/slogcast/slogcast/internal/jsontext"
)

// at is when the tests' records arrive, sent when they were sent.
var (
	at   = time.Date(2026, 11, 23, 10, 20, 30, 400_000_000, time.UTC)
	sent = time.Date(2026, 11, 23, 10, 20, 29, 0, time.UTC)
)

func newRecord(body string) Record {
	return Record{Body: []byte(body), Received: at, object: jsontext.IsObject([]byte(body))}
}

func TestDecodeTakesWhateverComes(t *testing.T) {
	for _, tt := range []struct {
		name, body           string
		level, message, rest string // rest: the attributes
		own                  bool   // the time is the record's own
	}{
		{"slog", `{"time":"2026-11-23T10:20:28.5Z","level":"WARN","msg":"hi","a":1,"g":{"b":2}}`, "WARN", "hi", `a=1 g={"b":2}`, true},
		{"white space", " {\n\t\"msg\" : \"hi\" , \"a\" : [ 1 , 2 ] }\r\n", "", "hi", "a=[ 1 , 2 ]", false},
		{"plain text", "Hello World!", "", "Hello World!", "", false},
		{"text with a level", "info: Hello World!", "info", "Hello World!", "", false},
		{"nothing", "", "", "", "", false},
		{"array", `[1,2]`, "", "[1,2]", "", false},
		{"number", `42`, "", "42", "", false},
		{"truncated", `{"msg":"hi","a":`, "", `{"msg":"hi","a":`, "", false},
		{"two values", `{"msg":"a"}{"msg":"b"}`, "", `{"msg":"a"}{"msg":"b"}`, "", false},
		{"invalid UTF-8", "\xff\xfe", "", "\uFFFD", "", false},
		{"lone surrogate", `{"msg":"\ud800x"}`, "", "\uFFFDx", "", false},
		{"first of several wins", `{"level":"INFO","msg":"true","level":"ERROR","msg":"fake"}`, "INFO", "true", `level="ERROR" msg="fake"`, false},
		{"names of others", `{"ts":1764066028.5,"severity":"error","message":"hi","lvl":7}`, "error", "hi", "lvl=7", true},
		{"milliseconds", `{"time":1764066028500,"level":30,"msg":"hi"}`, "30", "hi", "", true},
		{"time is text", `{"time":"yesterday","msg":"hi"}`, "", "hi", `time="yesterday"`, false},
		{"values of other types", `{"time":{},"level":[],"msg":null}`, "", "", `time={} level=[] msg=null`, false},
		{"empty object", `{}`, "", "", "", false},
		{"escaped key", `{"m\u0073g":"hi"}`, "", "hi", "", false},
		{"10,001 deep", `{"a":` + strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001) + `}`, "", `{"a":` + strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001) + `}`, "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRecord(tt.body)
			r.Sent = sent
			d := r.decode()
			var rest []string
			for _, a := range d.attrs {
				rest = append(rest, a.Key+"="+string(a.Value))
			}
			if d.levelText != tt.level || d.message != tt.message || strings.Join(rest, " ") != tt.rest || d.own != tt.own {
				t.Errorf("got level %q, message %q, attributes %s, time %v (own: %v)", d.levelText, d.message, rest, d.time, d.own)
			}
			if !tt.own && !d.time.Equal(sent) {
				t.Errorf("got time %v, want that of sending", d.time)
			}
		})
	}
}

func TestLevels(t *testing.T) {
	for name, want := range map[string]slog.Level{
		"DEBUG": slog.LevelDebug, "warn+2": slog.LevelWarn + 2, "Warning": slog.LevelWarn, "fatal": slog.LevelError + 4,
		"": slog.LevelInfo, "30": slog.LevelInfo, "loud": slog.LevelInfo,
	} {
		r := newRecord(`{"level":"` + name + `"}`)
		if got, _ := r.Level(); got != want {
			t.Errorf("%q: got %v, want %v", name, got, want)
		}
	}
}

func TestLineOfAnArchive(t *testing.T) {
	full := Record{Producer: "p", Seq: 7, App: `a"b`, Host: "h", Received: at}
	for _, tt := range []struct {
		body, want string
		r          Record
	}{
		{`{"msg":"hi","n":1e2}`, `{"msg":"hi","n":1e2,"@id":"p/7","@app":"a\"b","@host":"h","@time":"2026-11-23T10:20:30.4Z"}`, full},
		{`{}`, `{"@id":"p/7","@app":"a\"b","@host":"h","@time":"2026-11-23T10:20:30.4Z"}`, full},
		{"{ \"a\" :\n1 }\n", `{"a":1}`, Record{}},
		{"two\nlines", `{"time":"2026-11-23T10:20:30.4Z","msg":"two\nlines","@app":"py"}`, Record{App: "py", Received: at}},
		{"\xffa", `{"time":"2026-11-23T10:20:30.4Z","msg":"�a","@base64":"/2E="}`, Record{Received: at}},
		{"\x1f\x8b", `{"time":"2026-11-23T10:20:30.4Z","msg":"[2 bytes of gzip]","@base64":"H4s="}`, Record{Received: at, Encoding: "gzip"}},
	} {
		r := tt.r
		r.Body = []byte(tt.body)
		r.object = jsontext.IsObject(r.Body)
		if got := string(r.AppendLine(nil)); got != tt.want+"\n" {
			t.Errorf("%q:\n got %swant %s", tt.body, got, tt.want)
		}
	}
}

// FuzzRecord gives arbitrary bodies to everything that reads them.
func FuzzRecord(f *testing.F) {
	for _, body := range []string{"", "text", `{"msg":"a","g":{"h":{"i":[1,"x\n"]}}}`, `{"source":{"file":"a/b.go","line":1}}`, "{\"a\":\"\x1b[31m\u202e\"}", `{"a":1}{`, "{\n}", `{ }`, `{"msg":"x"}`, `{"time":"2026-11-23T10:20:30.4Z","msg":"x"}`, `{"msg":"x","@id":"01a20621-6d67-77e1-943f-5c3a6f50edb6/9"}`, `{"a":1,"@base64":"e30="}`, "caf\xe9", "{\"a\":\"\xe9\"}", "\x7f\u0085", `{"@app":"","@host":"\n"}`} {
		f.Add([]byte(body), "app")
	}
	f.Fuzz(func(t *testing.T, body []byte, app string) {
		r := Record{Body: body, App: app, Producer: "p", Seq: 1, Received: at, object: jsontext.IsObject(body)}
		line := r.AppendLine(nil)
		if !json.Valid(line) || bytes.Count(line, []byte{'\n'}) != 1 {
			t.Errorf("line: %q", line)
		}
		back := ParseLine(bytes.Clone(line))
		if again := back.AppendLine(nil); !bytes.Equal(again, line) {
			t.Errorf("%q:\n got %q\nwant %q", body, again, line)
		}
		if producer, seq, ok := LineID(line); !ok || string(producer) != "p" || seq != 1 {
			t.Errorf("%q: got number %q/%d", line, producer, seq)
		}
		foreign := Record{Body: body, App: app, object: r.object}
		line = foreign.AppendLine(nil)
		if _, _, ok := LineID(line); ok {
			t.Errorf("%q: believed a number of the body", line)
		}
		back = ParseLine(bytes.Clone(line))
		if again := back.AppendLine(nil); !bytes.Equal(again, line) || back.Seq != 0 {
			t.Errorf("%q, %q:\n got %q\nwant %q", body, app, again, line)
		}
		r.Level()
	})
}

// TestSlogLevel has the level of a record that is not taken apart be the one of a
// record that is.
func TestSlogLevel(t *testing.T) {
	for _, body := range []string{
		`{"time":"2026-11-25T04:00:00Z","level":"WARN","msg":"x","level":"ERROR"}`,
		`{"time":"2026-11-25T04:00:00.123+01:00","level":"DEBUG-4","msg":"\""}`,
		`{"time":"2026-11-25T04:00:00Z","level":"ERROR","msg":"","message":"x","severity":"INFO"}`,
		`{"time":"2026-11-25T04:00:00Z","level":"ERROR","msg":1,"severity":"INFO"}`,
		`{"time":"2026-11-25T04:00:00Z","level":"ERROR\\","msg":"x"}`,
		`{"time":"2026-11-25T04:00:00Z","level":"\",\"msg\":\"x","msg":"x"}`,
		`{"time":"2026-11-25T04:00:00Z","level":"loud","msg":"x","severity":"ERROR"}`,
		`{"time":"2026-11-25T04:00:00Z","level":50,"msg":"x"}`,
		`{"time":"2026-11-25T04:00:00Z", "level":"WARN","msg":"x"}`,
		`{"time":"2026-11-25T04:00:00Z","level":"WARN"}`,
		`{"time":"then","level":"WARN","msg":"x","severity":"ERROR"}`,
		`{"time":"2026-11-25T04:00:00Z","level":"WARN","msg":"x`,
	} {
		quick, whole := ParseLine([]byte(body)), ParseLine([]byte(body))
		whole.decode()
		level, known := quick.Level()
		wantLevel, wantKnown := whole.Level()
		if level != wantLevel || known != wantKnown {
			t.Errorf("%s: got level %v (%t), want %v (%t)", body, level, known, wantLevel, wantKnown)
		}
		quick = ParseLine([]byte(body))
		if got, want := quick.LevelText(), whole.LevelText(); got != want {
			t.Errorf("%s: got level %q, want %q", body, got, want)
		}
	}
}
