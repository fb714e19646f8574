package tui

import (
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/slogcast/slogcast/sink/render"
)

// tall is the height from which each level has a row of the histogram. Without
// colours less is enough: nothing else tells the levels apart.
const tall, tallWithoutColor = 30, 20

// levelStyles are those of the levels' bars, as of their names in records.
var levelStyles = [...]string{levelDebug: "2", levelInfo: "36", levelWarn: "33", levelError: "31", levelOther: ""}

// View implements tea.Model.
func (m *model) View() tea.View {
	v := tea.NewView("")
	v.AltScreen = true
	v.WindowTitle = "logtail"
	if m.width < 1 || m.height < 1 {
		return v
	}
	lines := m.head()
	if m.panel != nil {
		lines = append(lines, m.panelLines()...)
	} else {
		lines = append(lines, m.body()...)
	}
	if m.prompt != nil {
		foot, column := m.promptLines()
		lines = append(lines[:max(0, m.height-len(foot))], foot...)
		v.Cursor = tea.NewCursor(column, m.height-len(foot))
	} else {
		lines = append(lines, m.status())
	}
	if len(lines) > m.height {
		lines = lines[len(lines)-m.height:]
	}
	for i, line := range lines {
		lines[i] = ansi.Truncate(line, m.width, "")
	}
	v.SetContent(strings.Join(lines, "\n"))
	return v
}

// headHeight returns the height of the histogram with its legend.
func (m *model) headHeight() int {
	switch {
	case m.bars.hidden || m.height < 8:
		return 0
	case m.height >= tall, m.height >= tallWithoutColor && !m.paint.opts.Color:
		return len(levelNames)
	}
	return 2
}

// labelWidth is the width of a level's label before its bars.
const labelWidth = 15

// head draws the histogram and its legend.
func (m *model) head() []string {
	height := m.headHeight()
	if height == 0 {
		return nil
	}
	now := time.Time{}
	if m.cfg.Live && !m.ended {
		now = m.paint.opts.Now()
	}
	columns := m.width
	if height > 2 {
		columns = max(1, m.width-labelWidth)
	}
	m.bars.count(&m.scan.facts, &m.scan.index, columns, now)
	if height > 2 {
		return m.levelBars()
	}
	return []string{m.legend(), m.mixedBars()}
}

// levelBars is a line for each level.
func (m *model) levelBars() []string {
	var lines []string
	for l := int(levelError); l >= 0; l-- {
		label := fmt.Sprintf("%-*s", labelWidth, fmt.Sprintf("%s%7s", m.levelLabel(level(l)), short(m.bars.total[l])))
		bars := string(m.bars.line(func(bar *[levelNotice]int) int { return bar[l] }))
		lines = append(lines, label+m.paint.style(levelStyles[l], bars))
	}
	return lines
}

// levelLabel is a level with its key, in brackets where it is off.
func (m *model) levelLabel(l level) string {
	text := fmt.Sprintf("%d %s", l+1, levelNames[l])
	if m.scan.choice.levels[l] && !m.scan.choice.lifted {
		return fmt.Sprintf("(%s)", text)
	}
	return fmt.Sprintf("%-7s", text)
}

// legend names the levels, with how many there are of each and how wide a column
// is.
func (m *model) legend() string {
	var parts []string
	for l := range levelNames {
		parts = append(parts, m.paint.style(levelStyles[l], strings.TrimSpace(m.levelLabel(level(l)))+" "+short(m.bars.total[l])))
	}
	text := strings.Join(parts, "  ")
	if ansi.StringWidth(text) > m.width {
		text = ""
		for l, name := range levelNames {
			text += m.paint.style(levelStyles[l], fmt.Sprintf("%s %s", name[:1], short(m.bars.total[l]))) + " "
		}
	}
	scale := m.bars.stepText() + " a column"
	if gap := m.width - ansi.StringWidth(text) - len(scale); gap >= 2 {
		text += strings.Repeat(" ", gap) + m.paint.style("2", scale)
	}
	return text
}

// mixedBars is one line for all levels, each column in the colour of the worst
// one of it.
func (m *model) mixedBars() string {
	var b strings.Builder
	for i, r := range m.bars.line(sum) {
		b.WriteString(m.paint.style(levelStyles[worst(&m.bars.bars[i])], string(r)))
	}
	return b.String()
}

