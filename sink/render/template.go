package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/template"
	"text/template/parse"
	"time"

	"github.com/slogcast/slogcast/sink"
)

// RecordTemplate is a template for records, see ParseTemplate.
type RecordTemplate struct{ exact, safe *template.Template }

// ParseTemplate parses a template of package text/template. It is executed with
// the fields Time, Known (the time is the record's own), LevelName, Level,
// Message, App, Host, ID and Attrs (each with Key and Value, the stack among them
// as "stack"), and the method Get "key". Besides the usual functions it has
//
//	color NAME VALUE   in red, green, yellow, blue, magenta, cyan, bold or dim
//	pad WIDTH VALUE    filled up with spaces; a negative width fills from the left
//	json VALUE, upper VALUE, lower VALUE
//	since TIME         how long ago that is
//	time LAYOUT TIME
//
// An error names the place.
func ParseTemplate(text string) (*RecordTemplate, error) {
	var rt RecordTemplate
	for _, t := range []**template.Template{&rt.exact, &rt.safe} {
		parsed, err := template.New("template").Funcs(templateFuncs).Parse(text)
		if err != nil {
			return nil, fmt.Errorf("parse template: %w", err)
		}
		*t = parsed
	}
	for _, t := range rt.safe.Templates() {
		escapeNodes(t.Root)
	}
	if err := rt.exact.Execute(io.Discard, fieldsOf(&sink.Record{}, time.UTC)); err != nil {
		return nil, fmt.Errorf("parse template: %w", err)
	}
	return &rt, nil
}

// escapeNodes makes what the actions in a tree print safe, not the text between.
func escapeNodes(n parse.Node) {
	list := func(l *parse.ListNode) {
		if l != nil {
			for _, n := range l.Nodes {
				escapeNodes(n)
			}
		}
	}
	switch n := n.(type) {
	case *parse.ListNode:
		list(n)
	case *parse.IfNode:
		list(n.List)
		list(n.ElseList)
	case *parse.RangeNode:
		list(n.List)
		list(n.ElseList)
	case *parse.WithNode:
		list(n.List)
		list(n.ElseList)
	case *parse.ActionNode:
		if len(n.Pipe.Decl) == 0 {
			n.Pipe.Cmds = append(n.Pipe.Cmds, &parse.CommandNode{
				NodeType: parse.NodeCommand, Pos: n.Pos, Args: []parse.Node{parse.NewIdentifier("_safe").SetPos(n.Pos)},
			})
		}
	}
}

// styled is text of our own making around safe text.
type styled string

var templateFuncs = template.FuncMap{
	"_safe": func(v any) string { return string(safeValue(v)) },
	"color": func(name string, v any) (styled, error) {
		s, ok := templateStyles[name]
		if !ok {
			return "", fmt.Errorf("no color %q", name)
		}
		return styled("\x1b[" + string(s) + "m" + string(safeValue(v)) + "\x1b[0m"), nil
	},
	"pad":   padValue,
	"json":  func(v any) (string, error) { b, err := json.Marshal(v); return string(b), err },
	"upper": func(v any) string { return strings.ToUpper(fmt.Sprint(v)) },
	"lower": func(v any) string { return strings.ToLower(fmt.Sprint(v)) },
	"since": func(t time.Time) time.Duration { return time.Since(t).Round(time.Millisecond) },
	"time":  func(layout string, t time.Time) string { return t.Format(layout) },
}

var templateStyles = map[string]style{
	"red": red, "green": "32", "yellow": yellow, "blue": "34", "magenta": "35", "cyan": cyan, "bold": bold, "dim": dim,
}

// safeValue returns a value of a template as safe text.
func safeValue(v any) styled {
	if s, ok := v.(styled); ok {
		return s
	}
	return styled(Safe(fmt.Sprint(v)))
}

// padValue fills a value up to a width of at most 1000 columns.
func padValue(width int, v any) any {
	text, isStyled := v.(styled)
	if !isStyled {
		text = styled(fmt.Sprint(v))
	}
	missing := strings.Repeat(" ", max(0, min(max(width, -width), 1000)-measure([]byte(safeValue(v)))))
	padded := string(text) + missing
	if width < 0 {
		padded = missing + string(text)
	}
	if isStyled {
		return styled(padded)
	}
	return padded
}

// fields are what a template sees of a record.
type fields struct {
	Time             time.Time
	Known            bool
	LevelName, Level string
	Message          string
	App, Host, ID    string
	Attrs            []field
	record           *sink.Record
}

type field struct{ Key, Value string }

// Get returns the attribute with the dotted key, "" when there is none.
func (f fields) Get(key string) string {
	v, ok := f.record.Lookup(key)
	if !ok {
		if key == "stack" {
			return f.record.Stack()
		}
		return ""
	}
	return v.Text()
}

func fieldsOf(r *sink.Record, zone *time.Location) fields {
	at, known := r.Time()
	f := fields{
		Time: at.In(zone), Known: known, LevelName: r.LevelName(), Level: r.LevelText(), Message: r.Message(),
		App: r.App, Host: r.Host, ID: r.ID(), record: r,
	}
	for _, a := range r.Attrs() {
		f.Attrs = append(f.Attrs, field{a.Key, a.Value.Text()})
	}
	if stack := r.Stack(); stack != "" {
		f.Attrs = append(f.Attrs, field{"stack", stack})
	}
	return f
}

// appendTemplate appends what the template makes of the record, and a newline
// unless it ends in one or is empty. An error takes the place of the record.
func (t *Terminal) appendTemplate(r *sink.Record) {
	tmpl := t.opts.Template.exact
	if t.opts.Escape {
		tmpl = t.opts.Template.safe
	}
	out := bytes.NewBuffer(t.line.text[:0])
	if err := tmpl.Execute(out, fieldsOf(r, t.zone)); err != nil {
		out.Reset()
		out.WriteString(Safe(err.Error()))
	}
	t.line.text = out.Bytes()
	t.buf = append(t.buf, t.line.text...)
	if n := len(t.line.text); n > 0 && t.line.text[n-1] != '\n' {
		t.buf = append(t.buf, '\n')
	}
}
