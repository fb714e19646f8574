package filter

import (
	"cmp"
	"encoding/json"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/slogcast/slogcast/sink"
)

// kind is what a scalar is.
type kind byte

const (
	kindNone kind = iota // missing, null, or nothing that can be compared
	kindBool
	kindNumber
	kindText
	kindDuration
	kindTime
	kindLevel
)

// scalar is a value that can be compared: of a record, or of a filter.
type scalar struct {
	kind     kind
	text     string // as it was written; of a level as the record has it
	verbatim bool   // text is nothing but text
	number   decimal
	duration time.Duration
	moment   time.Time
	level    slog.Level
	unranked bool // level is not known
}

// scalarOf returns what a value of a record is.
func scalarOf(v sink.Value) scalar {
	switch v.Kind() {
	case sink.Bool:
		return scalar{kind: kindBool, text: string(v)}
	case sink.String:
		return scalar{kind: kindText, text: v.Text()}
	case sink.Number:
		return numberScalar(string(v))
	}
	return scalar{}
}

func numberScalar(s string) scalar {
	d, _ := parseDecimal(s)
	return scalar{kind: kindNumber, text: s, number: d}
}

func momentScalar(t time.Time) scalar { return scalar{kind: kindTime, moment: t} }

func levelScalar(r *sink.Record) scalar {
	l, known := r.Level()
	return scalar{kind: kindLevel, text: r.LevelText(), level: l, unranked: !known}
}

// literal returns what a word of a filter is: a number, a duration, a time, or
// else a text.
func literal(s string, loc *time.Location) scalar {
	if d, ok := parseDecimal(s); ok {
		return scalar{kind: kindNumber, text: s, number: d}
	}
	if d, ok := parseDuration(s); ok {
		return scalar{kind: kindDuration, text: s, duration: d}
	}
	if t, ok := parseTime(s, loc); ok {
		return scalar{kind: kindTime, text: s, moment: t}
	}
	return scalar{kind: kindText, text: s}
}

// native returns the scalar of a value of an expression.
func native(v any) scalar {
	switch v := v.(type) {
	case bool:
		return scalar{kind: kindBool, text: strconv.FormatBool(v)}
	case string:
		return scalar{kind: kindText, text: v}
	case int:
		return numberScalar(strconv.Itoa(v))
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return scalar{}
		}
		return numberScalar(strconv.FormatFloat(v, 'g', -1, 64))
	case json.Number:
		return numberScalar(string(v))
	case time.Duration:
		return scalar{kind: kindDuration, text: v.String(), duration: v}
	case time.Time:
		return momentScalar(v)
	case time.Month:
		return numberScalar(strconv.Itoa(int(v)))
	case scalar:
		return v
	case sink.Value:
		return scalarOf(v)
	}
	return scalar{}
}

// compare returns how a stands to b. It is not ok when they are in no order.
func compare(a, b *scalar) (order int, ok bool) {
	switch {
	case a.kind == kindNone || b.kind == kindNone:
		return 0, false
	case a.kind == kindLevel:
		return compareLevel(a, b)
	case b.kind == kindLevel:
		order, ok = compareLevel(b, a)
		return -order, ok
	case a.kind == kindBool || b.kind == kindBool:
		return 0, a.text == b.text && (a.kind == b.kind || a.kind == kindText || b.kind == kindText)
	case a.verbatim || b.verbatim:
		return strings.Compare(a.text, b.text), a.kind == kindText && b.kind == kindText
	case a.kind == kindDuration || b.kind == kindDuration:
		return compareDurations(a, b)
	case a.kind == kindTime || b.kind == kindTime:
		return compareMoments(a, b)
	case a.kind == kindNumber && b.kind == kindNumber:
		return a.number.compare(b.number), true
	}
	return compareTexts(a, b)
}

