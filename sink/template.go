package sink

import "strings"

// renderTemplate fills in a message template (https://messagetemplates.org): what
// stands in braces is the name of a property, at the top of the record or in its
// Properties, with perhaps a sign before and a format behind it. The rest, and
// names that the record does not have, stay as they are.
func (g *reading) renderTemplate(text string) string {
	var b strings.Builder
	const most = 64 // properties
	filled := 0     // bytes from properties, that a template may ask for again and again
	for range most {
		at := strings.IndexAny(text, "{}")
		if at < 0 {
			break
		}
		b.WriteString(text[:at])
		hole := text[at:]
		if len(hole) > 1 && hole[1] == hole[0] {
			b.WriteByte(hole[0])
			text = hole[2:]
			continue
		}
		end := strings.IndexByte(hole, '}')
		if end < 2 {
			b.WriteByte(hole[0])
			text = hole[1:]
			continue
		}
		text = hole[end+1:]
		value, ok := g.property(hole[1:end])
		if filled += len(value); !ok || filled > g.most() {
			value = hole[:end+1]
		}
		b.WriteString(value)
	}
	b.WriteString(text)
	return b.String()
}

// most is how many bytes properties may add to a message: once all there are,
// and a few.
func (g *reading) most() int {
	n := 1024
	for i := range g.all {
		n += len(g.all[i].Value)
	}
	return n
}

// property returns the text of what stands in braces.
func (g *reading) property(hole string) (string, bool) {
	name := strings.TrimLeft(hole, "@$")
	if end := strings.IndexAny(name, ":,"); end >= 0 {
		name = name[:end]
	}
	if name == "" {
		return "", false
	}
	for _, a := range g.all {
		if a.Key == name {
			return a.Value.Text(), true
		}
		if a.Key == "Properties" {
			if v, ok := first(a.Value, name); ok {
				return v.Text(), true
			}
		}
	}
	return "", false
}
