package render

import (
	"strconv"
	"strings"
	"time"

	"github.com/slogcast/slogcast/sink"
)

// units are the ends of keys that say what a number counts. A number beyond
// limit is rather a point in time than a duration; one below least can be read
// as it is.
var units = []struct {
	suffixes     []string
	unit         time.Duration // 0: bytes
	least, limit int64
}{
	{[]string{"_ns", "Nanos", "_nanos"}, time.Nanosecond, 1e6, 1e17},
	{[]string{"_us", "Micros", "_micros"}, time.Microsecond, 1e6, 1e14},
	{[]string{"_ms", "Ms", "Millis", "_millis"}, time.Millisecond, 1e4, 1e11},
	{[]string{"_seconds", "Seconds", "_secs"}, time.Second, 120, 1e8},
	{[]string{"_bytes", "Bytes"}, 0, 1e4, 1 << 62},
}

// appendHint appends a readable form of a whole number whose key says what it
// counts, behind the number itself.
func (t *Terminal) appendHint(key string, value sink.Value) {
	if len(value) < 3 || len(value) > 18 || len(key) < 3 || key[len(key)-1] != 's' {
		return
	}
	for i := range units {
		u := &units[i]
		for _, suffix := range u.suffixes {
			if !strings.HasSuffix(key, suffix) {
				continue
			}
			n, err := strconv.ParseInt(string(value), 10, 64)
			if err != nil || n < u.least || n >= u.limit {
				return
			}
			t.open(dim)
			t.buf = append(t.buf, " ("...)
			if u.unit == 0 {
				t.buf = appendBytes(t.buf, n)
			} else {
				t.buf = append(t.buf, (time.Duration(n) * u.unit).String()...)
			}
			t.buf = append(t.buf, ')')
			t.close(dim)
			return
		}
	}
}

// appendBytes appends a number of bytes with one decimal.
func appendBytes(dst []byte, n int64) []byte {
	value, unit := float64(n), 0
	for value >= 1024 && unit < 6 {
		value /= 1024
		unit++
	}
	dst = append(dst, "≈"...)
	dst = strconv.AppendFloat(dst, value, 'f', 1, 64)
	return append(append(append(dst, ' '), "BKMGTPE"[unit]), "iB"...)
}
