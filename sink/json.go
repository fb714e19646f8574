package sink

import (
	"bytes"
	"encoding/json"
	"iter"
	"unicode/utf8"
)

// isObject reports whether body is one JSON object and nothing else.
func isObject(body []byte) bool {
	trimmed := bytes.TrimLeft(body, " \t\r\n")
	return len(trimmed) > 0 && trimmed[0] == '{' && json.Valid(body)
}

// members yields the keys, still quoted, and values of a JSON object in order,
// duplicates included. The object must be valid.
func members(object []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		rest := skipSpace(object)[1:] // the brace
		for {
			rest = skipSpace(rest)
			if rest[0] == '}' {
				return
			}
			if rest[0] == ',' {
				rest = skipSpace(rest[1:])
			}
			n := stringLen(rest)
			key := rest[:n]
			rest = skipSpace(skipSpace(rest[n:])[1:]) // the colon
			n = valueLen(rest)
			if !yield(key, rest[:n]) {
				return
			}
			rest = rest[n:]
		}
	}
}

func skipSpace(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t' || b[0] == '\n' || b[0] == '\r') {
		b = b[1:]
	}
	return b
}

// stringLen returns the length of the quoted string at the start of b.
func stringLen(b []byte) int {
	for i := 1; ; i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
}

// valueLen returns the length of the value at the start of b.
func valueLen(b []byte) int {
	switch b[0] {
	case '"':
		return stringLen(b)
	case '{', '[':
		depth := 0
		for i := 0; ; i++ {
			switch b[i] {
			case '"':
				i += stringLen(b[i:]) - 1
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
		}
	}
	if i := bytes.IndexAny(b, ",}] \t\r\n"); i >= 0 {
		return i
	}
	return len(b)
}

// unquote returns the text of a valid, quoted JSON string.
func unquote(quoted []byte) string {
	inner := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) {
		return string(inner)
	}
	var s string
	if json.Unmarshal(quoted, &s) != nil {
		return string(inner)
	}
	return s
}
