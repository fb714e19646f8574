package render

import (
	"log/slog"
	"strings"
)

// levelColumn is as wide as the names of levels.
const levelColumn = 5

// shortLevels are names of levels that fit the column, for longer ones that many
// loggers have.
var shortLevels = map[string]string{
	"NOTICE": "NOTE", "CRITICAL": "CRIT", "EMERGENCY": "EMERG",
}

// appendLevel appends a level in five columns, or more when it has an offset.
// Without a name, and under one that is none, it has no style.
func (t *Terminal) appendLevel(text, name string, l slog.Level, known bool) {
	s := dim
	switch {
	case name == "" || !known:
		s = ""
	case l > slog.LevelError:
		s = loud
	case l >= slog.LevelError:
		s = red
	case l >= slog.LevelWarn:
		s = yellow
	case l >= slog.LevelInfo:
		s = cyan
	}
	shown := levelText(text, name, l)
	t.open(s)
	start := len(t.buf)
	t.buf = appendSafe(t.buf, shown)
	width := cells(view(t.buf[start:]))
	t.pad(levelColumn - width)
	t.close(s)
	t.buf = append(t.buf, ' ')
}

// levelText returns what is shown of a level: the usual name of a usual one, and
// any other as the record has it.
func levelText(text, name string, l slog.Level) string {
	switch {
	case name == "":
		return text
	case text != "" && (text[0] >= '0' && text[0] <= '9'):
		return upperLevels[name]
	case l > slog.LevelError || l%4 != 0:
		upper := strings.ToUpper(text)
		if short, ok := shortLevels[upper]; ok {
			return short
		}
		return upper
	}
	return upperLevels[name]
}

var upperLevels = map[string]string{
	"trace": "TRACE", "debug": "DEBUG", "info": "INFO", "warn": "WARN", "error": "ERROR", "fatal": "FATAL",
}

// pad appends n spaces.
func (t *Terminal) pad(n int) {
	for range n {
		t.buf = append(t.buf, ' ')
	}
}

// Palettes tell apps apart. Red and yellow are left to levels.
var (
	darkApps  = []style{"32", "35", "34", "36", "92", "95", "94", "96", "38;5;173", "38;5;109", "38;5;151", "38;5;139"}
	lightApps = []style{"32", "35", "34", "36", "38;5;22", "38;5;54", "38;5;25", "38;5;94", "38;5;30", "38;5;90", "38;5;58", "38;5;24"}
)

// apps are those in view: seen among the last records. Each has a colour that no
// other has, while there are enough, and the same whenever it is free. The
// column is as wide as their names, up to a limit.
type apps struct {
	palette []style
	byName  map[string]*app
	last    *app
	records uint64
	column  int
}

type app struct {
	name  string
	color int
	width int
	seen  uint64 // the number of the last record of it
}

const (
	appsInView   = 512 // records
	widestColumn = 16
)

func newApps(light bool) apps {
	a := apps{palette: darkApps, byName: make(map[string]*app)}
	if light {
		a.palette = lightApps
	}
	return a
}

// of returns the app of a record.
func (a *apps) of(name string) *app {
	a.records++
	if a.records%appsInView == 0 {
		a.forget()
	}
	if a.last == nil || a.last.name != name {
		found, ok := a.byName[name]
		if !ok {
			found = a.add(strings.Clone(name))
		}
		a.last = found
	}
	a.last.seen = a.records
	return a.last
}

func (a *apps) add(name string) *app {
	used := make([]bool, len(a.palette))
	for _, other := range a.byName {
		used[other.color] = true
	}
	first := int(hash(name) % uint32(len(a.palette)))
	color := first
	for i := range a.palette {
		if next := (first + i) % len(a.palette); !used[next] {
			color = next
			break
		}
	}
	n := &app{name: name, color: color, width: cells(Safe(name))}
	a.byName[name] = n
	if n.width <= widestColumn {
		a.column = max(a.column, n.width)
	}
	return n
}

// hash is FNV-1a: the same app has the same colour on every day.
func hash(s string) uint32 {
	h := uint32(2166136261)
	for i := range len(s) {
		h = (h ^ uint32(s[i])) * 16777619
	}
	return h
}

// forget drops the apps that are out of view.
func (a *apps) forget() {
	a.column = 0
	for name, old := range a.byName {
		switch {
		case a.records-old.seen > appsInView:
			delete(a.byName, name)
		case old.width <= widestColumn:
			a.column = max(a.column, old.width)
		}
	}
	a.last = nil
}

// appendApp appends the app in its column. A longer name is shown whole, and
// moves no other line.
func (t *Terminal) appendApp(name string) {
	if name == "" && t.apps.column == 0 {
		return
	}
	width := 0
	if name != "" {
		a := t.apps.of(name)
		t.put(t.apps.palette[a.color], name)
		width = a.width
	}
	t.pad(t.apps.column - width + 1)
	if width > t.apps.column {
		t.buf = append(t.buf, ' ')
	}
}
