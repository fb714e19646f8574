package handler

import (
	"math"
	"strconv"
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
