package tui

import (
	"context"
	"fmt"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/slogcast/slogcast/cmd/logtail/internal/view"
	"github.com/slogcast/slogcast/sink/filter"
)

// model is all that is on the screen. One goroutine at a time uses it.
type model struct {
	cfg    Config
	ctx    context.Context // of Run
	saving sync.WaitGroup  // what writes files

	scan   scanner
	paint  painter
	window window
	bars   histogram
	kept   *index // of the filter, while it is lifted

	width, height int
	prompt        *prompt // nil when nothing is typed
	panel         *panel  // nil when none is open
	keys          map[string]func(*model) tea.Cmd
	sought        string          // the last text that was searched
	soughtBy      *filter.Filter  // it compiled; nil before the first
	typed         map[kind]string // the last line of each kind of prompt
	message       string          // in place of the status, until the next key
	skipped       uint64          // rows that have left the ring while it stood at them, until the next key
	ended         bool            // the source has no more
	working       bool            // a workMsg is on its way
	stopped       atomic.Bool     // by Ctrl-Z
}

type (
	rowsMsg  struct{}              // the ring has grown
	workMsg  struct{}              // there was more to be done
	tickMsg  struct{}              // time has passed
	endedMsg struct{ err error }   // of the source
	savedMsg struct{ text string } // how it went
)

const (
	rowsEvery = 50 * time.Millisecond  // the screen follows new rows
	tickEvery = 500 * time.Millisecond // numbers are drawn anew
)

func newModel(ctx context.Context, cfg Config) (*model, error) {
	if cfg.Render.Now == nil {
		cfg.Render.Now = time.Now
	}
	m := &model{cfg: cfg, ctx: ctx, typed: make(map[kind]string)}
	m.paint = newPainter(cfg.Render, func() []string { return m.scan.facts.apps })
	first := cfg.Ring.Stats().First
	m.scan = scanner{ring: cfg.Ring, cursor: cfg.Ring.Cursor(first, nil), facts: newFacts(first), onApp: m.paint.reset}
	m.scan.index.restart(first)
	m.window = window{scan: &m.scan, paint: &m.paint, follow: true}
	m.paint.reset()
	m.keys = make(map[string]func(*model) tea.Cmd)
	for _, b := range bindings() {
		for _, key := range b.keys {
			m.keys[key] = b.do
		}
	}
	f, err := compileLine(cfg.Filter, cfg.Compile)
	if err != nil {
		return nil, fmt.Errorf("filter %q: %w", cfg.Filter, err)
	}
	m.scan.choice.line, m.scan.choice.filter = cfg.Filter, f
	m.highlight()
	return m, nil
}

// Init implements tea.Model.
func (m *model) Init() tea.Cmd { return tea.Batch(m.wait(m.cfg.Ring.Stats().First), m.tick()) }

// wait tells of rows from a position on, at most every rowsEvery.
func (m *model) wait(position uint64) tea.Cmd {
	return func() tea.Msg {
		if m.cfg.Ring.Wait(m.ctx, position) != nil {
			return nil
		}
		m.pause(rowsEvery)
		return rowsMsg{}
	}
}

func (m *model) tick() tea.Cmd {
	return func() tea.Msg {
		m.pause(tickEvery)
		return tickMsg{}
	}
}

func (m *model) pause(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-m.ctx.Done():
	}
}

// Update implements tea.Model.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	var cmd tea.Cmd
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.resize(msg.Width, msg.Height)
	case tea.KeyPressMsg:
		m.message, m.skipped = "", 0
		cmd = m.press(msg)
	case tea.PasteMsg:
		if m.prompt != nil {
			m.prompt.input.insert(msg.Content)
			m.checkPrompt()
		}
	case rowsMsg:
		cmd = m.wait(m.cfg.Ring.Stats().Next)
	case tickMsg:
		m.bars.stale = true
		cmd = m.tick()
	case workMsg:
		m.working = false
	case endedMsg:
		m.ended = true
		if msg.err != nil {
			return m, tea.Quit // Run tells it
		}
	case savedMsg:
		m.message = msg.text
	case tea.ResumeMsg:
		m.stopped.Store(false)
	default:
		return m, nil
	}
	return m, tea.Batch(cmd, m.work())
}