// body draws the rows in the window, with a mark at the selected one.
func (m *model) body() []string {
	lines := make([]string, 0, m.window.height)
	for _, p := range m.window.visible() {
		gutter := " "
		switch {
		case p.row == m.window.cursor:
			gutter = m.paint.style("1;36", "▌")
		case m.kept != nil && m.kept.has(p.row):
			gutter = m.paint.style("36", "·")
		}
		lines = append(lines, gutter+p.text)
	}
	if len(lines) == 0 {
		lines = append(lines, m.paint.style("2", " "+m.nothing()))
	}
	for len(lines) < m.window.height {
		lines = append(lines, "")
	}
	return lines
}

// nothing says why there is no row.
func (m *model) nothing() string {
	switch {
	case len(m.scan.facts.of) > 0 && m.scan.looked() < 100:
		return "looking …"
	case len(m.scan.facts.of) > 0:
		return fmt.Sprintf("none of %d rows is shown: f changes the filter, 1 … 4 the levels, a the apps", len(m.scan.facts.of))
	case m.ended:
		return "there are no records"
	}
	return "waiting for records"
}

// status is the line at the bottom.
func (m *model) status() string {
	left := m.message
	if left == "" {
		left = strings.Join(m.state(), " · ")
	}
	right := "? keys"
	if m.cfg.Status != nil {
		right = m.cfg.Status(m.paint.opts.Now()) + " · ? keys"
	}
	left = " " + render.Safe(left)
	for _, right := range []string{right, "? keys", ""} {
		if gap := m.width - ansi.StringWidth(left) - ansi.StringWidth(right) - 1; gap >= 1 || right == "" {
			left += strings.Repeat(" ", max(0, gap)) + right + " "
			break
		}
	}
	if ansi.StringWidth(left) > m.width {
		left = ansi.Truncate(left, m.width, "…")
	}
	return "\x1b[7m" + left + "\x1b[0m" // no colour, and so for all
}

// state is what is going on, in a few words.
func (m *model) state() []string {
	s, c := &m.scan, &m.scan.choice
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	switch below := m.window.below(); {
	case m.window.follow && m.ended:
		add("all is read")
	case m.window.follow:
		add("following")
	case below > 0:
		add("paused, %s below", short(below))
	default:
		add("paused at the end")
	}
	if m.skipped > 0 {
		add("skipped %s: they left the ring", short(int(m.skipped)))
	}
	switch {
	case s.seek != nil:
		add("searching for %s", strings.TrimPrefix(s.seek.what, "match for "))
	case s.looked() < 100:
		add("looking, %d %%", s.looked())
	}
	if c.lifted {
		add("context: all is shown, c goes back")
		return parts
	}
	if c.line != "" {
		add("filter %s", c.line)
	}
	if len(c.apps) > 0 {
		add("%s", c.appsText())
	}
	return parts
}

// promptLines are the line that is typed and what is to be said of it, and where
// the cursor is.
func (m *model) promptLines() (lines []string, column int) {
	p := m.prompt
	label := p.label()
	part, at, hidden := p.input.show(max(1, m.width-len(label)-1))
	typed := m.paint.style("1", label) + part
	below := m.paint.style("2", p.usage())
	switch {
	case p.hint != "":
		below = render.Safe(p.hint)
	case p.err != nil:
		below = m.paint.style("31", m.errorLine(p, len(label)-hidden))
	}
	return []string{typed, below}, len(label) + at
}

// errorLine puts a mark below the place of an error, with the problem beside it.
func (m *model) errorLine(p *prompt, shift int) string {
	problem := render.Safe(p.err.problem)
	line := p.input.String()
	if p.err.at < 0 || p.err.at > len(line) {
		return problem
	}
	at := ansi.StringWidth(line[:p.err.at]) + shift
	if at < 0 || at >= m.width {
		return problem
	}
	width := ansi.StringWidth(problem)
	if at+2+width > m.width && at > width {
		return strings.Repeat(" ", at-width-1) + problem + " ^"
	}
	return strings.Repeat(" ", at) + "^ " + problem
}

// panelLines draws the list that is open.
func (m *model) panelLines() []string {
	p := m.panel
	height := m.window.height
	room := max(1, height-1)
	p.top = min(max(p.top, p.at-room+1), p.at)
	lines := []string{m.paint.style("1", p.title)}
	for i := p.top; i < len(p.items) && len(lines) < height; i++ {
		text := p.items[i].text
		if p.items[i].box {
			box := "[ ] "
			if p.items[i].on {
				box = "[x] "
			}
			text = box + text
		}
		gutter := " "
		if i == p.at {
			gutter = m.paint.style("1;36", "▌")
		}
		lines = append(lines, gutter+text)
	}
	for len(lines) < height {
		lines = append(lines, "")
	}
	return lines
}
