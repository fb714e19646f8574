package render

import (
	"log/slog"
	"strings"
	"time"
	"unsafe"

	"github.com/slogcast/slogcast/sink"
)

// liner is what a line in the making needs; its memory is used again.
type liner struct {
	key    []byte  // of the attribute at hand, dotted
	text   []byte  // JSON without white space, or a line before it is wrapped
	blocks []block // of the record at hand
	spans  []span  // matches in the text at hand
}

// block is text of several lines, to follow its record.
type block struct {
	key   string
	text  string
	lines sink.Value // an array of lines, instead of text
}

// style is an SGR parameter (ECMA-48 section 8.3.117).
type style string

const (
	dim    style = "2"
	bold   style = "1"
	red    style = "31"
	yellow style = "33"
	cyan   style = "36"
	loud   style = "1;37;41"
	match  style = "7"
)

// open begins a style, close ends it.
func (t *Terminal) open(s style) {
	if t.opts.Color && s != "" {
		t.buf = append(append(append(t.buf, "\x1b["...), s...), 'm')
	}
}

func (t *Terminal) close(s style) {
	if t.opts.Color && s != "" {
		t.buf = append(t.buf, "\x1b[0m"...)
	}
}

// put appends text in a style.
func (t *Terminal) put(s style, text string) { t.putMatches(s, text, false) }

// view returns b as a string without a copy, valid while b is not changed.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// appendPretty appends the line of a record and what follows it.
func (t *Terminal) appendPretty(r *sink.Record, now time.Time) {
	start := len(t.buf)
	at, own := r.Time()
	if !t.hides("time") {
		t.buf = t.clock.appendMidnight(t, now)
		t.open(dim)
		t.buf = t.clock.append(t.buf, at, own)
		t.close(dim)
		t.buf = append(t.buf, ' ')
	}
	line := start + strings.LastIndexByte(view(t.buf[start:]), '\n') + 1
	afterTime := len(t.buf)
	t.appendColumns(r)
	column := len(t.buf)
	t.line.blocks = t.line.blocks[:0]
	t.appendMessage(r)
	if attrs := r.Attrs(); len(attrs) > 0 {
		t.buf = append(t.buf, ' ') // a second one sets them apart
		for i := range attrs {
			t.line.key = append(t.line.key[:0], attrs[i].Key...)
			t.appendAttr(attrs[i].Value, r, 0)
		}
	}
	if stack := r.Stack(); stack != "" && t.visible("stack") {
		t.line.blocks = append(t.line.blocks, block{key: "stack", text: stack})
	}
	for len(t.buf) > column && t.buf[len(t.buf)-1] == ' ' {
		t.buf = t.buf[:len(t.buf)-1]
	}
	t.endLine(line, column, false)
	for i := range t.line.blocks {
		t.appendBlock(&t.line.blocks[i])
	}
	if t.opts.Fold {
		t.foldRecord(start, afterTime, at, now)
	}
}

// appendColumns appends level and app.
func (t *Terminal) appendColumns(r *sink.Record) {
	level, known := r.Level()
	if !t.hides("level") {
		t.appendLevel(r.LevelText(), r.LevelName(), level, known)
	}
	if !t.hides("app") {
		t.appendApp(r.App)
	}
}

// appendMessage appends the first line of the message; others follow below.
func (t *Terminal) appendMessage(r *sink.Record) {
	if t.hides("msg") {
		return
	}
	s := bold
	if level, known := r.Level(); known && level < slog.LevelInfo {
		s = ""
	}
	text := strings.TrimLeft(trimLines(r.Message()), "\r\n")
	first, more, several := strings.Cut(text, "\n")
	t.put(s, strings.TrimSuffix(first, "\r"))
	if several {
		t.line.blocks = append(t.line.blocks, block{text: more})
	}
}

// trimLines cuts the ends of lines off the end of s.
func trimLines(s string) string {
	for len(s) > 0 && (s[len(s)-1] == '\n' || s[len(s)-1] == '\r') {
		s = s[:len(s)-1]
	}
	return s
}
