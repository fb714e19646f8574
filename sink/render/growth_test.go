package render

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/slogcast/slogcast/sink"
)

// hostile are records whose output could outgrow them, of about n bytes.
func hostile(n int) map[string]string {
	fill := func(s string) string { return strings.Repeat(s, n/len(s)) }
	list := func(s string) string { return strings.TrimSuffix(fill(s+","), ",") }
	return map[string]string{
		"long key":     `{"` + fill("k") + `":{` + list(`"a":1`) + `}}`,
		"key of 120":   `{"` + strings.Repeat("k", 120) + `":{` + list(`"":1`) + `}}`,
		"controls":     `{"msg":"` + fill(`\b`) + `"}`,
		"marks":        `{"msg":"` + fill("\u0301") + `"}`,
		"lines":        `{"msg":"` + fill(`\n`) + `x"}`,
		"frames":       `{"stack":[` + list(`""`) + `]}`,
		"members":      `{` + list(`"":1`) + `}`,
		"deep":         strings.Repeat(`{"a":`, n/6) + "1" + strings.Repeat("}", n/6),
		"deep arrays":  `{"a":` + strings.Repeat("[", n/2) + strings.Repeat("]", n/2) + "}",
		"text":         fill("a "),
		"wide":         `{"msg":"` + fill("界") + `"}`,
		"nested lines": `{"g":{` + list(`"a":"\n\n"`) + `}}`,
	}
}

// Output is in proportion to the record, for every renderer.
func TestOutputGrowsWithTheRecord(t *testing.T) {
	tmpl, err := ParseTemplate(`{{.Message}} {{.Attrs}} {{range .Attrs}}{{pad 10 .Value}}{{end}}`)
	if err != nil {
		t.Fatal(err)
	}
	every := []*regexp.Regexp{regexp.MustCompile("a"), regexp.MustCompile("[^x]")}
	for name, opts := range map[string]Options{
		"pretty": {}, "color": {Color: true, Links: true}, "narrow": {Width: 20, Color: true}, "fold": {Fold: true},
		"truncate": {Width: 20, Truncate: true}, "highlight": {Color: true, Highlight: every}, "hide": {Hide: []string{"x"}},
		"json": {Format: JSON}, "raw": {Format: Raw, Escape: true}, "logfmt": {Format: Logfmt},
		"template": {Format: Template, Template: tmpl, Escape: true},
	} {
		opts.Now = now
		for kind, body := range hostile(1 << 12) {
			t.Run(fmt.Sprintf("%s/%s", name, kind), func(t *testing.T) {
				const most = 48
				var out bytes.Buffer
				if err := New(&out, opts).Write(t.Context(), []sink.Record{sink.ParseLine([]byte(body))}); err != nil {
					t.Fatal(err)
				}
				if c := out.Len() / len(body); c > most {
					t.Errorf("%d bytes become %d, %d times as many", len(body), out.Len(), c)
				}
			})
		}
	}
}
