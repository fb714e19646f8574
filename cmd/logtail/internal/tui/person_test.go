package tui

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/slogcast/slogcast/cmd/logtail/internal/view"
	"github.com/slogcast/slogcast/sink"
	"github.com/slogcast/slogcast/sink/filter"
	"github.com/slogcast/slogcast/sink/render"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// person is a model with who presses its keys.
type person struct {
	*model
	t    testing.TB
	ring *view.Ring
	n    int // records that have come
	quit bool
	copy string // what was put on the clipboard
}

// compile knows some flags of a filter line.
func compile(words []string) (*filter.Filter, error) {
	var o filter.Options
	for i := 0; i+1 < len(words); i += 2 {
		switch value := words[i+1]; words[i] {
		case "-l":
			o.Level = value
		case "-g":
			o.Grep = append(o.Grep, value)
		case "-f":
			o.Field = append(o.Field, value)
		case "-w":
			o.Where = append(o.Where, value)
		default:
			return nil, fmt.Errorf("unknown flag %s", words[i])
		}
	}
	return o.Compile()
}

// sit starts a person at a terminal of a size.
func sit(t testing.TB, width, height int, change func(*Config)) *person {
	t.Helper()
	cfg := Config{Ring: view.New(64 << 20), Compile: compile, Render: render.Options{UTC: true, Now: func() time.Time { return noon }}}
	if change != nil {
		change(&cfg)
	}
	m, err := newModel(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	p := &person{model: m, t: t, ring: cfg.Ring}
	p.send(tea.WindowSizeMsg{Width: width, Height: height})
	return p
}

// send hands a message to the model and works until nothing is left to do.
func (p *person) send(msg tea.Msg) {
	_, cmd := p.Update(msg)
	p.run(cmd)
	for p.working {
		p.Update(workMsg{})
	}
}

// run does what commands do, but for those that wait.
func (p *person) run(cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	switch msg := cmd().(type) {
	case tea.BatchMsg:
		for _, c := range msg {
			p.run(c)
		}
	case tea.QuitMsg:
		p.quit = true
	case savedMsg:
		p.send(msg)
	case workMsg, nil:
	default:
		if text := fmt.Sprint(msg); fmt.Sprintf("%T", msg) == "tea.setClipboardMsg" {
			p.copy = text
		}
	}
}

// write has records come: LEVEL message, and more of its JSON.
func (p *person) write(app, level, message, more string) {
	p.n++
	at := noon.Add(time.Duration(p.n) * time.Second)
	body := fmt.Sprintf(`{"time":%q,"level":%q,"msg":%q%s}`, at.Format(time.RFC3339Nano), level, message, more)
	r := sink.ParseLine([]byte(body))
	r.App, r.Received = app, at
	if err := p.ring.Write(context.Background(), []sink.Record{r}); err != nil {
		p.t.Fatal(err)
	}
}

func (p *person) writeMany(n int) {
	levels := []string{"DEBUG", "INFO", "INFO", "WARN", "ERROR"}
	for i := range n {
		p.write([]string{"web", "cron"}[i%2], levels[i%len(levels)], fmt.Sprintf("record %d", p.n), fmt.Sprintf(`,"n":%d`, p.n))
	}
	p.look()
}

// look has the model see what has come.
func (p *person) look() {
	p.bars.stale = true
	p.Update(workMsg{})
	for p.working {
		p.Update(workMsg{})
	}
}

// press presses keys by their names, or types a text that begins with a quote.
func (p *person) press(keys ...string) {
	for _, key := range keys {
		if text, ok := strings.CutPrefix(key, "'"); ok {
			p.send(tea.PasteMsg{Content: text})
			continue
		}
		p.send(keyOf(key))
	}
}

var specialKeys = map[string]rune{
	"enter": tea.KeyEnter, "esc": tea.KeyEscape, "tab": tea.KeyTab, "space": tea.KeySpace, "up": tea.KeyUp, "down": tea.KeyDown,
	"pgup": tea.KeyPgUp, "pgdown": tea.KeyPgDown, "home": tea.KeyHome, "end": tea.KeyEnd, "backspace": tea.KeyBackspace, "left": tea.KeyLeft,
}

func keyOf(name string) tea.KeyPressMsg {
	if rest, ok := strings.CutPrefix(name, "ctrl+"); ok {
		return tea.KeyPressMsg{Code: []rune(rest)[0], Mod: tea.ModCtrl}
	}
	if code, ok := specialKeys[name]; ok {
		if name == "space" {
			return tea.KeyPressMsg{Code: code, Text: " "}
		}
		return tea.KeyPressMsg{Code: code}
	}
	return tea.KeyPressMsg{Code: []rune(name)[0], Text: name}
}

// screen returns what is seen.
func (p *person) screen() string { return p.View().Content }

func (p *person) sees(texts ...string) {
	p.t.Helper()
	screen := ansi.Strip(p.screen())
	for _, text := range texts {
		if !strings.Contains(screen, text) {
			p.t.Errorf("the screen has no %q:\n%s", text, screen)
		}
	}
}

func (p *person) seesNo(text string) {
	p.t.Helper()
	if screen := ansi.Strip(p.screen()); strings.Contains(screen, text) {
		p.t.Errorf("the screen has %q:\n%s", text, screen)
	}
}

// chosen returns the message of the selected record.
func (p *person) chosen() string {
	row := p.selected()
	if row == nil || row.Kind != view.Record {
		return ""
	}
	return row.Record.Message()
}

func (p *person) chose(want string) {
	p.t.Helper()
	if got := p.chosen(); got != want {
		p.t.Errorf("%q is selected, want %q:\n%s", got, want, ansi.Strip(p.screen()))
	}
}
