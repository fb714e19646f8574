package render

import (
	"log/slog"
	"path"
	"strings"

	"github.com/slogcast/slogcast/internal/jsontext"
	"github.com/slogcast/slogcast/sink"
)

// A group is taken apart while it is not deeper, and its keys not longer, than
// this; beyond it is shown as JSON, as every member repeats the key.
const (
	maxNesting = 16
	maxKey     = 128
)

// fits reports whether the value of the key is a group that is taken apart.
func fits(key []byte, value sink.Value, depth int) bool {
	if value[0] != '{' || depth >= maxNesting || len(key) >= maxKey || jsontext.SkipSpace(value[1:])[0] == '}' {
		return false
	}
	for k := range value.Members() {
		if len(key)+1+len(k) > maxKey {
			return false
		}
	}
	return true
}

// appendAttr appends the attribute with the key in t.line.key.
func (t *Terminal) appendAttr(value sink.Value, r *sink.Record, depth int) {
	key := t.line.key
	if fits(key, value, depth) {
		if depth == 0 && string(key) == slog.SourceKey && t.appendSource(value, r) {
			return
		}
		for k, v := range value.Members() {
			t.line.key = append(append(key, '.'), k...)
			t.appendAttr(v, r, depth+1)
		}
		t.line.key = key
		return
	}
	t.appendValue(value)
}

// appendValue appends the value of the key in t.line.key in one piece, or keeps
// it for below when it has several lines.
func (t *Terminal) appendValue(value sink.Value) {
	key := view(t.line.key)
	if !t.visible(key) {
		return
	}
	text := ""
	if value[0] == '"' {
		text = value.Text()
		if strings.Contains(trimLines(text), "\n") {
			t.line.blocks = append(t.line.blocks, block{key: strings.Clone(key), text: text})
			return
		}
	} else if value[0] == '[' && isLines(key, value) {
		t.line.blocks = append(t.line.blocks, block{key: strings.Clone(key), lines: value})
		return
	}
	t.buf = append(t.buf, ' ')
	t.appendKey(key)
	s := style("")
	if strings.HasSuffix(key, "err") || strings.HasSuffix(key, "error") {
		s = red
	}
	switch value[0] {
	case '"':
		t.putMatches(s, text, needsQuotes(text))
	case '{', '[':
		t.line.text = appendCompact(t.line.text[:0], value)
		t.put(s, view(t.line.text))
	default:
		t.put(s, string(value))
		t.appendHint(key, value)
	}
}

func (t *Terminal) appendKey(key string) {
	if quoted := needsQuotes(key); quoted || t.opts.Color && t.highlight.Len() > 0 {
		t.putMatches(dim, key, quoted)
		t.open(dim)
	} else {
		t.open(dim)
		t.buf = appendSafe(t.buf, key)
	}
	t.buf = append(t.buf, '=')
	t.close(dim)
}

// appendSource appends slog's call site as file:line. What is more than a call
// site is not shortened.
func (t *Terminal) appendSource(value sink.Value, r *sink.Record) bool {
	var file, line string
	members := 0
	for k, v := range value.Members() {
		members++
		switch {
		case k == "file" && v[0] == '"' && file == "":
			file = v.Text()
		case k == "line" && v.Kind() == sink.Number && line == "":
			line = string(v)
		case k == "function" && v[0] == '"':
		default:
			return false
		}
	}
	if file == "" || line == "" || members > 3 {
		return false
	}
	if !t.visible(slog.SourceKey) {
		return true
	}
	t.buf = append(t.buf, ' ')
	t.appendKey(slog.SourceKey)
	linked := t.openLink(file, line, r.Host)
	dir, base := path.Split(file)
	if parent := path.Base(dir); parent != "." && parent != "/" {
		t.put("", parent)
		t.buf = append(t.buf, '/')
	}
	t.put("", base)
	t.buf = append(t.buf, ':')
	t.put("", line)
	if linked {
		t.buf = append(t.buf, "\x1b]8;;\x1b\\"...)
	}
	return true
}

// openLink begins a hyperlink to a file, if there can be one.
func (t *Terminal) openLink(file, line, host string) bool {
	const longest = 1024
	if !t.opts.Links || file[0] != '/' || len(file) > longest || len(line) > 9 {
		return false
	}
	t.buf = append(t.buf, "\x1b]8;;file://"...)
	if len(host) <= 253 {
		t.buf = appendPercent(t.buf, host)
	}
	t.buf = appendPercent(t.buf, file)
	t.buf = append(t.buf, '#')
	t.buf = appendPercent(t.buf, line)
	t.buf = append(t.buf, "\x1b\\"...)
	return true
}

// appendPercent appends s for a URI: all but unreserved characters and slashes
// are percent-encoded.
func appendPercent(dst []byte, s string) []byte {
	const hex = "0123456789ABCDEF"
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("/-._~", c) >= 0:
			dst = append(dst, c)
		default:
			dst = append(dst, '%', hex[c>>4], hex[c&15])
		}
	}
	return dst
}

// appendCompact appends valid JSON without its white space.
func appendCompact(dst []byte, value sink.Value) []byte {
	quoted := false
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case quoted && c == '\\':
			dst = append(dst, c)
			i++
			dst = append(dst, value[i])
			continue
		case c == '"':
			quoted = !quoted
		case !quoted && (c == ' ' || c == '\n' || c == '\r' || c == '\t'):
			continue
		}
		dst = append(dst, value[i])
	}
	return dst
}
