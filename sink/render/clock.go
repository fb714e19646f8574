package render

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// relative is the layout that shows the time since the record before.
const relative = "relative"

const (
	timeOnly = "15:04:05.000"
	withDate = "2006-01-02 15:04:05.000"
)

// layouts are names for layouts.
var layouts = map[string]string{
	"":            "",
	"relative":    relative,
	"time":        timeOnly,
	"datetime":    withDate,
	"rfc3339":     time.RFC3339,
	"rfc3339nano": time.RFC3339Nano,
	"iso8601":     "2006-01-02T15:04:05.000Z07:00",
}

// directives are those of strftime that Go's layouts have.
var directives = strings.NewReplacer(
	"%Y", "2006", "%y", "06", "%m", "01", "%d", "02", "%e", "_2", "%b", "Jan", "%B", "January", "%a", "Mon", "%A", "Monday",
	"%j", "002", "%H", "15", "%I", "03", "%p", "PM", "%M", "04", "%S", "05", "%L", "000", "%f", "000000", "%N", "000000000",
	"%z", "-0700", "%Z", "MST", "%F", "2006-01-02", "%T", "15:04:05", "%R", "15:04", "%D", "01/02/06", "%%", "%")

// ParseTime returns the layout of a format for times: relative, the time since
// the record before; time, datetime, rfc3339, rfc3339nano or iso8601; a layout
// of Go; or one of strftime.
func ParseTime(format string) (layout string, err error) {
	if l, ok := layouts[strings.ToLower(format)]; ok {
		return l, nil
	}
	layout = format
	if strings.Contains(format, "%") {
		layout = directives.Replace(format)
	}
	if strings.ContainsFunc(layout, func(r rune) bool { return !safe(r) }) {
		return "", fmt.Errorf("time format %q: want one line of text", format)
	}
	a := time.Date(2001, 2, 3, 4, 5, 6, 700_800_900, time.UTC)
	b := time.Date(2012, 11, 14, 20, 31, 42, 100_200_300, time.FixedZone("X", 3600))
	if a.Format(layout) == b.Format(layout) {
		return "", fmt.Errorf("time format %q: %w", format, errNoTime)
	}
	return layout, nil
}

var errNoTime = errors.New(`shows no time; want a layout like "15:04:05.000" or "%H:%M:%S", or relative`)

// clock shows the times of records.
type clock struct {
	layout string
	zone   *time.Location

	dayStart, dayEnd int64     // of today, in Unix seconds
	last             time.Time // of the record before
	second           int64     // that text shows
	text             []byte    // the time up to the second
}

// today learns the date, and reports whether it has changed since it was last asked.
func (c *clock) today(now time.Time) (midnight bool) {
	at := now.Unix()
	if at >= c.dayStart && at < c.dayEnd {
		return false
	}
	midnight = c.dayEnd != 0 && at >= c.dayEnd
	y, m, d := now.In(c.zone).Date()
	c.dayStart = time.Date(y, m, d, 0, 0, 0, 0, c.zone).Unix()
	c.dayEnd = time.Date(y, m, d+1, 0, 0, 0, 0, c.zone).Unix()
	c.text = c.text[:0]
	return midnight
}

// appendMidnight appends a line with the date when a new day has begun.
func (c *clock) appendMidnight(t *Terminal, now time.Time) []byte {
	if c.today(now) && c.layout == "" {
		t.put(dim, now.In(c.zone).Format("── Mon 2006-01-02 ──"))
		t.buf = append(t.buf, '\n')
	}
	return t.buf
}

// append appends a time; one that is not the record's own gets a tilde.
func (c *clock) append(dst []byte, at time.Time, own bool) []byte {
	if !own {
		dst = append(dst, '~')
	}
	switch {
	case at.IsZero(): // nothing is known, not even of its arrival
		return append(dst, "--:--:--.--"...)
	case c.layout == "":
		dst = c.appendShort(dst, at)
		if !own {
			dst = dst[:len(dst)-1] // keeps the column
		}
	case c.layout == relative:
		dst = c.appendRelative(dst, at, own)
	default:
		dst = at.In(c.zone).AppendFormat(dst, c.layout)
	}
	c.last = at
	return dst
}

// appendShort appends the time of day, behind the date when that is another than
// today's.
func (c *clock) appendShort(dst []byte, at time.Time) []byte {
	second := at.Unix()
	if len(c.text) == 0 || second != c.second {
		layout := withDate
		if second >= c.dayStart && second < c.dayEnd {
			layout = timeOnly
		}
		c.text = at.In(c.zone).AppendFormat(c.text[:0], strings.TrimSuffix(layout, "000"))
		c.second = second
	}
	ms := at.Nanosecond() / 1e6
	return append(append(dst, c.text...), byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10))
}

// appendRelative appends the time since the record before, right-aligned; of the
// first one its own.
func (c *clock) appendRelative(dst []byte, at time.Time, own bool) []byte {
	if c.last.IsZero() {
		return c.appendShort(dst, at)
	}
	d := at.Sub(c.last)
	unit := time.Millisecond
	if d.Abs() >= time.Hour {
		unit = time.Second
	}
	text := d.Round(unit).String()
	if d >= 0 {
		text = "+" + text
	}
	width := len(timeOnly)
	if !own {
		width-- // keeps the column
	}
	for range width - len(text) {
		dst = append(dst, ' ')
	}
	return append(dst, text...)
}
