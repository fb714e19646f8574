package sink

import (
	"strconv"
	"strings"
	"time"

	"github.com/slogcast/slogcast/internal/jsontext"
)

// each yields what lies in v below path, dotted, whatever the case of its keys,
// until yield returns false: what is in several elements of an array, too, and in
// one of keys and values. It reports whether yield always returned true.
func each(v Value, path string, yield func(Value) bool) bool {
	if path == "" {
		return yield(v)
	}
	if v[0] == '[' {
		if n, rest, ok := cutIndex(path); ok {
			for element := range v.Elements() {
				if n--; n < 0 {
					return each(element, rest, yield)
				}
			}
			return true
		}
		for element := range v.Elements() {
			if element[0] != '{' {
				continue
			}
			key, value := pair(element)
			if rest, ok := cutKey(path, key); ok && !each(value, rest, yield) || !each(element, path, yield) {
				return false
			}
		}
		return true
	}
	for key, inner := range v.Members() {
		if rest, ok := cutKey(path, key); ok && !each(inner, rest, yield) {
			return false
		}
	}
	return true
}

// cutIndex cuts the place of an array's element off the start of a path.
func cutIndex(path string) (n int, rest string, ok bool) {
	n = int(path[0]) - '0'
	if n < 0 || n > 9 || len(path) > 1 && path[1] != '.' {
		return 0, path, false
	}
	return n, path[min(2, len(path)):], true
}

// pair returns key and value of an attribute as OpenTelemetry's protocol has it:
// {"key":"a","value":{"stringValue":"b"}}.
func pair(v Value) (key string, value Value) {
	for name, inner := range v.Members() {
		switch {
		case name == "key" && inner.Kind() == String:
			key = inner.Text()
		case name == "value":
			value = inner
			for _, typed := range inner.Members() {
				value = typed
			}
		}
	}
	if value == "" {
		key = ""
	}
	return key, value
}

// first returns the first value below path.
func first(v Value, path string) (found Value, ok bool) {
	each(v, path, func(v Value) bool {
		found, ok = v, true
		return false
	})
	return found, ok
}

// cutKey cuts key off the start of a path, in any case.
func cutKey(path, key string) (rest string, ok bool) {
	switch {
	case len(key) > len(path) || key == "" || !strings.EqualFold(path[:len(key)], key):
		return "", false
	case len(key) == len(path):
		return "", true
	}
	return path[len(key)+1:], path[len(key)] == '.'
}

// without returns v without what lies below path, "" if nothing is left.
// Elements of arrays stay.
func without(v Value, path string) Value {
	switch {
	case path == "":
		return ""
	case v[0] != '{':
		return v
	}
	out := append(make([]byte, 0, len(v)), '{')
	done := false
	for quoted, inner := range jsontext.Members(string(v)) {
		left := Value(inner)
		if rest, ok := cutKey(path, jsontext.Unquote(quoted)); ok && !done {
			left = without(left, rest)
			done = len(left) != len(inner)
		}
		if left == "" {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(append(out, quoted...), ':'), left...)
	}
	if len(out) == 1 {
		return ""
	}
	return Value(append(out, '}'))
}

// timeOf reads a time in any of the forms that JSON has for it.
func (c clock) timeOf(v Value) (time.Time, bool) {
	switch v[0] {
	case '"':
		return c.parse(v.Text())
	case '{':
		return c.timeOfObject(v)
	case '[': // of seconds and nanoseconds
		var numbers [2]string
		n := 0
		for element := range v.Elements() {
			if n == len(numbers) || element.Kind() != Number {
				return time.Time{}, false
			}
			numbers[n] = string(element)
			n++
		}
		return secondsAndNanos(numbers[0], numbers[1])
	}
	return parseEpoch(string(v))
}

// Keys of seconds and nanoseconds, and of texts, in a time that is an object.
var (
	secondsKeys = []string{"seconds", "epochSecond", "sec", "tv_sec"}
	nanosKeys   = []string{"nanos", "nanoOfSecond", "nsec", "tv_nsec", "nanoseconds"}
	innerKeys   = []string{"$date", "$numberLong", "date", "timestamp", "repr", "iso", "value", "time"}
)

func (c clock) timeOfObject(v Value) (time.Time, bool) {
	text := func(keys []string) string {
		for _, key := range keys {
			if found, ok := first(v, key); ok && (found[0] == '"' || found.Kind() == Number) {
				return found.Text()
			}
		}
		return ""
	}
	if seconds := text(secondsKeys); seconds != "" {
		return secondsAndNanos(seconds, text(nanosKeys))
	}
	if zone := text([]string{"timezone"}); zone != "" {
		date := text([]string{"date"})
		if offset, rest, ok := cutOffset(zone); ok && rest == "" {
			return c.parse(date + time.Unix(0, 0).In(time.FixedZone("", offset)).Format("-07:00"))
		}
		if place := c.place(zone); place != nil {
			return clock{&Record{zone: place, Received: c.now()}}.parse(date)
		}
	}
	for _, key := range innerKeys {
		if found, ok := first(v, key); ok {
			if found[0] == '{' {
				found, _ = first(found, "$numberLong")
			}
			if found != "" && found[0] != '{' {
				return c.timeOf(found)
			}
		}
	}
	return time.Time{}, false
}

func secondsAndNanos(seconds, nanos string) (time.Time, bool) {
	t, ok := parseEpoch(seconds)
	n, err := strconv.ParseUint(nanos, 10, 32)
	if !ok || len(seconds) > 11 || nanos != "" && (err != nil || n >= 1e9) {
		return t, ok && nanos == ""
	}
	return t.Add(time.Duration(n)), true
}

// considerDate reads a date that has its time of day under another key, or
// seconds that have their nanoseconds there.
func (g *reading) considerDate(date Value, clockKey string) bool {
	if g.dated || date[0] != '"' && date.Kind() != Number {
		return false
	}
	g.dated = true
	for _, a := range g.all {
		if a.Value.Kind() == date.Kind() && strings.EqualFold(a.Key, clockKey) {
			t, ok := secondsAndNanos(string(date), string(a.Value))
			if date[0] == '"' {
				t, ok = g.parse(date.Text() + " " + a.Value.Text())
			}
			if ok {
				g.time, g.own = t, true
			}
			return ok
		}
	}
	return false
}

// messageOf returns a value as a message, if it has anything to say: text, a
// number, an array of them, or text that journald has as an array of bytes.
func messageOf(v Value) (string, bool) {
	switch v.Kind() {
	case String:
		text := v.Text()
		return text, strings.TrimSpace(text) != ""
	case Number, Bool:
		return string(v), true
	case Array:
		return joined(v)
	}
	return "", false
}

// joined returns the elements of an array of simple values with spaces between,
// or as bytes, if they are numbers of bytes.
func joined(v Value) (string, bool) {
	var words, raw []byte
	allBytes := true
	for element := range v.Elements() {
		if element[0] == '{' || element[0] == '[' {
			return "", false
		}
		n, err := strconv.ParseUint(string(element), 10, 8)
		if allBytes = allBytes && err == nil; allBytes {
			raw = append(raw, byte(n))
		}
		if len(words) > 0 {
			words = append(words, ' ')
		}
		words = append(words, element.Text()...)
	}
	if allBytes && len(raw) > 1 {
		return strings.ToValidUTF8(string(raw), "\uFFFD"), true
	}
	return string(words), len(words) > 0
}
