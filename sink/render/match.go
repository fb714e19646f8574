package render

import (
	"cmp"
	"slices"
	"unicode/utf8"
)

// span is a part of a text, in bytes.
type span struct{ start, end int }

// putMatches appends text in a style, in quotes if quoted, with what the filters
// have matched in it marked.
func (t *Terminal) putMatches(s style, text string, quoted bool) {
	t.open(s)
	if quoted {
		t.buf = append(t.buf, '"')
	}
	if !t.opts.Color || t.highlight.Len() == 0 {
		t.buf = appendText(t.buf, text, quoted)
	} else {
		from := 0
		for _, m := range t.matches(text) {
			t.buf = appendText(t.buf, text[from:m.start], quoted)
			t.open(match)
			t.buf = appendText(t.buf, text[m.start:m.end], quoted)
			t.close(match)
			t.open(s)
			from = m.end
		}
		t.buf = appendText(t.buf, text[from:], quoted)
	}
	if quoted {
		t.buf = append(t.buf, '"')
	}
	t.close(s)
}

// matches returns what is matched in text, in order and without overlaps.
func (t *Terminal) matches(text string) []span {
	spans := t.line.spans[:0]
	t.highlight.Each(text, func(i int) bool {
		for _, m := range t.highlight.Expression(i).FindAllStringIndex(text, -1) {
			if m[0] < m[1] {
				spans = append(spans, span{m[0], m[1]})
			}
		}
		return true
	})
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.start, b.start) })
	merged := spans[:0]
	for _, s := range spans {
		if n := len(merged); n > 0 && s.start <= merged[n-1].end {
			merged[n-1].end = max(merged[n-1].end, s.end)
		} else {
			merged = append(merged, s)
		}
	}
	t.line.spans = spans[:0]
	return merged
}

// appendText appends safe text, for within quotes if quoted.
func appendText(dst []byte, text string, quoted bool) []byte {
	if !quoted {
		return appendSafe(dst, text)
	}
	from := 0
	for i := 0; i < len(text); i++ {
		var escaped byte
		switch text[i] {
		case '"', '\\':
			escaped = text[i]
		case '\n':
			escaped = 'n'
		case '\r':
			escaped = 'r'
		case '\t':
			escaped = 't'
		default:
			continue
		}
		dst = append(appendSafe(dst, text[from:i]), '\\', escaped)
		from = i + 1
	}
	return appendSafe(dst, text[from:])
}

// bare tells the characters that can't be taken for anything else.
var bare = func() (t [256]bool) {
	for b := '!'; b < 0x7f; b++ {
		t[b] = b != '"' && b != '=' && b != '\\'
	}
	for b := utf8.RuneSelf; b < 256; b++ {
		t[b] = true // what is not safe is escaped
	}
	return t
}()

// needsQuotes reports whether a key or value could be taken for something else.
func needsQuotes(s string) bool {
	for i := range len(s) {
		if !bare[s[i]] {
			return true
		}
	}
	return s == ""
}
