package envelope

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/slogcast/slogcast/internal/wire"
)

func TestRecordsOfABody(t *testing.T) {
	const own = producer + "/7"
	for _, tt := range []struct {
		name, contentType, id, body string
		want                        []string
	}{
		{"final newline", "application/x-ndjson", "", "{\"a\":1}\n", []string{`{"a":1}`}},
		{"blank lines and CRLF", "application/x-ndjson", "", "\r\n{\"a\":1}\r\n\r\n\n{\"b\":2}\r\n", []string{`{"a":1}`, `{"b":2}`}},
		{"parameters", "application/x-ndjson; charset=utf-8", "", "one\ntwo", []string{"one", "two"}},
		{"JSON Lines", "Application/JSONL", "", "{}\n{}", []string{"{}", "{}"}},
		{"JSON text sequence", "application/json-seq", "", "\x1e{}\n\x1e{}\n", []string{"{}", "{}"}},
		{"no type", "", "", "{}\n{\"a\":1}\n", []string{"{}", `{"a":1}`}},
		{"lines that are no objects", "", "", "{}\nx", []string{"{}\nx"}},
		{"objects without lines", "", "", "{\"a\":1}{\"b\":\"}{\"} {}", []string{`{"a":1}`, `{"b":"}{"}`, "{}"}},
		{"objects over several lines", "application/json", "", "\ufeff{\n\"a\":1\n}\r\n{\n}\n\x1e{}\x00", []string{"{\n\"a\":1\n}", "{\n}", "{}"}},
		{"objects, and a part of one", "", "", "{}{}{", []string{"{}{}{"}},
		{"an object over several lines", "application/json", "", "{\n\"a\":1\n}", []string{"{\n\"a\":1\n}"}},
		{"an array of objects", "application/json", "", "[ {\"a\":1} , {} ]\n", []string{`{"a":1}`, "{}"}},
		{"an array of other things", "application/json", "", "[{},1]", []string{"[{},1]"}},
		{"an empty array", "application/json", "", "[]", []string{"[]"}},
		{"a byte order mark, zeros", "application/json", "", "\ufeff{}\x00\x00", []string{"{}"}},
		{"text", "text/plain", "", "a\n\tb\n", []string{"a\n\tb"}},
		{"one of a handler", "application/json", own, "{}", []string{"{}"}},
		{"nothing", "", "", "", []string{""}},
		{"newlines alone", "application/x-ndjson", "", "\n\n\n", nil},
	} {
		flags, values := uint16(wire.FlagContentType), []any{tt.contentType}
		if tt.id != "" {
			flags, values = flags|wire.FlagMessageID, append(values, tt.id)
		}
		e := new(Reader).Read(foreign(flags, values...), nil)
		var got []string
		for seq, body := range e.Records([]byte(tt.body)) {
			if want := e.Seq; want > 0 && seq != want+uint64(len(got)) {
				t.Errorf("%s: record %d has number %d", tt.name, len(got), seq)
			}
			got = append(got, string(body))
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

// A body of newlines costs no memory, and a batch nothing beyond its body.
func TestRecordsHoldNothing(t *testing.T) {
	e := new(Reader).Read(foreign(wire.FlagContentType, ContentTypeNDJSON), nil)
	blank, full := bytes.Repeat([]byte("\n"), 4<<20), bytes.Repeat([]byte("{}\n"), 1<<10)
	n := 0
	got := testing.AllocsPerRun(1, func() {
		n = 0
		for range e.Records(blank) {
			n++
		}
		for range e.Records(full) {
			n++
		}
	})
	if n != 1<<10 || got > 2 {
		t.Errorf("got %d records and %v allocations", n, got)
	}
}

func TestCompressedBodies(t *testing.T) {
	compress := func(w io.WriteCloser, b *bytes.Buffer, text string) []byte {
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	zipped := func(text string) []byte {
		var b bytes.Buffer
		return compress(gzip.NewWriter(&b), &b, text)
	}
	var b bytes.Buffer
	bomb := zipped(strings.Repeat("x", 1<<20))
	for _, tt := range []struct {
		name, encoding string
		body           []byte
		want, left     string
	}{
		{"gzip", "gzip", zipped(`{"a":1}`), `{"a":1}`, ""},
		{"deflate", "Deflate", compress(zlib.NewWriter(&b), &b, "hi"), "hi", ""},
		{"too large", "gzip", bomb, string(bomb), "gzip"},
		{"not gzip", "gzip", []byte("hi"), "hi", "gzip"},
		{"a charset", "UTF-8", []byte("hi\xff"), "hi\xff", "UTF-8"},
	} {
		e := new(Reader).Read(foreign(wire.FlagContentEncoding, tt.encoding), nil)
		for _, body := range e.Records(tt.body) {
			if string(body) != tt.want || e.Encoding != tt.left {
				t.Errorf("%s: got %.50q in %q", tt.name, body, e.Encoding)
			}
		}
	}
}
