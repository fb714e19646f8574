package sink

import (
	"strconv"
	"strings"
	"time"
)

// plausible reports whether a log record can be of that time: a number or a text
// that says another one is no time.
func plausible(t time.Time) bool {
	const from, to = 631152000, 4102444800 // 1990, 2100
	s := t.Unix()
	return from <= s && s < to
}

// parseSlogTime reads RFC 3339 as slog writes it. It is all that the records of
// a handler need, in a fraction of the time of cutTime.
func parseSlogTime(s string) (time.Time, bool) {
	d, offset, ok := readSlogTime(s)
	if !ok {
		return time.Time{}, false
	}
	t := time.Date(d.year, time.Month(d.month), d.day, d.hour, d.minute, d.second, d.nanos, time.UTC)
	if offset != 0 {
		t = t.Add(-time.Duration(offset) * time.Second)
	}
	return t, true
}

// readSlogTime is parseSlogTime without making a Time, which takes half of that.
// offset is that of the zone in seconds.
func readSlogTime(s string) (d date, offset int, ok bool) {
	if len(s) < len("2006-01-02T15:04:05Z") || s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':' || s[0] != '2' || s[1] != '0' {
		return d, 0, false
	}
	two := func(at int) int { // more than 99 if these are no digits
		tens, ones := s[at]-'0', s[at+1]-'0'
		if tens > 9 || ones > 9 {
			return 100
		}
		return int(tens)*10 + int(ones)
	}
	year := two(2)
	d = date{year: 2000 + year, month: two(5), day: two(8), hour: two(11), minute: two(14), second: two(17)}
	if year > 99 || d.month < 1 || d.month > 12 || d.day < 1 || d.day > 28 && d.day > daysIn(d.year, d.month) || d.hour > 23 || d.minute > 59 || d.second > 59 {
		return d, 0, false
	}
	s = s[19:]
	if s[0] == '.' {
		digits := 1
		for unit := 100_000_000; digits < len(s) && s[digits]-'0' <= 9; unit /= 10 {
			d.nanos += int(s[digits]-'0') * unit
			digits++
		}
		if digits == 1 {
			return d, 0, false
		}
		s = s[digits:]
	}
	if s == "Z" {
		return d, 0, true
	}
	if len(s) != len("+01:00") || s[3] != ':' || s[0] != '+' && s[0] != '-' {
		return d, 0, false
	}
	offset, rest, ok := cutOffset(s)
	return d, offset, ok && rest == ""
}