// work does a slice of what there is to do, and goes on later with the rest.
func (m *model) work() tea.Cmd {
	at := m.window.cursor
	more := m.scan.work(time.Now)
	if first := m.scan.facts.first; !m.window.follow && at > 0 && at < first && m.scan.index.len() > 0 {
		m.skipped += first - at
	}
	m.window.settle()
	if !more || m.working {
		return nil
	}
	m.working = true
	return func() tea.Msg { return workMsg{} }
}

func (m *model) resize(width, height int) {
	m.width, m.height = width, height
	m.paint.width = max(1, width-1) // behind the mark of the cursor
	m.paint.reset()
	m.layout()
}

// layout gives the window what the other parts leave.
func (m *model) layout() {
	m.window.height = max(1, m.height-m.headHeight()-1)
}

func (m *model) press(key tea.KeyPressMsg) tea.Cmd {
	name := key.String()
	switch {
	case name == "ctrl+c":
		return tea.Quit
	case name == "ctrl+z":
		m.stopped.Store(true)
		return tea.Batch(m.goOn, tea.Suspend)
	case m.prompt != nil:
		return m.pressPrompt(key)
	case m.panel != nil:
		m.pressPanel(name)
		return nil
	}
	if do := m.keys[name]; do != nil {
		return do(m)
	}
	if name != "esc" {
		m.message = fmt.Sprintf("%s does nothing; ? shows the keys", name)
	}
	return nil
}

// goOn wakes Bubble Tea, which waits for SIGCONT after Ctrl-Z, where the system has
// not stopped this process: it does not when there is no shell that could have it
// go on. While it is stopped this does not run either.
func (m *model) goOn() tea.Msg {
	for m.stopped.Load() && m.ctx.Err() == nil {
		m.pause(300 * time.Millisecond)
		wake()
	}
	return nil
}

// choose changes what is shown. What is selected stays, if it is still shown.
func (m *model) choose(c choice) {
	c.lifted, m.kept = false, nil
	m.scan.choose(c, m.window.cursor)
	m.highlight()
	m.bars.stale = true
}

// lift shows all rows around the selected one, or ends that.
func (m *model) lift() {
	s := &m.scan
	switch {
	case s.choice.lifted:
		s.choice.lifted = false
		s.index, m.kept = *m.kept, nil
		// What has left the ring meanwhile goes with the next slice of work.
		m.window.follow = false
	case !s.choice.chooses():
		m.message = "nothing is hidden here"
		return
	default:
		kept := s.index
		m.kept = &kept
		s.index = index{}
		s.choice.lifted = true
		s.choose(s.choice, m.window.cursor)
		m.window.follow = false
	}
	m.paint.reset()
	m.bars.stale = true
}

// highlight has what filter and search match marked.
func (m *model) highlight() {
	var patterns []*regexp.Regexp
	if f := m.scan.choice.filter; f != nil {
		patterns = append(patterns, f.Patterns()...)
	}
	if m.soughtBy != nil {
		patterns = append(patterns, m.soughtBy.Patterns()...)
	}
	m.paint.opts.Highlight = patterns
	m.paint.reset()
}

// selected returns the selected row, nil when there is none.
func (m *model) selected() *view.Row {
	if m.scan.index.len() == 0 {
		return nil
	}
	return m.scan.read(m.window.cursor)
}

// search looks for the next row that the filter passes.
func (m *model) search(f *filter.Filter, what string, forward bool) {
	m.start(what, forward, func(position uint64) bool {
		row := m.scan.read(position)
		return row != nil && row.Kind == view.Record && f.Pass(row.Record)
	})
}

// start looks for the next row of some kind.
func (m *model) start(what string, forward bool, pass func(position uint64) bool) {
	if m.window.follow && forward {
		m.window.settle()
	}
	m.scan.seek = &seek{
		what: what, forward: forward, at: m.window.cursor, pass: pass,
		found: m.window.goTo,
		missed: func() {
			where := "before"
			if forward {
				where = "after"
			}
			m.message = fmt.Sprintf("no %s %s this", what, where)
		},
	}
}
