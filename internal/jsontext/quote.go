// Package jsontext writes JSON strings, the bytes that slog.JSONHandler would write,
// and takes JSON apart without allocating: handler and sink share it.
package jsontext

import (
	"slices"
	"unicode/utf8"
)

// plain tells the bytes that stand for themselves in a JSON string.
var plain = func() (t [256]bool) {
	for b := 0x20; b < utf8.RuneSelf; b++ {
		t[b] = b != '"' && b != '\\'
	}
	return t
}()

// plainPrefix returns how many bytes at the start of s stand for themselves, at
// least to the first of eight that do not.
func plainPrefix(s string) (n int) {
	for ; len(s)-n >= 8; n += 8 {
		if special(load8(s[n:])) {
			break
		}
	}
	switch {
	case n == len(s):
		return n
	case len(s)-n >= 8:
	case len(s) >= 8: // with some that have been looked at
		if !special(load8(s[len(s)-8:])) {
			return len(s)
		}
	case len(s) >= 4:
		if !special(load4(s) | load4(s[len(s)-4:])<<32) {
			return len(s)
		}
	}
	for n < len(s) && plain[s[n]] {
		n++
	}
	return n
}

// special reports whether one of eight bytes does not stand for itself, all at
// once: the top bit of each is set in b when it is not ASCII, and in the
// differences when it is a quote, a backslash or a control character; a borrow
// can only set more of them.
func special(b uint64) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	return (b|(b^ones*'"'-ones)|(b^ones*'\\'-ones)|(b-ones*' '))&highs != 0
}

func load8(s string) uint64 {
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

func load4(s string) uint64 {
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24
}

// AppendString appends s in quotes, escaped as slog.JSONHandler does: control characters, quotes and backslashes, invalid UTF-8, and
// U+2028 and U+2029, which end a line in JavaScript.
func AppendString(dst []byte, s string) []byte {
	n := plainPrefix(s)
	if n < len(s) {
		dst = append(append(dst, '"'), s[:n]...)
		return append(appendEscaped(dst, s[n:]), '"')
	}
	at := len(dst)
	dst = slices.Grow(dst, n+2)[:at+n+2]
	dst[at] = '"'
	copy(dst[at+1:], s)
	dst[at+n+1] = '"'
	return dst
}

func appendEscaped(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	start := 0
	for i := 0; i < len(s); {
		b := s[i]
		if plain[b] {
			i++
			continue
		}
		if b >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			switch {
			case r == utf8.RuneError && size == 1:
				dst = append(append(dst, s[start:i]...), `\ufffd`...)
			case r == '\u2028' || r == '\u2029':
				dst = append(append(dst, s[start:i]...), `\u202`...)
				dst = append(dst, hex[r&0xF])
			default:
				i += size
				continue
			}
			i += size
			start = i
			continue
		}
		dst = append(append(dst, s[start:i]...), '\\')
		switch b {
		case '"', '\\':
			dst = append(dst, b)
		case '\n':
			dst = append(dst, 'n')
		case '\r':
			dst = append(dst, 'r')
		case '\t':
			dst = append(dst, 't')
		default:
			dst = append(dst, 'u', '0', '0', hex[b>>4], hex[b&0xF])
		}
		i++
		start = i
	}
	return append(dst, s[start:]...)
}
