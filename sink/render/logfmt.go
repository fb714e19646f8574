package render

import (
	"time"
	"unicode/utf8"

	"github.com/slogcast/slogcast/internal/jsontext"
	"github.com/slogcast/slogcast/sink"
)

// appendLogfmt appends the record as a line of logfmt: time, level, app, msg,
// and its attributes with dotted keys. Values that need it are quoted as in
// JSON, so that every reader gets them back; objects that are not taken apart
// and arrays are JSON.
func (t *Terminal) appendLogfmt(r *sink.Record) {
	start := len(t.buf)
	if at, _ := r.Time(); !at.IsZero() && !t.hides("time") {
		t.buf = append(t.buf, "time="...)
		t.buf = at.In(t.zone).AppendFormat(t.buf, time.RFC3339Nano)
	}
	level := r.LevelName()
	if level == "" {
		level = r.LevelText()
	}
	t.appendPair("level", level, t.hides("level") || level == "")
	t.appendPair("app", r.App, t.hides("app") || r.App == "")
	t.appendPair("msg", r.Message(), t.hides("msg"))
	for _, a := range r.Attrs() {
		t.line.key = append(t.line.key[:0], a.Key...)
		t.appendLogfmtAttr(a.Value, 0)
	}
	stack := r.Stack()
	t.appendPair("stack", stack, stack == "" || !t.visible("stack"))
	if len(t.buf) > start && t.buf[start] == ' ' {
		t.buf = append(t.buf[:start], t.buf[start+1:]...)
	}
	t.buf = append(t.buf, '\n')
}

func (t *Terminal) appendLogfmtAttr(value sink.Value, depth int) {
	key := t.line.key
	if fits(key, value, depth) {
		for k, v := range value.Members() {
			t.line.key = append(append(key, '.'), k...)
			t.appendLogfmtAttr(v, depth+1)
		}
		t.line.key = key
		return
	}
	text := ""
	switch value[0] {
	case '"':
		text = value.Text()
	case '{', '[':
		t.line.text = appendCompact(t.line.text[:0], value)
		text = view(t.line.text)
	default:
		text = string(value)
	}
	t.appendPair(view(key), text, !t.visible(view(key)))
}

func (t *Terminal) appendPair(key, value string, hidden bool) {
	if hidden {
		return
	}
	t.buf = append(t.buf, ' ')
	t.buf = appendLogfmtKey(t.buf, key)
	t.buf = append(t.buf, '=')
	if quotable(value) {
		t.buf = appendJSONString(t.buf, value)
	} else {
		t.buf = append(t.buf, value...)
	}
}

// appendLogfmtKey appends a key with an underscore for what no key can have.
func appendLogfmtKey(dst []byte, key string) []byte {
	if key == "" {
		return append(dst, '_')
	}
	for _, r := range key {
		if r <= ' ' || r == '=' || r == '"' || r == utf8.RuneError || !safe(r) {
			r = '_'
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}

// quotable reports whether a value must be quoted, or may have to be.
func quotable(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '=' || c == '\\' {
			return true
		}
	}
	return s == ""
}

// appendJSONString appends text as a safe string of JSON.
func appendJSONString(dst []byte, text string) []byte {
	return appendSafeJSON(dst, view(jsontext.AppendString(nil, text)))
}
