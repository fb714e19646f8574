package tui

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	tea "charm.land/bubbletea/v2"

	"github.com/slogcast/slogcast/cmd/logtail/internal/view"
	"github.com/slogcast/slogcast/sink/filter"
)

// kind is what a line is typed for.
type kind int

const (
	kindFilter kind = iota
	kindSearch
	kindSave
)

// prompt is a line that is being typed at the bottom.
type prompt struct {
	kind  kind
	input input
	err   *lineError // what is wrong with it, as it is
	hint  string     // in place of the error, until the next key
}

func (p *prompt) label() string {
	return [...]string{kindFilter: "filter: ", kindSearch: "search: ", kindSave: "save to: "}[p.kind]
}

// usage is shown while there is nothing to say of the line.
func (p *prompt) usage() string {
	return [...]string{
		kindFilter: `-l warn -g RE --app web -f 'took > 1s', or status >= 500; Tab completes`,
		kindSearch: "RE2 in message, keys and values; n and N go on",
		kindSave:   "a new file; JSON lines that logtail read shows",
	}[p.kind]
}

func (m *model) open(k kind, text string) {
	m.prompt = &prompt{kind: k, input: newInput(text)}
	m.checkPrompt()
}

// checkPrompt finds what is wrong with the line.
func (m *model) checkPrompt() {
	p := m.prompt
	p.err, p.hint = nil, ""
	if p.kind == kindSave {
		return
	}
	compile := m.cfg.Compile
	line := p.input.String()
	var err error
	if p.kind == kindFilter {
		_, err = compileLine(line, compile)
	} else if line != "" {
		_, err = compileSearch(line)
	}
	if mistake, ok := err.(*lineError); ok {
		p.err = mistake
	}
}

func compileSearch(text string) (*filter.Filter, error) {
	f, err := filter.Options{Grep: []string{text}}.Compile()
	if mistake, ok := err.(*filter.Error); ok {
		return nil, &lineError{mistake.Offset, mistake.Problem}
	}
	return f, err
}

func (m *model) pressPrompt(key tea.KeyPressMsg) tea.Cmd {
	p := m.prompt
	switch key.String() {
	case "esc":
		m.prompt = nil
	case "enter":
		return m.accept()
	case "tab":
		m.complete()
	case "up":
		p.input = newInput(m.typed[p.kind])
		m.checkPrompt()
	default:
		if p.input.press(key) {
			m.checkPrompt()
		}
	}
	return nil
}

// accept does what the line says, if nothing is wrong with it.
func (m *model) accept() tea.Cmd {
	p := m.prompt
	if p.err != nil {
		return nil
	}
	line := strings.TrimSpace(p.input.String())
	m.prompt = nil
	if line != "" {
		m.typed[p.kind] = line
	}
	switch {
	case p.kind == kindFilter:
		m.setFilter(line)
	case line == "":
	case p.kind == kindSave:
		return m.save(line)
	default:
		f, err := compileSearch(line)
		if err != nil {
			return nil // checkPrompt has said so
		}
		m.sought, m.soughtBy = fmt.Sprintf("match for %q", line), f
		m.highlight()
		m.search(f, m.sought, !m.window.follow)
	}
	return nil
}

func (m *model) setFilter(line string) {
	f, err := compileLine(line, m.cfg.Compile)
	if err != nil {
		m.message = err.Error()
		return
	}
	c := m.scan.choice
	c.line, c.filter = fullLine(line), f
	m.choose(c)
}

// addField adds a condition on a field to the filter.
func (m *model) addField(condition string) {
	line := m.scan.choice.line
	if line != "" && line[0] != '-' {
		words, err := filterWords(line)
		if err != nil {
			m.message = err.Error()
			return
		}
		line = JoinWords(textsOf(words))
	}
	m.setFilter(strings.TrimSpace(line + " -f " + quoteWord(condition)))
}

// filterFlags are the flags that a filter line takes.
var filterFlags = []string{"--app", "--exclude", "--field", "--grep", "--host", "--level", "--since", "--until", "--where"}

// complete completes the name before the cursor: of a flag, a level, an app or an
// attribute.
func (m *model) complete() {
	p := m.prompt
	if p.kind != kindFilter {
		return
	}
	before := p.input.text[:p.input.at]
	start := len(before)
	for start > 0 && isName(before[start-1]) {
		start--
	}
	part := string(before[start:])
	var fit []string
	for _, name := range m.names(string(before[:start]), part) {
		if strings.HasPrefix(name, part) {
			fit = append(fit, name)
		}
	}
	if len(fit) == 0 {
		p.hint = "nothing to complete here"
		return
	}
	slices.Sort(fit)
	fit = slices.Compact(fit)
	common := fit[0]
	for _, name := range fit {
		for !strings.HasPrefix(name, common) {
			common = common[:len(common)-1]
		}
	}
	text := strings.TrimPrefix(strings.ToValidUTF8(common, ""), part)
	quoted := start > 0 && strings.ContainsRune(`'"`, before[start-1])
	if q := quoteWord(common); q != common && len(fit) == 1 && !quoted {
		p.input.remove(start, p.input.at) // it is a word in quotes alone
		text = q
	}
	p.input.insert(text)
	m.checkPrompt()
	if len(fit) > 1 {
		p.hint = strings.Join(fit, " ")
	}
}

func isName(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("_-.", r)
}

// names returns what may stand behind a part of the line.
func (m *model) names(before, part string) []string {
	words := strings.Fields(strings.TrimRight(before, `'"`))
	last := ""
	if len(words) > 0 {
		last = words[len(words)-1]
	}
	if n := len(words); n > 1 && (last == "==" || last == "!=" || last == "=") {
		last = "--" + strings.Trim(words[n-2], `('"`) // app == "web
	}
	switch {
	case strings.HasPrefix(part, "-"):
		return filterFlags
	case last == "-l" || last == "--level":
		return levelNames[:]
	case last == "--app":
		return m.scan.facts.apps
	}
	return m.attributes()
}

// attributes returns the keys of the rows above the cursor.
func (m *model) attributes() []string {
	names := []string{"level", "msg", "time", "app", "host", "id"}
	const rows = 200
	last := m.scan.index.find(m.window.cursor + 1)
	for i := max(0, last-rows); i < last; i++ {
		row := m.scan.read(m.scan.index.get(i))
		if row == nil || row.Kind != view.Record {
			continue
		}
		for _, f := range fieldsOf(row.Record) {
			names = append(names, strings.Clone(f.key))
		}
	}
	return names
}
