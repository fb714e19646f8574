package handler

import (
	"math"
	"strconv"
	"time"

	"github.com/slogcast/slogcast/internal/jsontext"
)

// appendFloat appends f, which must be finite, as encoding/json does, which
// follows ECMAScript: an exponent only outside 1e-6 to 1e21, and without
// leading zeros.
func appendFloat(dst []byte, f float64) []byte {
	if dst, ok := appendShort(dst, f); ok {
		return dst
	}
	verb := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		verb = 'e'
	}
	dst = strconv.AppendFloat(dst, f, verb, -1, 64)
	if n := len(dst); verb == 'e' && n >= 4 && dst[n-4] == 'e' && dst[n-2] == '0' {
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}
	return dst
}

// appendShort appends f if it has no more than six decimals and not many digits
// before them: most numbers that people log. A decimal of up to 15 digits that
// is read as f is the only one of that length, and so the shortest.
func appendShort(dst []byte, f float64) (_ []byte, ok bool) {
	const scale = 1e6
	n := int64(f * scale)
	if f <= -1e9 || f >= 1e9 || float64(n)/scale != f || n == 0 {
		return dst, false
	}
	if n < 0 {
		dst = append(dst, '-')
		n = -n
	}
	dst = strconv.AppendInt(dst, n/scale, 10)
	if n %= scale; n != 0 {
		dst = append(dst, '.')
		for unit := int64(scale / 10); n > 0; unit /= 10 {
			dst = append(dst, '0'+byte(n/unit))
			n %= unit
		}
	}
	return dst, true
}

// seconds writes times as time.Time.MarshalJSON does, and remembers the text of
// the last second: the times of records that follow one another mostly differ
// in their nanoseconds only. Its zero value is ready.
type seconds struct {
	unix int64
	loc  *time.Location // nil when nothing is remembered
	date [len(`"2006-01-02T15:04:05`)]byte
	zone []byte // and the closing quote
}

// append appends t. RFC 3339 has years of four digits only.
func (s *seconds) append(dst []byte, t time.Time) []byte {
	if t.Unix() != s.unix || t.Location() != s.loc {
		if y := t.Year(); y < 0 || y >= 10_000 {
			return jsontext.AppendString(dst, "!ERROR:time.Time year outside of range [0,9999]")
		}
		var text [40]byte
		whole := t.AppendFormat(text[:0], `"`+time.RFC3339+`"`)
		s.zone = append(s.zone[:0], whole[copy(s.date[:], whole):]...)
		s.unix, s.loc = t.Unix(), t.Location()
	}
	dst = append(dst, s.date[:]...)
	if n := t.Nanosecond(); n != 0 {
		dst = appendFraction(dst, n)
	}
	return append(dst, s.zone...)
}

// appendFraction appends nanoseconds, not zero, as a fraction of a second
// without trailing zeros.
func appendFraction(dst []byte, nanoseconds int) []byte {
	digits := [10]byte{0: '.'}
	// Three groups of digits, as divisions that don't wait for one another.
	for i, group := range [3]uint32{uint32(nanoseconds) / 1e6, uint32(nanoseconds) / 1e3 % 1e3, uint32(nanoseconds) % 1e3} {
		to := digits[3*i+1:][:3]
		to[0], to[1], to[2] = '0'+byte(group/100), '0'+byte(group/10%10), '0'+byte(group%10)
	}
	last := len(digits)
	for digits[last-1] == '0' {
		last--
	}
	return append(dst, digits[:last]...)
}
