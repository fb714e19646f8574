package tui

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/slogcast/slogcast/cmd/logtail/internal/view"
	"github.com/slogcast/slogcast/sink"
	"github.com/slogcast/slogcast/sink/render"
)

// painter makes lines of rows, as logtail shows them, and keeps those that it has
// made until the way of showing them changes.
type painter struct {
	opts     render.Options  // but for the width
	width    int             // of the lines
	day      int             // that the times without a date are of
	apps     func() []string // that rows may be of
	expanded map[uint64]bool

	terminal *render.Terminal // nil when it is to be made again
	whole    *render.Terminal // a record as JSON
	out      bytes.Buffer     // of both
	lines    map[uint64][]string
	painted  int // rows, since the terminal was last told of the apps
}

const (
	maxKept  = 4096 // rows whose lines are kept
	maxLines = 1000 // of a row; more of it can be saved

	tellEvery = 256 // rows, before the terminal forgets apps
)

func newPainter(opts render.Options, apps func() []string) painter {
	opts.Format, opts.Fold, opts.Links, opts.Truncate = render.Pretty, false, false, true
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return painter{opts: opts, apps: apps, expanded: make(map[uint64]bool)}
}

// reset forgets all lines, after a change of the options, say.
func (p *painter) reset() {
	p.terminal = nil
	p.lines = make(map[uint64][]string)
}

// prepare makes sure of the terminal. A new day makes a new one, as old lines are
// then to have a date.
func (p *painter) prepare() {
	day := p.opts.Now().YearDay()
	if p.terminal != nil && day == p.day {
		return
	}
	p.reset()
	p.day = day
	opts := p.opts
	opts.Width = p.width
	p.terminal = render.New(&p.out, opts)
	p.whole = render.New(&p.out, render.Options{Format: render.JSON})
	p.tellApps()
}

// tellApps makes all apps known to the terminal, so that its column for them is
// as wide, and their colours are the same, whichever row is painted first.
func (p *painter) tellApps() {
	p.painted = 0
	apps := p.apps()
	records := make([]sink.Record, min(len(apps), tellEvery))
	for i := range records {
		records[i] = sink.ParseLine([]byte("{}"))
		records[i].App = apps[i]
	}
	_ = p.terminal.Write(context.Background(), records) // a buffer takes all
}

// of returns the lines of a row, at least one. row is called where they are not
// at hand; it returns nil for one that is gone.
func (p *painter) of(position uint64, row func(uint64) *view.Row) []string {
	p.prepare()
	if lines, ok := p.lines[position]; ok {
		return lines
	}
	if len(p.lines) >= maxKept {
		clear(p.lines)
	}
	if p.painted++; p.painted >= tellEvery {
		p.tellApps()
	}
	lines := p.paint(row(position), p.expanded[position])
	p.lines[position] = lines
	return lines
}

func (p *painter) paint(row *view.Row, expanded bool) []string {
	switch {
	case row == nil:
		return []string{p.style("2", "…")}
	case row.Kind != view.Record:
		return p.notice(row)
	}
	lines := p.written(p.terminal, row.Record)
	if expanded {
		lines = append(lines, p.expand(row.Record)...)
	}
	if n := len(lines); n > maxLines {
		lines = append(lines[:maxLines:maxLines], p.style("2", fmt.Sprintf("  … %d more lines", n-maxLines)))
	}
	for i, line := range lines {
		if len(line) > p.width { // the terminal may be narrower than render goes
			lines[i] = ansi.Truncate(line, p.width, "")
		}
	}
	return lines
}

// written returns what a terminal writes of a record, as lines.
func (p *painter) written(t *render.Terminal, r *sink.Record) []string {
	p.out.Reset()
	_ = t.Write(context.Background(), []sink.Record{*r}) // a buffer takes all
	return strings.Split(strings.TrimSuffix(p.out.String(), "\n"), "\n")
}

// expand returns the record's whole JSON.
func (p *painter) expand(r *sink.Record) []string {
	var indented bytes.Buffer
	if err := json.Indent(&indented, []byte(p.written(p.whole, r)[0]), "  ", "  "); err != nil {
		return nil // it is valid JSON
	}
	room := max(1, p.width)
	var lines []string
	for line := range strings.SplitSeq("  "+indented.String(), "\n") {
		if len(lines) > maxLines {
			break
		}
		for part := range strings.SplitSeq(ansi.Hardwrap(line, room, true), "\n") {
			lines = append(lines, p.style("36", part))
		}
	}
	return lines
}

// notice returns the lines of a row that is no record.
func (p *painter) notice(row *view.Row) []string {
	sgr := "2"
	if row.Kind == view.Gap || row.Kind == view.Lost {
		sgr = "33"
	}
	at, layout := row.Time.Local(), "15:04:05.000"
	if p.opts.UTC {
		at = at.UTC()
	}
	if now := p.opts.Now(); now.Sub(at) > 12*time.Hour {
		layout = "2006-01-02 " + layout
	}
	text := fmt.Sprintf("── %s %s ──", at.Format(layout), render.Safe(row.Text))
	var lines []string
	for line := range strings.SplitSeq(ansi.Wrap(text, max(1, p.width), " "), "\n") {
		lines = append(lines, p.style(sgr, line))
	}
	return lines
}

// style returns text in a style, where there are colours.
func (p *painter) style(sgr, text string) string {
	if !p.opts.Color || text == "" {
		return text
	}
	return "\x1b[" + sgr + "m" + text + "\x1b[0m"
}
