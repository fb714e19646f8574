package sink

import (
	"fmt"
	"strings"
	"testing"

	"github.com/slogcast/slogcast/internal/jsontext"
)

// hostile are bodies that grow with n, to find what would take more than
// proportionate time or memory.
func hostile(n int) map[string]string {
	many := func(s string) string { return strings.Repeat(s, n) }
	object := func(member string) string { return "{" + many(member+",") + `"a":1}` }
	return map[string]string{
		"dates":       object(`"date":"x"`),
		"times":       object(`"time":"2025-11-25T04:00:00"`),
		"errors":      object(`"err":{"message":"x\n"}`),
		"groups":      `{"err":` + object(`"message":{"a":1}`) + `,"record":` + object(`"time":{}`) + "}",
		"levels":      object(`"severity":"loud"`),
		"otlp":        `{"resourceLogs":[` + many(`{"scopeLogs":[{"logRecords":[{"severityNumber":9}]}]},`) + `{}]}`,
		"arrays":      `{"resourceLogs":` + strings.Repeat("[", min(n, 5000)) + strings.Repeat("]", min(n, 5000)) + "}",
		"template":    `{"@t":"","@mt":"` + many("{a}{") + `","a":"` + many("x") + `"}`,
		"wrapped":     `{"log":"{\"log\":\"` + many("{") + `\"}"}`,
		"braces":      many("{"),
		"brackets":    many("["),
		"colours":     many("\x1b[31m"),
		"open colour": "\x1b[" + many("1;"),
		"words":       many("x "),
		"pairs":       many("a=b ") + `"`,
		"lines":       many("x\n"),
		"syslog":      "<11>1 " + many("- "),
		"frames":      `{"stack":[` + many(`{"func":"f","line":1},`) + `{"func":"f","line":1}]}`,
		"bytes":       `{"msg":[` + many("120,") + `1]}`,
		"ids":         object(`"@id":"x/1"`),
	}
}

// What a record costs in memory grows with its size, whatever it holds.
func TestHostileRecordsCostInProportion(t *testing.T) {
	for name, body := range hostile(20_000) {
		r := Record{Body: []byte(body), Received: at, object: jsontext.IsObject([]byte(body))}
		got := len(r.Message()) + len(r.Stack())
		for _, a := range r.Attrs() {
			got += len(a.Key) + len(a.Value)
		}
		line := r.AppendLine(nil)
		if got > 2*len(body)+1024 || len(line) > 8*len(body)+1024 {
			t.Errorf("%s: %d bytes became %d, in a line %d", name, len(body), got, len(line))
		}
	}
}

// BenchmarkHostile takes bodies apart, and those of twice the size: each second
// figure is about twice the first.
func BenchmarkHostile(b *testing.B) {
	for name := range hostile(1) {
		for _, n := range []int{20_000, 40_000} {
			body := []byte(hostile(n)[name])
			b.Run(fmt.Sprintf("%s/n=%d", name, n), func(b *testing.B) {
				b.SetBytes(int64(len(body)))
				for b.Loop() {
					r := Record{Body: body, Received: at, object: jsontext.IsObject(body)}
					r.AppendLine(nil)
					r.Attrs()
				}
			})
		}
	}
}
