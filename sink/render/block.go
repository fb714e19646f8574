package render

import (
	"strings"

	"github.com/slogcast/slogcast/internal/jsontext"
	"github.com/slogcast/slogcast/sink"
)

// blockIndent puts the mark of a block below the level.
const blockIndent = 13

// stackKeys are the last parts of keys whose arrays are lines.
var stackKeys = map[string]bool{
	"stack": true, "stacktrace": true, "stack_trace": true, "backtrace": true, "traceback": true,
	"trace": true, "frames": true, "exception": true, "lines": true,
}

// isLines reports whether an array is a text by lines: a stack by its key, or
// frames by their look.
func isLines(key string, value sink.Value) bool {
	first, ok := firstElement(value)
	if !ok {
		return false
	}
	last := key[strings.LastIndexByte(key, '.')+1:]
	if len(last) <= len("stack_trace") && stackKeys[strings.ToLower(last)] {
		return first[0] == '"' || first[0] == '{'
	}
	if first[0] != '"' {
		return false
	}
	for v := range elements(value) {
		if v[0] != '"' {
			return false
		}
		if text := v.Text(); strings.HasPrefix(strings.TrimLeft(text, " \t"), "at ") || strings.Contains(trimLines(text), "\n") {
			return true
		}
	}
	return false
}

func firstElement(array sink.Value) (sink.Value, bool) {
	for v := range elements(array) {
		return v, true
	}
	return "", false
}

// elements yields the elements of an array.
func elements(array sink.Value) func(yield func(sink.Value) bool) {
	return func(yield func(sink.Value) bool) {
		rest := jsontext.SkipSpace(array[1:])
		for len(rest) > 0 && rest[0] != ']' {
			n := valueLen(rest)
			if !yield(rest[:n]) {
				return
			}
			rest = jsontext.SkipSpace(rest[n:])
			if rest[0] == ',' {
				rest = jsontext.SkipSpace(rest[1:])
			}
		}
	}
}

// valueLen returns the length of the valid JSON value at the start of s.
func valueLen(s sink.Value) int {
	depth, quoted := 0, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
			if !quoted && depth == 0 {
				return i + 1
			}
		case quoted:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth == 0 {
				return i
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case depth == 0 && (c == ',' || c == ' ' || c == '\n' || c == '\r' || c == '\t'):
			return i
		}
	}
	return len(s)
}

// appendBlock appends text of several lines, each marked.
func (t *Terminal) appendBlock(b *block) {
	indent := ""
	if b.key != "" {
		start := t.appendMark()
		t.put(dim, b.key)
		t.open(dim)
		t.buf = append(t.buf, ':')
		t.close(dim)
		t.endLine(start, len(t.buf), true)
		indent = "  "
	}
	if b.lines == "" {
		t.appendMarked(b.text, indent)
		return
	}
	for v := range elements(b.lines) {
		if v[0] == '"' {
			t.appendMarked(v.Text(), indent)
		} else {
			t.line.text = appendCompact(t.line.text[:0], v)
			t.appendMarked(string(t.line.text), indent)
		}
	}
}

// appendMark begins a line of a block and returns where it begins.
func (t *Terminal) appendMark() (start int) {
	start = len(t.buf)
	t.pad(blockIndent)
	t.put(dim, "│ ")
	return start
}

func (t *Terminal) appendMarked(text, indent string) {
	for line := range strings.SplitSeq(strings.TrimLeft(trimLines(text), "\r\n"), "\n") {
		start := t.appendMark()
		t.buf = append(t.buf, indent...)
		column := len(t.buf)
		t.put("", strings.ReplaceAll(strings.TrimSuffix(line, "\r"), "\t", "    "))
		t.endLine(start, column, true)
	}
}