// compareTexts compares two of which one at least is a text, and the other may be
// a number.
func compareTexts(a, b *scalar) (order int, ok bool) {
	if a.text == b.text && a.kind == b.kind {
		return 0, true
	}
	if order, ok = compareNumbers(a, b); ok {
		if order == 0 && a.kind == b.kind { // "1.0" and "1.00" are two texts
			order = strings.Compare(a.text, b.text)
		}
		return order, true
	}
	if order, ok = compareDurations(a, b); ok {
		return order, true
	}
	if order, ok = compareMoments(a, b); ok {
		return order, true
	}
	return strings.Compare(a.text, b.text), a.kind == b.kind
}

func compareNumbers(a, b *scalar) (order int, ok bool) {
	x, ok1 := a.asNumber()
	y, ok2 := b.asNumber()
	return x.compare(y), ok1 && ok2
}

func compareDurations(a, b *scalar) (order int, ok bool) {
	x, ok1 := a.asDuration()
	y, ok2 := b.asDuration()
	return cmp.Compare(x, y), ok1 && ok2
}

func compareMoments(a, b *scalar) (order int, ok bool) {
	x, ok1 := a.asMoment()
	y, ok2 := b.asMoment()
	return x.Compare(y), ok1 && ok2
}

func (s *scalar) asNumber() (decimal, bool) {
	switch s.kind {
	case kindNumber:
		return s.number, true
	case kindText:
		return parseDecimal(s.text)
	}
	return decimal{}, false
}

// asDuration reads a number as nanoseconds.
func (s *scalar) asDuration() (time.Duration, bool) {
	switch s.kind {
	case kindDuration:
		return s.duration, true
	case kindText:
		return parseDuration(s.text)
	case kindNumber:
		if n, err := strconv.ParseInt(s.text, 10, 64); err == nil {
			return time.Duration(n), true
		}
		n, err := strconv.ParseFloat(s.text, 64)
		return time.Duration(max(-math.MaxInt64/2, min(n, math.MaxInt64/2))), err == nil
	}
	return 0, false
}

func (s *scalar) asMoment() (time.Time, bool) {
	switch s.kind {
	case kindTime:
		return s.moment, true
	case kindText:
		return parseTime(s.text, time.Local)
	case kindNumber:
		n, err := strconv.ParseFloat(s.text, 64)
		if err != nil {
			return time.Time{}, false
		}
		return unixTime(n)
	}
	return time.Time{}, false
}

// compareLevel compares the level of a record with the name of one, with a
// number on slog's scale, or with a number of the scale that the record's logger
// uses.
func compareLevel(l, other *scalar) (order int, ok bool) {
	switch other.kind {
	case kindLevel:
		return cmp.Compare(l.level, other.level), !l.unranked && !other.unranked
	case kindText:
		if named, known := rank(strings.TrimSpace(other.text)); known && !l.unranked {
			return cmp.Compare(l.level, named), true
		}
		return 0, strings.EqualFold(l.text, other.text)
	case kindNumber:
		if own, is := parseDecimal(l.text); is {
			return own.compare(other.number), true
		}
		n, err := strconv.Atoi(other.text)
		return cmp.Compare(l.level, slog.Level(n)), err == nil && !l.unranked
	}
	return 0, false
}

// equal reports whether a and b are the same. What is missing equals nothing.
func equal(a, b *scalar) bool {
	order, ok := compare(a, b)
	return ok && order == 0
}

// ordered reports whether a stands to b as the operator says. A level that can't
// be ranked stands to any as it is asked.
func ordered(a *scalar, op string, b *scalar) bool {
	if a.kind == kindLevel && a.unranked || b.kind == kindLevel && b.unranked {
		return true
	}
	if a.kind == kindBool || b.kind == kindBool {
		return false
	}
	order, ok := compare(a, b)
	if !ok {
		return false
	}
	switch op {
	case ">":
		return order > 0
	case ">=":
		return order >= 0
	case "<":
		return order < 0
	}
	return order <= 0
}

// String returns the text of a scalar, as patterns see it.
func (s *scalar) String() string {
	if s.kind == kindTime && s.text == "" {
		return s.moment.Format(time.RFC3339Nano)
	}
	return s.text
}

// name is String, but for a level, whose name is in lower case.
func (s *scalar) name() string {
	if s.kind == kindLevel {
		return strings.ToLower(s.text)
	}
	return s.String()
}