func daysIn(year, month int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// clock reads the times of a record. What a text leaves out is of the local zone,
// and of the year in which the record came.
type clock struct{ r *Record }

func (c clock) zone() *time.Location {
	if c.r.zone != nil {
		return c.r.zone
	}
	return time.Local
}

// place returns the zone of a place, as Europe/Berlin, nil of one that is not known.
// The few that records name are kept with the record's memory: to look one up is to
// read files.
func (c clock) place(name string) *time.Location {
	const most, longest = 16, 64
	if len(name) > longest {
		return nil
	}
	d := c.r.parts
	if d != nil {
		if zone, ok := d.places[name]; ok {
			return zone
		}
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		zone = nil
	}
	if d != nil {
		if d.places == nil || len(d.places) >= most {
			d.places = make(map[string]*time.Location)
		}
		d.places[strings.Clone(name)] = zone
	}
	return zone
}

func (c clock) now() time.Time {
	if t := c.r.arrival(); !t.IsZero() {
		return t
	}
	return time.Now()
}

// parse reads a text that is a time and nothing else.
func (c clock) parse(s string) (time.Time, bool) {
	s = strings.Trim(stripColor(s), " \t\r\n[]")
	if t, ok := parseSlogTime(s); ok {
		return t, true
	}
	if t, ok := parseEpoch(s); ok {
		return t, true
	}
	t, rest, ok := c.cut(s)
	return t, ok && strings.TrimSpace(rest) == ""
}

// parseEpoch reads a number of seconds, milliseconds, microseconds or nanoseconds
// since 1970, told apart by their size, to the digit.
func parseEpoch(s string) (time.Time, bool) {
	if inner, ok := strings.CutPrefix(s, "/Date("); ok { // .NET's of old
		inner, _, _ = strings.Cut(inner, ")")
		s, _, _ = strings.Cut(inner, "+")
	}
	if s == "" || s[0] < '1' || s[0] > '9' {
		return time.Time{}, false
	}
	if strings.ContainsAny(s, "eE") {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || f > 1e20 {
			return time.Time{}, false
		}
		s = strconv.FormatFloat(f, 'f', -1, 64)
	}
	whole, fraction, _ := strings.Cut(s, ".")
	unit := 0 // digits behind the seconds
	switch n := len(whole); {
	case n < 9 || n > 19:
		return time.Time{}, false
	case n > 17:
		unit = 9
	case n > 14:
		unit = 6
	case n > 11:
		unit = 3
	}
	seconds, err := strconv.ParseInt(whole[:len(whole)-unit], 10, 64)
	if err != nil {
		return time.Time{}, false
	}
	nanos, ok := parseFraction(whole[len(whole)-unit:] + fraction)
	t := time.Unix(seconds, int64(nanos))
	return t, ok && plausible(t)
}

// parseFraction returns digits behind a point as nanoseconds; what is smaller is
// cut off.
func parseFraction(digits string) (nanos int, ok bool) {
	unit := 100_000_000
	for i := range len(digits) {
		d := digits[i] - '0'
		if d > 9 {
			return 0, false
		}
		nanos += int(d) * unit
		unit /= 10
	}
	return nanos, true
}

// zones are the names of zones in mails (RFC 2822, section 4.3) and some more,
// in hours from UTC. Others are taken for the local one.
var zones = map[string]int{
	"Z": 0, "UTC": 0, "GMT": 0, "UT": 0, "WET": 0,
	"EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7,
	"CET": 1, "CEST": 2, "MEZ": 1, "MESZ": 2, "WEST": 1, "BST": 1, "EET": 2, "EEST": 3, "MSK": 3, "JST": 9, "KST": 9, "AEST": 10, "AEDT": 11,
}

// date is what has been read of a time.
type date struct {
	year, month, day     int
	hour, minute, second int
	nanos                int
	zone                 *time.Location // nil when there was none
	place                string         // the name of one, as Europe/Berlin, at the start of what follows
}

// cut reads the time at the start of s in any of the forms that people and
// programs write, and returns what follows. A date alone is none.
func (c clock) cut(s string) (t time.Time, rest string, ok bool) {
	if len(s) < len("01-02 15:04") {
		return t, s, false
	}
	var d date
	for _, form := range forms {
		if d, rest, ok = form(s); ok {
			break
		}
	}
	if !ok || d.month < 1 || d.month > 12 || d.day < 1 || d.day > 31 || d.hour > 24 || d.minute > 59 || d.second > 60 {
		return t, s, false
	}
	zone := d.zone
	if zone == nil && d.place != "" {
		if zone = c.place(d.place); zone != nil {
			rest = strings.TrimPrefix(strings.TrimPrefix(rest, " "), d.place)
		}
	}
	if zone == nil {
		zone = c.zone()
	}
	t = time.Date(d.year, time.Month(d.month), d.day, d.hour, d.minute, d.second, d.nanos, zone)
	if d.year == 0 {
		t = c.guessYear(d, zone)
	}
	return t, rest, plausible(t)
}

// guessYear returns d in the year that makes it the latest that is not later
// than a day from when the record came.
func (c clock) guessYear(d date, zone *time.Location) time.Time {
	now := c.now()
	year := now.In(zone).Year() + 1
	for {
		t := time.Date(year, time.Month(d.month), d.day, d.hour, d.minute, d.second, d.nanos, zone)
		if t.Before(now.Add(24*time.Hour)) && t.Day() == d.day {
			return t
		}
		if year--; year < now.Year()-8 { // of the 29th of February
			return t
		}
	}
}

// forms are the orders in which dates and times are written.
var forms = []func(string) (date, string, bool){cutISO, cutPoints, cutCompact, cutSix, cutNumeric, cutNamed, cutMonthFirst, cutShort, cutShortYear}

// cutISO reads 2006-01-02T15:04:05.000Z and its kin: slashes or points between
// the numbers of the date, a space or anything like it for the T, a comma for
// the point, no seconds, any form of zone or none.
func cutISO(s string) (d date, rest string, ok bool) {
	if d.year, s, ok = cutNumber(s, 4, 4); !ok || !strings.ContainsAny(s[:min(1, len(s))], "-/.") {
		return d, s, false
	}
	separator := s[:1]
	if d.month, s, ok = cutNumber(s[1:], 1, 2); !ok || !strings.HasPrefix(s, separator) {
		return d, s, false
	}
	if d.day, s, ok = cutNumber(s[1:], 1, 2); !ok {
		return d, s, false
	}
	return cutClock(d, s)
}

// cutPoints reads 2006.01.02-15.04.05:000, as Unreal has it.
func cutPoints(s string) (d date, rest string, ok bool) {
	const layout = "2006.01.02-15.04.05"
	if len(s) < len(layout) || s[4] != '.' || s[10] != '-' || s[13] != '.' || s[16] != '.' {
		return d, s, false
	}
	t, err := time.Parse(layout, s[:len(layout)])
	if err != nil {
		return d, s, false
	}
	d = date{year: t.Year(), month: int(t.Month()), day: t.Day(), hour: t.Hour(), minute: t.Minute(), second: t.Second()}
	return cutFraction(d, s[len(layout):])
}

// cutSix reads 060102 15:04:05, as Tornado has it, and 060102 150405, as Hadoop had.
func cutSix(s string) (d date, rest string, ok bool) {
	digits, s, ok := cutNumber(s, 6, 6)
	if !ok || len(s) < len(" 15:04:05") || s[0] != ' ' {
		return d, s, false
	}
	d.year, d.month, d.day = 2000+digits/10000, digits/100%100, digits%100
	if clock, after, ok := cutNumber(s[1:], 6, 6); ok && after[0] == ' ' {
		d.hour, d.minute, d.second = clock/10000, clock/100%100, clock%100
		return d, after, true
	}
	if s[3] != ':' || s[6] != ':' {
		return d, s, false
	}
	return cutClock(d, s)
}

// cutCompact reads 20060102T150405Z.
func cutCompact(s string) (d date, rest string, ok bool) {
	digits, s, ok := cutNumber(s, 8, 8)
	if !ok || len(s) < 7 || strings.IndexByte("T -_:", s[0]) < 0 {
		return d, s, false
	}
	d.year, d.month, d.day = digits/10000, digits/100%100, digits%100
	if clock, after, ok := cutNumber(s[1:], 6, 6); ok {
		d.hour, d.minute, d.second = clock/10000, clock/100%100, clock%100
		return cutFraction(d, after)
	}
	return cutClock(d, "T"+s[1:])
}

// cutNumeric reads 02.01.2006 15:04:05 and 01/02/2006 15:04:05. With slashes the
// month is first, as in the United States, unless it can't be.
func cutNumeric(s string) (d date, rest string, ok bool) {
	if d.day, s, ok = cutNumber(s, 1, 2); !ok || !strings.ContainsAny(s[:min(1, len(s))], "-/.") {
		return d, s, false
	}
	separator := s[:1]
	if d.month, s, ok = cutNumber(s[1:], 1, 2); !ok || !strings.HasPrefix(s, separator) {
		return d, s, false
	}
	if d.year, s, ok = cutNumber(s[1:], 4, 4); !ok {
		return d, s, false
	}
	if separator == "/" && d.day <= 12 || d.month > 12 {
		d.day, d.month = d.month, d.day
	}
	return cutClock(d, s)
}

// cutNamed reads Tue, 25 Nov 2025 05:00:00 +0100, 25/Nov/2025:05:00:00 +0100,
// 25-Nov-2025 05:00:00 UTC and the like.
func cutNamed(s string) (d date, rest string, ok bool) {
	s = cutWeekday(s)
	if d.day, s, ok = cutNumber(s, 1, 2); !ok {
		return d, s, false
	}
	if d.month, s, ok = cutMonth(strings.TrimLeft(s, " -/")); !ok {
		return d, s, false
	}
	s = strings.TrimLeft(s, " -/")
	if year, after, ok := cutNumber(s, 4, 4); ok {
		d.year, s = year, after
	} else if year, after, ok := cutNumber(s, 2, 2); ok && !strings.HasPrefix(after, ":") { // RFC 850
		d.year, s = 2000+year, after
	} else {
		s = " " + s
	}
	return cutClock(d, s)
}

// cutMonthFirst reads syslog's Nov 25 05:00:00, ctime's Tue Nov 25 05:00:00 2025
// with or without a zone, and Nov 25, 2025 5:00:00 AM.
func cutMonthFirst(s string) (d date, rest string, ok bool) {
	if d.month, s, ok = cutMonth(cutWeekday(s)); !ok {
		return d, s, false
	}
	if d.day, s, ok = cutNumber(strings.TrimLeft(s, " -"), 1, 2); !ok {
		return d, s, false
	}
	s = strings.TrimPrefix(s, ",")
	if year, after, ok := cutNumber(strings.TrimLeft(s, " "), 4, 4); ok {
		d.year, s = year, strings.TrimPrefix(after, ",")
		s = strings.TrimPrefix(s, " at")
	}
	d, s, ok = cutClock(d, s)
	if ok && d.year == 0 && strings.HasPrefix(s, " ") {
		after := s[1:]
		if word, rest, found := strings.Cut(after, " "); found && d.zone == nil && isZone(word) {
			after = rest
			d.zone = zoneOf(word)
		}
		if year, rest, ok := cutNumber(after, 4, 4); ok && year >= 1990 && (rest == "" || rest[0] < '0' || rest[0] > '9') && !strings.HasPrefix(rest, "-") {
			return withYear(d, year), rest, true
		}
		d.zone = nil
	}
	return d, s, ok
}

func withYear(d date, year int) date {
	d.year = year
	return d
}

// cutShort reads 01-02 15:04:05.000, as Android has it.
func cutShort(s string) (d date, rest string, ok bool) {
	if d.month, s, ok = cutNumber(s, 2, 2); !ok || !strings.HasPrefix(s, "-") {
		return d, s, false
	}
	if d.day, s, ok = cutNumber(s[1:], 2, 2); !ok {
		return d, s, false
	}
	return cutClock(d, s)
}

// cutShortYear reads 06/01/02 15:04:05, as log4j has it by default in Hadoop and
// Spark, or 01/02/06 where that is none.
func cutShortYear(s string) (d date, rest string, ok bool) {
	if d.year, s, ok = cutNumber(s, 2, 2); !ok || !strings.HasPrefix(s, "/") {
		return d, s, false
	}
	if d.month, s, ok = cutNumber(s[1:], 2, 2); !ok || !strings.HasPrefix(s, "/") {
		return d, s, false
	}
	if d.day, s, ok = cutNumber(s[1:], 2, 2); !ok {
		return d, s, false
	}
	if d.month > 12 {
		d.year, d.month, d.day = d.day, d.year, d.month
	}
	d.year += 2000
	return cutClock(d, s)
}

// cutClock reads what follows a date: the time of day, with its zone.
func cutClock(d date, s string) (date, string, bool) {
	if strings.HasPrefix(s, " - ") || strings.HasPrefix(s, " -- ") {
		s = " " + strings.TrimLeft(s, " -")
	}
	if s = strings.TrimPrefix(s, ","); s == "" || strings.IndexByte("Tt _:|;\t", s[0]) < 0 {
		return d, s, false
	}
	s = strings.TrimLeft(s[1:], " :")
	var ok bool
	if d.hour, s, ok = cutNumber(s, 1, 2); !ok || !strings.HasPrefix(s, ":") {
		return d, s, false
	}
	if d.minute, s, ok = cutNumber(s[1:], 2, 2); !ok {
		return d, s, false
	}
	if strings.HasPrefix(s, ":") {
		if d.second, s, ok = cutNumber(s[1:], 2, 2); !ok {
			return d, s, false
		}
	}
	return cutFraction(d, s)
}

// cutFraction reads what follows the seconds: their fraction, AM or PM, a zone.
func cutFraction(d date, s string) (date, string, bool) {
	if len(s) > 1 && (s[0] == '.' || s[0] == ',' || s[0] == ':') {
		digits := 1
		for digits < len(s) && s[digits]-'0' <= 9 {
			digits++
		}
		if digits > 1 {
			d.nanos, _ = parseFraction(s[1:digits])
			s = s[digits:]
		}
	}
	if len(s) > 2 && (s[0] == ' ' || strings.HasPrefix(s, "\u202f")) {
		after := strings.TrimLeft(s, " \u202f")
		switch half := strings.ToUpper(after[:min(2, len(after))]); {
		case half == "AM" && d.hour == 12:
			d.hour, s = 0, after[2:]
		case half == "AM":
			s = after[2:]
		case half == "PM" && d.hour < 12:
			d.hour += 12
			s = after[2:]
		case half == "PM":
			s = after[2:]
		}
	}
	zone := strings.TrimPrefix(s, " ")
	if offset, rest, ok := cutOffset(zone); ok {
		d.zone = time.UTC
		if offset != 0 {
			d.zone = time.FixedZone("", offset)
		}
		return d, rest, true
	}
	if end := strings.IndexByte(zone, ']'); end > 0 && 'A' <= zone[0] && zone[0] <= 'Z' && strings.IndexByte(zone[:end], '/') > 0 {
		d.place = zone[:end] // Europe/Berlin, of PHP
	}
	end := 0
	for end < len(zone) && 'A' <= zone[end]&^0x20 && zone[end]&^0x20 <= 'Z' {
		end++
	}
	if word := zone[:end]; isZone(word) || (len(zone) == len(s) || len(zone) == 1) && (word == "z" || word == "Z") {
		d.zone = zoneOf(word)
		return d, zone[end:], true
	}
	return d, s, true
}

func isZone(word string) bool {
	_, ok := zones[word]
	return ok && word != "Z"
}

func zoneOf(word string) *time.Location {
	if hours := zones[word]; hours != 0 {
		return time.FixedZone(word, hours*3600)
	}
	return time.UTC
}

// cutOffset reads +01:00, +0100 and +01, as seconds.
func cutOffset(s string) (seconds int, rest string, ok bool) {
	if len(s) < 3 || s[0] != '+' && s[0] != '-' {
		return 0, s, false
	}
	hours, rest, ok := cutNumber(s[1:], 2, 2)
	if !ok || hours > 23 {
		return 0, s, false
	}
	minutes, after, ok := cutNumber(strings.TrimPrefix(rest, ":"), 2, 2)
	switch {
	case ok && minutes < 60:
		rest = after
	case len(rest) > 0 && rest[0]-'0' <= 9:
		return 0, s, false
	default:
		minutes = 0
	}
	seconds = hours*3600 + minutes*60
	if s[0] == '-' {
		seconds = -seconds
	}
	return seconds, rest, true
}

// cutNumber reads a number of at least least and at most most digits.
func cutNumber(s string, least, most int) (n int, rest string, ok bool) {
	i := 0
	for i < len(s) && i < most && s[i]-'0' <= 9 {
		n = n*10 + int(s[i]-'0')
		i++
	}
	return n, s[i:], i >= least
}

const months = "janfebmaraprmayjunjulaugsepoctnovdec"

// cutMonth reads a month's name, or the first three letters of it.
func cutMonth(s string) (month int, rest string, ok bool) {
	if len(s) < 3 {
		return 0, s, false
	}
	at := strings.Index(months, strings.ToLower(s[:3]))
	if at < 0 || at%3 != 0 {
		return 0, s, false
	}
	s = s[3:]
	for len(s) > 0 && 'a' <= s[0] && s[0] <= 'z' {
		s = s[1:]
	}
	return at/3 + 1, strings.TrimPrefix(s, "."), true
}

// cutWeekday cuts off the name of a day.
func cutWeekday(s string) string {
	const days = "sunmontuewedthufrisat"
	if len(s) < 4 {
		return s
	}
	if at := strings.Index(days, strings.ToLower(s[:3])); at < 0 || at%3 != 0 {
		return s
	}
	i := 3
	for i < len(s) && 'a' <= s[i] && s[i] <= 'z' {
		i++
	}
	return strings.TrimLeft(s[i:], ", ")
}
