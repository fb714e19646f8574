package render

import (
	"strconv"
	"unicode"
	"unicode/utf8"
)

// safe reports whether a terminal shows r and does nothing else with it:
// everything but control characters (C0, DEL, C1), the invisible format
// characters (bidi overrides, zero-width, tags), and line and paragraph
// separators.
func safe(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= ' ' && r != 0x7f
	}
	return !unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co)
}

// appendSafe appends s with everything that is not safe in a visible form, as
// Go writes it in a string.
func appendSafe[T string | []byte](dst []byte, s T) []byte {
	for i := 0; i < len(s); {
		plain := i
		for plain < len(s) && s[plain] >= ' ' && s[plain] < 0x7f {
			plain++
		}
		if plain > i {
			dst = append(dst, s[i:plain]...)
			i = plain
			continue
		}
		r, size := utf8.DecodeRuneInString(string(s[i:min(len(s), i+utf8.UTFMax)]))
		switch {
		case r == utf8.RuneError && size == 1:
			dst = append(dst, "\uFFFD"...)
		case safe(r):
			dst = append(dst, s[i:i+size]...)
		default:
			quoted := strconv.AppendQuoteRuneToASCII(nil, r)
			dst = append(dst, quoted[1:len(quoted)-1]...)
		}
		i += size
	}
	return dst
}

// appendSafeJSON appends valid JSON with everything that is not safe escaped.
// Its value stays the same: JSON has such characters only within strings, but
// for white space between values.
func appendSafeJSON(dst, json []byte) []byte {
	const hex = "0123456789abcdef"
	escape := func(u rune) {
		dst = append(dst, '\\', 'u', hex[u>>12&0xF], hex[u>>8&0xF], hex[u>>4&0xF], hex[u&0xF])
	}
	for i := 0; i < len(json); {
		r, size := utf8.DecodeRune(json[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			escape(utf8.RuneError)
		case safe(r):
			dst = append(dst, json[i:i+size]...)
		case r < ' ':
			dst = append(dst, ' ')
		case r > 0xFFFF:
			r -= 0x10000
			escape(0xD800 + r>>10)
			escape(0xDC00 + r&0x3FF)
		default:
			escape(r)
		}
		i += size
	}
	return dst
}
