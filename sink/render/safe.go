package render

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// Safe returns text of a peer, a property or a record in a form that a terminal
// shows in one line and does nothing else with. Colour codes are left out;
// whatever else could control a terminal, or cannot be seen, is escaped as Go
// writes it in a string. Invalid UTF-8 becomes U+FFFD.
func Safe(text string) string {
	if isPlain(text) {
		return text
	}
	return string(appendSafe(nil, text))
}

// isPlain reports whether text is printable ASCII.
func isPlain(text string) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for ; len(text) >= 8; text = text[8:] { // eight bytes at once: the top bit of each tells
		b := uint64(text[0]) | uint64(text[1])<<8 | uint64(text[2])<<16 | uint64(text[3])<<24 |
			uint64(text[4])<<32 | uint64(text[5])<<40 | uint64(text[6])<<48 | uint64(text[7])<<56
		if (b|(b+ones)|(b-ones*' '))&highs != 0 {
			break
		}
	}
	for i := range len(text) {
		if text[i] < ' ' || text[i] >= 0x7f {
			return false
		}
	}
	return true
}

// appendSafe appends text as Safe returns it.
func appendSafe(dst []byte, text string) []byte {
	var c cluster
	for i := 0; i < len(text); {
		plain := i
		for plain < len(text) && text[plain] >= ' ' && text[plain] < 0x7f {
			plain++
		}
		if plain > i {
			dst = append(dst, text[i:plain]...)
			c = cluster{last: rune(text[plain-1])}
			i = plain
			continue
		}
		if n := colorCode(text[i:]); n > 0 {
			i += n
			continue
		}
		r, size, ok := c.next(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			dst = append(dst, "\uFFFD"...)
		case ok:
			dst = append(dst, text[i:i+size]...)
		default:
			var quoted [12]byte
			q := strconv.AppendQuoteRuneToASCII(quoted[:0], r)
			dst = append(dst, q[1:len(q)-1]...)
		}
		i += size
	}
	return dst
}

