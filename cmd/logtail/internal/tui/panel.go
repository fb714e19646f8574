package tui

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/slogcast/slogcast/cmd/logtail/internal/view"
	"github.com/slogcast/slogcast/sink"
	"github.com/slogcast/slogcast/sink/render"
)

// panel is a list over the rows.
type panel struct {
	title string
	items []item
	at    int                            // the selected one
	top   int                            // the first that is seen
	press func(key string, i *item) bool // of a key that is not the panel's own; true closes it
}

// item is a line of a panel.
type item struct {
	text string
	box  bool // it can be on or off
	on   bool

	field field
}

func (m *model) pressPanel(key string) {
	p := m.panel
	switch key {
	case "esc", "q", "?":
		m.panel = nil
	case "down", "j":
		p.at = min(p.at+1, len(p.items)-1)
	case "up", "k":
		p.at = max(p.at-1, 0)
	case "pgdown":
		p.at = min(p.at+m.window.height, len(p.items)-1)
	case "pgup":
		p.at = max(p.at-m.window.height, 0)
	default:
		if len(p.items) > 0 && p.press != nil && p.press(key, &p.items[p.at]) {
			m.panel = nil
		}
	}
}

func (m *model) openHelp() {
	p := &panel{title: "keys; Esc closes"}
	for _, line := range helpLines() {
		p.items = append(p.items, item{text: line})
	}
	m.panel = p
}

// openApps lists the apps of the rows there are.
func (m *model) openApps() {
	f := &m.scan.facts
	p := &panel{title: "apps: space on or off, a all, o only this; Esc closes"}
	names := slices.Clone(f.apps)
	slices.Sort(names)
	for _, name := range names {
		shown := render.Safe(name)
		if name == "" {
			shown = "(none)"
		}
		text := fmt.Sprintf("%s  %d", shown, f.count[f.byApp[name]])
		p.items = append(p.items, item{text: text, box: true, on: !m.scan.choice.hides(name), field: field{key: name}})
	}
	p.press = func(key string, i *item) bool {
		c := m.scan.choice
		switch key {
		case "space", "enter":
			i.on = !i.on
		case "a", "o":
			c.others = key == "o"
			for j := range p.items {
				p.items[j].on = key == "a"
			}
			i.on = true
		default:
			return false
		}
		c.apps = nil
		if c.others || slices.ContainsFunc(p.items, func(i item) bool { return !i.on }) {
			c.apps = make(map[string]bool)
			for _, i := range p.items {
				c.apps[i.field.key] = !i.on
			}
		}
		m.choose(c)
		return false
	}
	m.panel = p
}

// field is an attribute of a record by its dotted key, or a column.
type field struct {
	key    string
	value  sink.Value
	column bool // it is no attribute
}

// maxFields bounds the fields of a record that are listed.
const maxFields = 1000

// fieldsOf returns the attributes of a record, those of groups by dotted keys.
func fieldsOf(r *sink.Record) []field {
	var fields []field
	var add func(key string, v sink.Value, depth int)
	add = func(key string, v sink.Value, depth int) {
		if len(fields) >= maxFields {
			return
		}
		if v.Kind() == sink.Object && depth < 4 {
			for k, member := range v.Members() {
				add(key+"."+k, member, depth+1)
			}
			return
		}
		fields = append(fields, field{key: key, value: v})
	}
	for _, a := range r.Attrs() {
		add(a.Key, a.Value, 0)
	}
	return fields
}

// openFields lists what the selected record has.
func (m *model) openFields() {
	row := m.selected()
	if row == nil || row.Kind != view.Record {
		m.message = "no record is selected"
		return
	}
	p := &panel{title: "fields: space on or off, Enter only = this, x not this; Esc closes"}
	hidden := func(key string) bool { return slices.Contains(m.paint.opts.Hide, key) }
	for _, column := range []string{"time", "level", "app", "msg"} {
		p.items = append(p.items, item{text: column, box: true, on: !hidden(column), field: field{key: column, column: true}})
	}
	r := row.Record.Clone() // the panel outlives the row
	for _, f := range fieldsOf(&r) {
		text := render.Safe(fmt.Sprintf("%s = %.200s", f.key, f.value.Text()))
		p.items = append(p.items, item{text: text, box: true, on: !hidden(f.key), field: f})
	}
	p.at = min(4, len(p.items)-1)
	p.press = func(key string, i *item) bool {
		switch {
		case key == "space":
			m.toggleField(i)
		case key == "enter" && !i.field.column:
			m.addField(i.field.condition("="))
			return true
		case key == "x" && !i.field.column:
			m.addField(i.field.condition("!="))
			return true
		}
		return false
	}
	m.panel = p
}

func (m *model) toggleField(i *item) {
	i.on = !i.on
	hide := slices.Clone(m.paint.opts.Hide)
	if i.on {
		hide = slices.DeleteFunc(hide, func(key string) bool { return key == i.field.key })
	} else {
		hide = append(hide, i.field.key)
	}
	m.paint.opts.Hide = hide
	m.paint.reset()
}

var plainKey = regexp.MustCompile(`^[\pL_][\pL\pN_.-]*$`)

// condition returns the field as one of --field.
func (f *field) condition(op string) string {
	key, value := f.key, f.value.Text()
	if !plainKey.MatchString(key) {
		key = strconv.Quote(key)
	}
	if f.value.Kind() == sink.String {
		value = strconv.Quote(value)
	}
	return key + " " + op + " " + value
}

// appsText says which apps are shown, or not.
func (c *choice) appsText() string {
	text := "without "
	var names []string
	for name, hidden := range c.apps {
		if hidden != c.others {
			names = append(names, render.Safe(name))
		}
	}
	if c.others {
		text = "only "
	}
	if len(names) > 3 {
		return fmt.Sprintf("%s%d apps", text, len(names))
	}
	slices.Sort(names)
	return text + strings.Join(names, ", ")
}
