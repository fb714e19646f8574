package render

import (
	"bytes"
	"strings"
	"testing"

	"github.com/slogcast/slogcast/sink"
)

func TestTemplates(t *testing.T) {
	const body = `{"time":"2026-11-23T10:20:31Z","level":"WARN","msg":"a\u001b[2Jb","g":{"k":"v\u202e"},"n":12345678901234567890}`
	for text, want := range map[string]string{
		`{{.Message}}`: `a\x1b[2Jb` + "\n",
		`{{.Get "g.k"}}|{{.Get "n"}}|{{.Get "none"}}`:           `v\u202e|12345678901234567890|` + "\n",
		`{{color "red" .Message}}`:                              "\x1b[31m" + `a\x1b[2Jb` + "\x1b[0m\n",
		`{{printf "%s" .Message}}{{"\t"}}`:                      `a\x1b[2Jb\t` + "\n",
		"{{if eq .LevelName \"warn\"}}\x1b[1m{{.Level}}{{end}}": "\x1b[1mWARN\n",
		`{{if .Host}}x{{end}}`:                                  "",
		`{{pad 6 .Level}}|{{pad -6 .Level}}`:                    "WARN  |  WARN\n",
		`{{with $m := .Message}}{{$m}}{{end}}`:                  `a\x1b[2Jb` + "\n",
		`{{.Time.Format "15:04"}} {{.Known}}`:                   "10:20 true\n",
		`{{json .Message}}`:                                     `"a\u001b[2Jb"` + "\n",
		`{{define "x"}}{{.}}{{end}}{{template "x" .Message}}`:   `a\x1b[2Jb` + "\n",
	} {
		tmpl, err := ParseTemplate(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		var out bytes.Buffer
		r := sink.ParseLine([]byte(body))
		if err := New(&out, Options{Format: Template, Template: tmpl, Escape: true, UTC: true}).Write(t.Context(), []sink.Record{r}); err != nil {
			t.Fatal(err)
		}
		if out.String() != want {
			t.Errorf("%q: got %q, want %q", text, out.String(), want)
		}
	}
}

func TestBadTemplatesFailAtOnce(t *testing.T) {
	for text, place := range map[string]string{`{{.Message`: "template:1", "a\n{{.Msg}}": "template:2:2", `{{nope}}`: "template:1"} {
		if _, err := ParseTemplate(text); err == nil || !strings.Contains(err.Error(), place) {
			t.Errorf("%q: got %v, want an error at %s", text, err, place)
		}
	}
}
