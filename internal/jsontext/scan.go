package jsontext

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"iter"
	"math/bits"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// IsObject reports whether body is one JSON object and nothing else, as
// json.Valid sees it, in a fraction of its time: every record is looked at.
func IsObject(body []byte) bool { return isOne(body, '{') }

// IsArray reports whether body is one JSON array and nothing else.
func IsArray(body []byte) bool { return isOne(body, '[') }

func isOne(body []byte, bracket byte) bool {
	rest := SkipSpace(body)
	if len(rest) == 0 || rest[0] != bracket {
		return false
	}
	rest, ok := cutValue(rest, 0)
	return ok && len(SkipSpace(rest)) == 0
}

// CutObject returns the JSON object at the start of body, and what follows. It is
// not ok when there is none.
func CutObject(body []byte) (object, rest []byte, ok bool) {
	if len(body) == 0 || body[0] != '{' {
		return nil, body, false
	}
	if rest, ok = cutValue(body, 0); !ok {
		return nil, body, false
	}
	n := len(body) - len(rest)
	return body[:n:n], rest, true
}

// cutValue returns what follows the value at the start of b. It is not ok when
// there is no valid one.
func cutValue(b []byte, depth int) (rest []byte, ok bool) {
	if len(b) == 0 {
		return nil, false
	}
	switch b[0] {
	case '"':
		return cutString(b)
	case '{':
		return cutMembers(SkipSpace(b[1:]), depth+1, '}')
	case '[':
		return cutMembers(SkipSpace(b[1:]), depth+1, ']')
	case 't':
		return bytes.CutPrefix(b, []byte("true"))
	case 'f':
		return bytes.CutPrefix(b, []byte("false"))
	case 'n':
		return bytes.CutPrefix(b, []byte("null"))
	}
	return cutNumber(b)
}

// cutMembers cuts an object or array behind its opening bracket.
func cutMembers(b []byte, depth int, end byte) (rest []byte, ok bool) {
	const maxDepth = 10_000 // as in encoding/json
	if depth > maxDepth {
		return nil, false
	}
	if len(b) > 0 && b[0] == end {
		return b[1:], true
	}
	for {
		if end == '}' {
			if b, ok = cutString(b); !ok {
				return nil, false
			}
			if b = SkipSpace(b); len(b) == 0 || b[0] != ':' {
				return nil, false
			}
			b = SkipSpace(b[1:])
		}
		if b, ok = cutValue(b, depth); !ok {
			return nil, false
		}
		b = SkipSpace(b)
		switch {
		case len(b) == 0:
			return nil, false
		case b[0] == end:
			return b[1:], true
		case b[0] != ',':
			return nil, false
		}
		b = SkipSpace(b[1:])
	}
}

func cutString(b []byte) (rest []byte, ok bool) {
	if len(b) == 0 || b[0] != '"' {
		return nil, false
	}
	for i := 1; i < len(b); i++ {
		if len(b)-i >= 8 {
			n := untilStop(binary.LittleEndian.Uint64(b[i:]))
			if i += n; n == 8 {
				i--
				continue
			}
		}
		switch c := b[i]; {
		case c == '"':
			return b[i+1:], true
		case c < ' ':
			return nil, false
		case c != '\\':
		case i+1 == len(b):
			return nil, false
		case b[i+1] == 'u':
			if i+6 > len(b) || !isHex(b[i+2:i+6]) {
				return nil, false
			}
			i += 5
		case strings.IndexByte(`"\/bfnrt`, b[i+1]) < 0:
			return nil, false
		default:
			i++
		}
	}
	return nil, false
}

// untilStop returns how many of eight bytes of a JSON string, the first of them
// lowest, come before one that needs a look: a quote, a backslash, or a control
// character.
func untilStop(b uint64) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	quote, backslash := b^ones*'"', b^ones*'\\'
	return bits.TrailingZeros64(((quote-ones)&^quote|(backslash-ones)&^backslash|(b-ones*' ')&^b)&highs) / 8
}

func isHex(digits []byte) bool {
	for _, c := range digits {
		if lower := c | 0x20; (c < '0' || c > '9') && (lower < 'a' || lower > 'f') {
			return false
		}
	}
	return true
}

func cutNumber(b []byte) (rest []byte, ok bool) {
	if b[0] == '-' {
		b = b[1:]
	}
	switch {
	case len(b) > 0 && b[0] == '0':
		b = b[1:]
	default:
		if b, ok = cutDigits(b); !ok {
			return nil, false
		}
	}
	if len(b) > 0 && b[0] == '.' {
		if b, ok = cutDigits(b[1:]); !ok {
			return nil, false
		}
	}
	if len(b) > 0 && b[0]|0x20 == 'e' {
		b = b[1:]
		if len(b) > 0 && (b[0] == '+' || b[0] == '-') {
			b = b[1:]
		}
		return cutDigits(b)
	}
	return b, true
}