// appendSafeJSON appends valid JSON in valid UTF-8 with everything that is not
// safe escaped. Its value stays the same: JSON has such characters only within
// strings, but for white space between values.
func appendSafeJSON(dst []byte, json string) []byte {
	const hex = "0123456789abcdef"
	escape := func(u rune) {
		dst = append(dst, '\\', 'u', hex[u>>12&0xF], hex[u>>8&0xF], hex[u>>4&0xF], hex[u&0xF])
	}
	var c cluster
	for i := 0; i < len(json); {
		plain := i
		for plain < len(json) && json[plain] >= ' ' && json[plain] < 0x7f {
			plain++
		}
		if plain > i {
			dst = append(dst, json[i:plain]...)
			c = cluster{last: rune(json[plain-1])}
			i = plain
			continue
		}
		r, size, ok := c.next(json[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			escape(utf8.RuneError)
		case ok:
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

// colorCode returns the length of the SGR sequence (ECMA-48 section 8.3.117) at
// the start of s, or 0.
func colorCode(s string) int {
	const longest = 64
	if !strings.HasPrefix(s, "\x1b[") {
		return 0
	}
	for i := 2; i < min(len(s), longest); i++ {
		switch c := s[i]; {
		case c == 'm':
			return i + 1
		case (c < '0' || c > '9') && c != ';' && c != ':':
			return 0
		}
	}
	return 0
}

// cluster is what has been seen of the user-perceived character at hand. It
// decides on runes that are safe only beside some others.
type cluster struct {
	last  rune // the rune before, 0 at the start and behind an escape
	marks int  // combining marks in a row
	tags  int  // bytes of a flag's tags still to come
}

// maxMarks is how many combining marks may stand on one character (UTS #39
// section 5.4): more of them paint over the lines above.
const maxMarks = 4

// next takes the rune at the start of s and reports whether it can be shown as it is.
func (c *cluster) next(s string) (r rune, size int, ok bool) {
	r, size = utf8.DecodeRuneInString(s)
	ok = c.allows(r, s[size:], s)
	switch {
	case !ok:
		*c = cluster{}
	case r < utf8.RuneSelf:
		c.last, c.marks = r, 0
	case unicode.In(r, unicode.Mn, unicode.Me):
		c.last, c.marks = r, c.marks+1
	case unicode.In(r, unicode.Mc, unicode.Cf):
		c.last = r
	default:
		c.last, c.marks = r, 0
	}
	return r, size, ok
}

func (c *cluster) allows(r rune, rest, s string) bool {
	following := func() rune { f, _ := utf8.DecodeRuneInString(rest); return f }
	switch {
	case c.tags > 0:
		c.tags -= utf8.RuneLen(r)
		return true
	case r == zwj && isPictograph(c.last):
		return isPictograph(following())
	case r == zwj || r == zwnj:
		return joins(c.last) && (joins(following()) || strings.ContainsRune(viramas, c.last))
	case r == '\uFE0E' || r == '\uFE0F':
		return isPictograph(c.last) && c.last != r || following() == keycap && strings.ContainsRune("0123456789#*", c.last)
	case r >= 0x180B && r <= 0x180F && r != 0x180E: // Mongolian variants
		return unicode.Is(unicode.Mongolian, c.last) && unicode.IsLetter(c.last)
	case unicode.In(r, unicode.M):
		return c.last > ' ' && c.marks < maxMarks && safe(r)
	case r == 0x1F3F4:
		for _, region := range []string{"gbeng", "gbsct", "gbwls"} {
			if tags := flagTags(region); strings.HasPrefix(rest, tags) {
				c.tags = len(tags)
			}
		}
	}
	return safe(r)
}

const (
	zwnj   = '\u200C'
	zwj    = '\u200D'
	keycap = '\u20E3'
)

// viramas are the signs after which a joiner says how consonants combine.
const viramas = "\u094D\u09CD\u0A4D\u0ACD\u0B4D\u0BCD\u0C4D\u0CCD\u0D4D\u0DCA\u1039\u103A\u17D2"

// joining are the scripts whose words need joiners.
var joining = []*unicode.RangeTable{
	unicode.Arabic, unicode.Syriac, unicode.Nko, unicode.Mongolian, unicode.Devanagari, unicode.Bengali, unicode.Gurmukhi,
	unicode.Gujarati, unicode.Oriya, unicode.Tamil, unicode.Telugu, unicode.Kannada, unicode.Malayalam, unicode.Sinhala,
	unicode.Khmer, unicode.Myanmar, unicode.Tibetan,
}

func joins(r rune) bool {
	return unicode.In(r, unicode.L, unicode.M) && unicode.In(r, joining...)
}

// isPictograph reports whether r can stand in a sequence of emoji.
func isPictograph(r rune) bool {
	switch {
	case r >= 0x1F000 && r <= 0x1FAFF, r >= 0x2190 && r <= 0x27BF, r >= 0x2900 && r <= 0x2BFF, r == '\uFE0F':
		return true
	}
	return strings.ContainsRune("©®‼⁉™ℹ〰〽㊗㊙", r)
}

// flagTags are the tag characters that follow U+1F3F4 in the flag of a region.
func flagTags(region string) string {
	var b strings.Builder
	for _, c := range region {
		b.WriteRune(0xE0000 + c)
	}
	b.WriteRune(0xE007F)
	return b.String()
}

// safe reports whether a terminal shows r by itself and does nothing else with
// it, and a person can see it: not control and format characters, spaces other
// than the usual one, fillers, private or unassigned code points.
func safe(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= ' ' && r != 0x7f
	}
	return unicode.IsPrint(r) && r != '\u2800' && !unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// cells returns how many columns of a terminal safe text takes.
func cells(text string) int {
	if isPlain(text) {
		return len(text)
	}
	return uniseg.StringWidth(text)
}
