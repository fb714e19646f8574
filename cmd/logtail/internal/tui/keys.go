package tui

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/slogcast/slogcast/cmd/logtail/internal/view"
	"github.com/slogcast/slogcast/sink"
)

// binding is what keys do.
type binding struct {
	keys []string // as Bubble Tea names them
	show string   // them, in the help
	help string
	do   func(*model) tea.Cmd
}

// does is a binding's do that needs no command.
func does(f func(*model)) func(*model) tea.Cmd {
	return func(m *model) tea.Cmd { f(m); return nil }
}

// bindings returns what all keys do, in the order of the help.
func bindings() []binding {
	all := []binding{
		{[]string{"space", "p"}, "space", "pause, or follow again", does((*model).toggleFollow)},
		{[]string{"down", "j"}, "↓ j", "next record", does(func(m *model) { m.window.move(true) })},
		{[]string{"up", "k"}, "↑ k", "record before", does(func(m *model) { m.window.move(false) })},
		{[]string{"pgdown", "ctrl+f", "ctrl+d"}, "PgDn", "a screen down", does(func(m *model) { m.window.page(true) })},
		{[]string{"pgup", "ctrl+b", "ctrl+u", "b"}, "PgUp b", "a screen up", does(func(m *model) { m.window.page(false) })},
		{[]string{"home", "g"}, "Home g", "the oldest record", does((*model).goFirst)},
		{[]string{"end", "G", "F"}, "End G", "the newest, and follow", does((*model).goLast)},
		{[]string{"/"}, "/", "search: RE, any case without capitals", does(func(m *model) { m.open(kindSearch, m.typed[kindSearch]) })},
		{[]string{"n"}, "n N", "next match, or the one before", does(func(m *model) { m.searchAgain(true) })},
		{[]string{"N"}, "", "", does(func(m *model) { m.searchAgain(false) })},
		{[]string{"e"}, "e E", "next warning or error, or before", does(func(m *model) { m.seekBad(true) })},
		{[]string{"E"}, "", "", does(func(m *model) { m.seekBad(false) })},
		{[]string{"f"}, "f", "filter: -l warn, app == \"web\", text", does(func(m *model) { m.open(kindFilter, m.scan.choice.line) })},
		{[]string{"c"}, "c", "context: all around this, and back", does((*model).lift)},
		{[]string{"1"}, "1 … 4", "debug, info, warn, error on or off", does(func(m *model) { m.toggleLevel(levelDebug) })},
		{[]string{"l"}, "l", "lowest level: info, warn, error, all", does((*model).raiseLevel)},
		{[]string{"a"}, "a", "apps on or off", does((*model).openApps)},
		{[]string{"o"}, "o", "only this record's app, or all", does((*model).onlyApp)},
		{[]string{"d"}, "d", "this record's fields: hide, filter", does((*model).openFields)},
		{[]string{"enter"}, "Enter", "the whole record as JSON, and back", does((*model).expand)},
		{[]string{"w"}, "w", "wrap long lines, or cut them", does((*model).toggleWrap)},
		{[]string{"y"}, "y Y", "copy the record's JSON, or its line", func(m *model) tea.Cmd { return m.copyRecord(true) }},
		{[]string{"Y"}, "", "", func(m *model) tea.Cmd { return m.copyRecord(false) }},
		{[]string{"m"}, "m", "mark: a line with the time", does((*model).mark)},
		{[]string{"]"}, "] [", "next mark, gap or notice, or before", does(func(m *model) { m.seekNotice(true) })},
		{[]string{"["}, "", "", does(func(m *model) { m.seekNotice(false) })},
		{[]string{"h"}, "h", "histogram on or off", does((*model).toggleBars)},
		{[]string{"s"}, "s", "save what is shown to a file", does(func(m *model) { m.open(kindSave, m.saveName()) })},
		{[]string{"esc"}, "Esc", "end the search, the context", does((*model).escape)},
		{[]string{"?"}, "?", "these keys", does((*model).openHelp)},
		{[]string{"q"}, "q", "quit", func(*model) tea.Cmd { return tea.Quit }},
	}
	for l := levelInfo; l <= levelError; l++ {
		all = append(all, binding{keys: []string{fmt.Sprint(int(l) + 1)}, do: does(func(m *model) { m.toggleLevel(l) })})
	}
	return all
}

