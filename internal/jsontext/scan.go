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
	i := spaceEnd(body, 0)
	if i == len(body) || body[i] != bracket {
		return false
	}
	i = valueEnd(body, i, 0)
	return i >= 0 && spaceEnd(body, i) == len(body)
}

// CutObject returns the JSON object at the start of body, and what follows. It is
// not ok when there is none.
func CutObject(body []byte) (object, rest []byte, ok bool) {
	if len(body) == 0 || body[0] != '{' {
		return nil, body, false
	}
	n := valueEnd(body, 0, 0)
	if n < 0 {
		return nil, body, false
	}
	return body[:n:n], body[n:], true
}

// valueEnd returns where the value ends that begins at i, and -1 when there is no
// valid one. So do the other functions called End, each for what begins there.
func valueEnd(b []byte, i, depth int) int {
	if i >= len(b) {
		return -1
	}
	switch b[i] {
	case '"':
		return stringEnd(b, i)
	case '{':
		return insideEnd(b, i, depth+1, '}')
	case '[':
		return insideEnd(b, i, depth+1, ']')
	case 't':
		return wordEnd(b, i, "true")
	case 'f':
		return wordEnd(b, i, "false")
	case 'n':
		return wordEnd(b, i, "null")
	}
	return numberEnd(b, i)
}

const maxDepth = 10_000 // as in encoding/json

// insideEnd is for an object or array, of which end is the closing bracket.
func insideEnd(b []byte, i, depth int, end byte) int {
	if depth > maxDepth {
		return -1
	}
	if i = spaceEnd(b, i+1); i < len(b) && b[i] == end {
		return i + 1
	}
	for {
		if end == '}' {
			if i = stringEnd(b, i); i < 0 {
				return -1
			}
			if i = spaceEnd(b, i); i == len(b) || b[i] != ':' {
				return -1
			}
			i = spaceEnd(b, i+1)
		}
		if i = valueEnd(b, i, depth); i < 0 {
			return -1
		}
		if i = spaceEnd(b, i); i == len(b) {
			return -1
		}
		if b[i] == end {
			return i + 1
		}
		if b[i] != ',' {
			return -1
		}
		i = spaceEnd(b, i+1)
	}
}

func spaceEnd(b []byte, i int) int {
	for i < len(b) && b[i] <= ' ' && isSpace(b[i]) {
		i++
	}
	return i
}

func wordEnd(b []byte, i int, word string) int {
	if len(b)-i < len(word) || string(b[i:i+len(word)]) != word {
		return -1
	}
	return i + len(word)
}

func stringEnd(b []byte, i int) int {
	if i >= len(b) || b[i] != '"' {
		return -1
	}
	for i++; i < len(b); i++ {
		for len(b)-i >= 8 {
			stop := stops(binary.LittleEndian.Uint64(b[i:]))
			if stop != 0 {
				i += bits.TrailingZeros64(stop) / 8
				break
			}
			i += 8
		}
		if i == len(b) {
			return -1
		}
		switch c := b[i]; {
		case c == '"':
			return i + 1
		case c < ' ':
			return -1
		case c != '\\':
		case i+1 == len(b):
			return -1
		case b[i+1] == 'u':
			if i+6 > len(b) || !isHex(b[i+2:i+6]) {
				return -1
			}
			i += 5
		case strings.IndexByte(`"\/bfnrt`, b[i+1]) < 0:
			return -1
		default:
			i++
		}
	}
	return -1
}

// stops returns the high bit of the first of eight bytes of a JSON string, that
// lowest, that needs a look: a quote, a backslash, or a control character. Bits
// above it mean nothing.
func stops(b uint64) uint64 {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	quote, backslash := b^ones*'"', b^ones*'\\'
	return ((quote-ones)&^quote | (backslash-ones)&^backslash | (b-ones*' ')&^b) & highs
}

func isHex(digits []byte) bool {
	for _, c := range digits {
		if lower := c | 0x20; (c < '0' || c > '9') && (lower < 'a' || lower > 'f') {
			return false
		}
	}
	return true
}

func numberEnd(b []byte, i int) int {
	if b[i] == '-' {
		i++
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if i = digitsEnd(b, i); i < 0 {
		return -1
	}
	if i < len(b) && b[i] == '.' {
		if i = digitsEnd(b, i+1); i < 0 {
			return -1
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		return digitsEnd(b, i)
	}
	return i
}

// digitsEnd is for at least one digit.
func digitsEnd(b []byte, i int) int {
	start := i
	for i < len(b) && b[i]-'0' <= 9 {
		i++
	}
	if i == start {
		return -1
	}
	return i
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
		for len(s)-i >= 8 {
			stop := stops(load8(s[i:]))
			if stop != 0 {
				i += bits.TrailingZeros64(stop) / 8
				break
			}
			i += 8
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
	return numberEnd(unsafe.Slice(unsafe.StringData(s), len(s)), 0) == len(s)
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
