package filter

import (
	"cmp"
	"strconv"
	"strings"
)

// decimal is a number of any size, exactly as it was written.
type decimal struct {
	sign   int    // -1, 0 or 1
	digits string // with one point at most; the first is not 0
	scale  int    // how many digits are before the point; negative: zeros behind it
}

// parseDecimal reads a number as JSON and Go write it: 12, -0.5, 1e-9. It does
// not read hexadecimal numbers, infinities, or digits apart by underscores.
func parseDecimal(s string) (d decimal, ok bool) {
	d.sign = 1
	if s != "" && (s[0] == '-' || s[0] == '+') {
		if s[0] == '-' {
			d.sign = -1
		}
		s = s[1:]
	}
	point, digits, i := -1, 0, 0
	for ; i < len(s); i++ {
		if s[i] == '.' && point < 0 {
			point = i
		} else if '0' <= s[i] && s[i] <= '9' {
			digits++
		} else {
			break
		}
	}
	if digits == 0 {
		return decimal{}, false
	}
	exponent, ok := parseExponent(s[i:])
	if !ok {
		return decimal{}, false
	}
	if point < 0 {
		point = i
	}
	first := strings.IndexAny(s[:i], "123456789")
	if first < 0 {
		return decimal{}, true
	}
	d.digits = s[first:i]
	d.scale = point - first + exponent
	if first > point {
		d.scale++ // the point itself is no digit
	}
	return d, true
}

// parseExponent reads "", or e and a number, which is brought within bounds that
// no number of digits reaches.
func parseExponent(s string) (int, bool) {
	if s == "" {
		return 0, true
	}
	if s[0]|0x20 != 'e' || len(s) == 1 {
		return 0, false
	}
	n, err := strconv.ParseInt(s[1:], 10, 32)
	if err != nil && err.(*strconv.NumError).Err == strconv.ErrSyntax {
		return 0, false
	}
	return int(max(-1<<30, min(n, 1<<30))), true
}

// compare returns -1, 0 or 1.
func (d decimal) compare(other decimal) int {
	switch {
	case d.sign != other.sign:
		return cmp.Compare(d.sign, other.sign)
	case d.sign == 0:
		return 0
	case d.scale != other.scale:
		return d.sign * cmp.Compare(d.scale, other.scale)
	}
	return d.sign * compareDigits(d.digits, other.digits)
}

// compareDigits compares two fractions of which only the digits are given.
func compareDigits(a, b string) int {
	for a != "" || b != "" {
		var x, y byte
		x, a = nextDigit(a)
		y, b = nextDigit(b)
		if x != y {
			return cmp.Compare(int(x), int(y))
		}
	}
	return 0
}

func nextDigit(s string) (digit byte, rest string) {
	if s != "" && s[0] == '.' {
		s = s[1:]
	}
	if s == "" {
		return '0', ""
	}
	return s[0], s[1:]
}