// cutDigits is ok when there is at least one digit.
func cutDigits(b []byte) (rest []byte, ok bool) {
	for len(b) > 0 && '0' <= b[0] && b[0] <= '9' {
		b, ok = b[1:], true
	}
	return b, ok
}

// Members yields the keys, still quoted, and values of a JSON object in order,
// duplicates included. The object must be valid.
func Members(object string) iter.Seq2[string, string] {
	return func(yield func(key, value string) bool) {
		rest := SkipSpace(object)[1:] // the brace
		for {
			rest = SkipSpace(rest)
			if rest[0] == '}' {
				return
			}
			if rest[0] == ',' {
				rest = SkipSpace(rest[1:])
			}
			n := stringLen(rest)
			key := rest[:n]
			rest = SkipSpace(SkipSpace(rest[n:])[1:]) // the colon
			n = valueLen(rest)
			if !yield(key, rest[:n]) {
				return
			}
			rest = rest[n:]
		}
	}
}

// ElementsOf is Elements of bytes, which share the memory of array.
func ElementsOf(array []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for at, element := range elements(unsafe.String(unsafe.SliceData(array), len(array))) {
			if !yield(array[at : at+len(element) : at+len(element)]) {
				return
			}
		}
	}
}

// Elements yields the elements of a JSON array, which must be valid.
func Elements(array string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, element := range elements(array) {
			if !yield(element) {
				return
			}
		}
	}
}

// elements yields elements with where they begin.
func elements(array string) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		rest := SkipSpace(SkipSpace(array)[1:]) // the bracket
		for rest[0] != ']' {
			n := valueLen(rest)
			if !yield(len(array)-len(rest), rest[:n]) {
				return
			}
			if rest = SkipSpace(rest[n:]); rest[0] == ',' {
				rest = SkipSpace(rest[1:])
			}
		}
	}
}

func SkipSpace[T ~string | ~[]byte](b T) T {
	for len(b) > 0 && b[0] <= ' ' && (b[0] == ' ' || b[0] == '\t' || b[0] == '\n' || b[0] == '\r') {
		b = b[1:]
	}
	return b
}

// stringLen returns the length of the quoted string at the start of s.
func stringLen(s string) int {
	for i := 1; ; i++ {
		if len(s)-i >= 8 {
			n := untilStop(load8(s[i:]))
			if i += n; n == 8 {
				i--
				continue
			}
		}
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
}

// valueLen returns the length of the value at the start of s.
func valueLen(s string) int {
	switch s[0] {
	case '"':
		return stringLen(s)
	case '{', '[':
		depth := 0
		for i := 0; ; i++ {
			switch s[i] {
			case '"':
				i += stringLen(s[i:]) - 1
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
		}
	}
	for i := range len(s) {
		switch s[i] {
		case ',', '}', ']', ' ', '\t', '\r', '\n':
			return i
		}
	}
	return len(s)
}

// Unquote returns the text of a valid, quoted JSON string: a part of it, mostly.
func Unquote(quoted string) string {
	inner := quoted[1 : len(quoted)-1]
	plain := 0
	for plain < len(inner) && inner[plain] < utf8.RuneSelf && inner[plain] != '\\' {
		plain++
	}
	if plain == len(inner) {
		return inner
	}
	if strings.IndexByte(inner, '\\') < 0 && utf8.ValidString(inner) {
		return inner
	}
	var s string
	if json.Unmarshal([]byte(quoted), &s) != nil {
		return inner
	}
	return s
}

// IsNumber reports whether s is a JSON number.
func IsNumber(s string) bool {
	if s == "" || s[0] != '-' && (s[0] < '0' || s[0] > '9') {
		return false
	}
	rest, ok := cutNumber([]byte(s))
	return ok && len(rest) == 0
}

// TrimBody returns b without what some programs put around a text: a byte order
// mark or a record separator (RFC 7464) before it, zeros and ends of lines
// behind it.
func TrimBody(b []byte) []byte {
	b = bytes.TrimPrefix(bytes.TrimPrefix(b, []byte("\x1e")), []byte("\ufeff"))
	for len(b) > 0 && b[len(b)-1] <= '\r' && (b[len(b)-1] == 0 || b[len(b)-1] == '\n' || b[len(b)-1] == '\r') {
		b = b[:len(b)-1]
	}
	return b
}
