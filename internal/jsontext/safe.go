package jsontext

import (
	"encoding/binary"
	"slices"
	"strings"
	"unicode/utf8"
)

// directs reports whether one of eight bytes is not printable ASCII.
func directs(b uint64) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	return (b|(b+ones)|(b-ones*' '))&highs != 0
}

// safePrefix returns how many bytes at the start of b are printable ASCII, at
// least up to the first of eight that are not.
func safePrefix(b []byte) (n int) {
	for ; len(b)-n >= 8; n += 8 {
		if directs(binary.LittleEndian.Uint64(b[n:])) {
			break
		}
	}
	for n < len(b) && b[n] >= ' ' && b[n] < 0x7f {
		n++
	}
	return n
}

// unsafeRune reports whether r, beyond ASCII, directs a terminal or the order of what
// it shows, or ends a line: C1, and what Unicode has for directions and lines.
func unsafeRune(r rune) bool {
	switch {
	case r < 0xa0:
		return true
	case r < 0x61c || r > 0x2069:
		return false
	}
	return r == 0x61c || r == 0x200e || r == 0x200f || 0x2028 <= r && r <= 0x202e || r >= 0x2066
}

// AppendSafe appends a valid JSON value with the same one in valid UTF-8, without
// anything that directs a terminal. It is exact unless it had to replace invalid
// bytes. White space around the value is left out, and where there are line ends
// or tabs among white space, all of it.
func AppendSafe(dst, json []byte) (line []byte, exact bool) {
	json = SkipSpace(json)
	for len(json) > 0 && isSpace(json[len(json)-1]) {
		json = json[:len(json)-1]
	}
	n := safePrefix(json)
	if n == len(json) {
		return append(dst, json...), true
	}
	for rest := json[n:]; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		if r < ' ' || r == 0x7f || r == utf8.RuneError && size == 1 || r >= utf8.RuneSelf && unsafeRune(r) {
			return appendRewritten(dst, json)
		}
		rest = rest[size:]
		rest = rest[safePrefix(rest):]
	}
	return append(dst, json...), true
}

func appendRewritten(dst, json []byte) (line []byte, exact bool) {
	dst, exact = slices.Grow(dst, len(json)), true
	for quoted := false; len(json) > 0; {
		r, size := utf8.DecodeRune(json)
		switch {
		case r == utf8.RuneError && size == 1:
			dst, exact = append(dst, `\ufffd`...), false
		case !quoted && isSpace(json[0]):
		case r == '"':
			quoted = !quoted
			dst = append(dst, '"')
		case r == '\\':
			size = 2
			dst = append(dst, json[:2]...)
		case r == 0x7f || r >= utf8.RuneSelf && unsafeRune(r):
			dst = appendEscape(dst, r)
		default:
			dst = append(dst, json[:size]...)
		}
		json = json[size:]
	}
	return dst, exact
}

func appendEscape(dst []byte, r rune) []byte {
	const hex = "0123456789abcdef"
	return append(dst, '\\', 'u', hex[r>>12&0xF], hex[r>>8&0xF], hex[r>>4&0xF], hex[r&0xF])
}

// harmless reports whether s is printable ASCII without quotes and backslashes.
func harmless(s string) bool {
	if len(s) < 8 {
		for i := range len(s) {
			if !plain[s[i]] || s[i] == 0x7f {
				return false
			}
		}
		return true
	}
	for n := 0; ; n = min(n+8, len(s)-8) { // the last eight overlap
		if word := load8(s[n:]); special(word) || directs(word) {
			return false
		}
		if n == len(s)-8 {
			return true
		}
	}
}

// AppendSafeString is AppendString that escapes everything that directs a
// terminal, too, and has U+FFFD itself for invalid UTF-8.
func AppendSafeString(dst []byte, s string) []byte {
	if harmless(s) {
		return append(append(append(dst, '"'), s...), '"')
	}
	start := len(dst)
	dst = AppendString(dst, strings.ToValidUTF8(s, "\uFFFD"))
	for added := dst[start:]; ; {
		n := safePrefix(added)
		if n == len(added) {
			return dst
		}
		r, size := utf8.DecodeRune(added[n:])
		if r == 0x7f || unsafeRune(r) {
			safe, _ := appendRewritten(nil, dst[start:])
			return append(dst[:start], safe...)
		}
		added = added[n+size:]
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }
