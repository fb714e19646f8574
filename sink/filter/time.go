package filter

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// ParseTime reads a moment as a person names it: how long ago ("15m", "1h30m",
// "2d"), RFC 3339, a date with or without a time of day ("2026-11-25 08:30"), a
// time of today ("08:30"), "now", "today" or "yesterday", which begin at
// midnight. What has no zone is in loc.
func ParseTime(text string, now time.Time, loc *time.Location) (time.Time, error) {
	s := strings.TrimSpace(text)
	y, m, d := now.In(loc).Date()
	switch strings.ToLower(s) {
	case "now":
		return now, nil
	case "today":
		return time.Date(y, m, d, 0, 0, 0, 0, loc), nil
	case "yesterday":
		return time.Date(y, m, d-1, 0, 0, 0, 0, loc), nil
	}
	if ago, ok := parseDuration(strings.TrimSuffix(s, " ago")); ok {
		return now.Add(-ago.Abs()), nil
	}
	if t, ok := parseTime(s, loc); ok {
		return t, nil
	}
	for _, layout := range []string{"15:04", "15:04:05"} {
		if t, err := time.Parse(layout, s); err == nil {
			return time.Date(y, m, d, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), loc), nil
		}
	}
	return time.Time{}, fmt.Errorf("%.60q is no time: want how long ago (15m, 2d), a date, a date and a time, "+
		"a time as of RFC 3339, today or yesterday", text)
}

// parseTime reads RFC 3339, also with a space for the T, without seconds, without
// a zone, and without a time of day. It allocates nothing for what is no time.
func parseTime(s string, loc *time.Location) (time.Time, bool) {
	if len(s) < len("2006-01-02") || len(s) > 48 || s[4] != '-' || s[7] != '-' || s[0] < '0' || s[0] > '9' {
		return time.Time{}, false
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t, true
	}
	if len(s) > 10 && (s[10] == ' ' || s[10] == 't') {
		s = s[:10] + "T" + strings.ToUpper(strings.Replace(s[11:], ",", ".", 1))
	}
	for _, layout := range []string{
		"2006-01-02", "2006-01-02T15:04", "2006-01-02T15:04:05.999999999", "2006-01-02T15:04Z07:00",
		"2006-01-02T15:04:05.999999999Z07:00", "2006-01-02T15:04:05.999999999Z0700", "2006-01-02T15:04:05.999999999 Z07:00",
		"2006-01-02T15:04:05.999999999 Z0700", "2006-01-02T15:04:05.999999999 Z0700 MST",
	} {
		if t, err := time.ParseInLocation(layout, s, loc); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// parseDuration reads a duration as Go writes it, with days (d) and weeks (w)
// before the rest. It needs a unit, and allocates nothing for what is none.
func parseDuration(s string) (time.Duration, bool) {
	const units = "0123456789.+-hmsnuµμdw"
	if s == "" || len(s) > 48 || strings.Trim(s, units) != "" || '0' <= s[len(s)-1] && s[len(s)-1] <= '9' || s[0] > '9' {
		return 0, false
	}
	sign := time.Duration(1)
	if s[0] == '-' {
		sign, s = -1, s[1:]
	}
	if s == "" {
		return 0, false
	}
	var total time.Duration
	for i := strings.IndexAny(s, "dw"); i > 0; i = strings.IndexAny(s, "dw") {
		n, err := strconv.ParseFloat(s[:i], 64)
		unit := 24 * time.Hour
		if s[i] == 'w' {
			unit *= 7
		}
		if err != nil || n < 0 || n*float64(unit) > math.MaxInt64/2-float64(total) {
			return 0, false
		}
		total += time.Duration(n * float64(unit))
		s = s[i+1:]
	}
	if s == "" {
		return sign * total, true
	}
	if total != 0 && (s[0] == '-' || s[0] == '+') {
		return 0, false
	}
	rest, err := time.ParseDuration(s)
	if err != nil || rest > math.MaxInt64-total {
		return 0, false
	}
	return sign * (total + rest), true
}

// unixTime returns the time that a number of seconds, milliseconds, microseconds
// or nanoseconds since 1970 stands for.
func unixTime(n float64) (time.Time, bool) {
	if !(n > 0 && n < 1e20) {
		return time.Time{}, false
	}
	for n >= 1e11 {
		n /= 1000
	}
	return time.UnixMicro(int64(n * 1e6)), true
}