func (m *model) toggleFollow() { m.window.follow = !m.window.follow }

// goFirst selects the oldest row. Where not all are looked at yet, it goes on from
// there.
func (m *model) goFirst() {
	s := &m.scan
	if s.index.low > s.facts.first {
		s.choose(s.choice, s.facts.first)
	}
	m.window.follow, m.window.cursor = false, s.facts.first
}

// goLast follows the newest row.
func (m *model) goLast() {
	s := &m.scan
	if s.index.high < s.facts.next() {
		s.choose(s.choice, s.facts.next())
	}
	m.window.follow = true
}

func (m *model) searchAgain(forward bool) {
	if m.soughtBy == nil {
		m.message = "nothing was searched yet: /"
		return
	}
	m.search(m.soughtBy, m.sought, forward)
}

func (m *model) seekBad(forward bool) {
	m.start("warning or error", forward, func(position uint64) bool {
		l := m.scan.facts.at(position).level
		return l == levelWarn || l == levelError
	})
}

func (m *model) seekNotice(forward bool) {
	m.start("mark or notice", forward, func(position uint64) bool { return m.scan.facts.at(position).level == levelNotice })
}

func (m *model) toggleLevel(l level) {
	c := m.scan.choice
	c.levels[l] = !c.levels[l]
	m.choose(c)
}

// raiseLevel hides one more level, or none when only errors are left.
func (m *model) raiseLevel() {
	c := m.scan.choice
	hidden := 0
	for hidden < len(c.levels) && c.levels[hidden] {
		hidden++
	}
	for l := range c.levels {
		c.levels[l] = l <= hidden && hidden < int(levelError)
	}
	m.choose(c)
}

func (m *model) onlyApp() {
	row := m.selected()
	if row == nil || row.Kind != view.Record {
		return
	}
	only, c := row.Record.App, m.scan.choice
	if len(c.apps) > 0 {
		c.apps, c.others = nil, false
	} else {
		c.apps, c.others = map[string]bool{strings.Clone(only): false}, true
	}
	m.choose(c)
}

func (m *model) expand() {
	row := m.selected()
	if row == nil || row.Kind != view.Record {
		return
	}
	at := m.window.cursor
	if m.window.follow {
		m.window.settle()
		m.window.follow = false
	}
	if m.paint.expanded[at] {
		delete(m.paint.expanded, at)
	} else {
		m.paint.expanded[at] = true
	}
	delete(m.paint.lines, at)
	if len(m.window.lines(at)) > m.window.height { // its beginning is what matters
		m.window.top, m.window.skip = at, 0
	}
}

func (m *model) toggleWrap() {
	m.paint.opts.Truncate = !m.paint.opts.Truncate
	m.paint.reset()
}

func (m *model) toggleBars() {
	m.bars.hidden = !m.bars.hidden
	m.layout()
}

// mark adds a row with the time, at the end.
func (m *model) mark() {
	m.cfg.Ring.Note(sink.Notice{Remark: "mark"})
	m.message = "marked the end of what has come"
}

// escape ends what is going on, the most recent first.
func (m *model) escape() {
	switch {
	case m.scan.seek != nil:
		m.scan.seek = nil
	case m.scan.choice.lifted:
		m.lift()
	case m.soughtBy != nil:
		m.soughtBy = nil
		m.highlight()
	}
}

// helpLines are the keys and what they do.
func helpLines() []string {
	var lines []string
	for _, b := range bindings() {
		if b.show != "" {
			pad := strings.Repeat(" ", max(0, 8-len([]rune(b.show))))
			lines = append(lines, b.show+pad+b.help)
		}
	}
	return lines
}
