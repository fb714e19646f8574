package tui

import (
	"bufio"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/slogcast/slogcast/cmd/logtail/internal/view"
	"github.com/slogcast/slogcast/sink/render"
)

// maxCopy bounds what is handed to the terminal's clipboard. Many take 100,000
// bytes of base64 and nothing when there are more.
const maxCopy = 74_000

// copyRecord puts the selected record on the clipboard, by OSC 52.
func (m *model) copyRecord(whole bool) tea.Cmd {
	row := m.selected()
	if row == nil {
		return nil
	}
	text := ""
	switch {
	case row.Kind != view.Record:
		text = render.Safe(row.Text)
	case whole:
		text = strings.TrimSuffix(string(row.Record.AppendLine(nil)), "\n")
	default:
		opts := m.paint.opts
		opts.Color, opts.Width = false, 0
		text = strings.Join(m.paint.written(render.New(&m.paint.out, opts), row.Record), "\n")
	}
	if len(text) > maxCopy {
		m.message = fmt.Sprintf("%d bytes are too many for the terminal's clipboard; s saves them", len(text))
		return nil
	}
	m.message = fmt.Sprintf("copied %d characters, where the terminal allows it (OSC 52)", ansi.StringWidth(text))
	return tea.SetClipboard(text)
}

// saveName is a new file's.
func (m *model) saveName() string {
	return "logtail-" + m.paint.opts.Now().Format("20060102-150405") + ".log"
}

// save writes what is shown to a new file, as lines of an archive.
func (m *model) save(path string) tea.Cmd {
	c := m.scan.choice
	c.apps = maps.Clone(c.apps)
	m.message = "saving …"
	m.saving.Add(1)
	return func() tea.Msg {
		defer m.saving.Done()
		n, err := writeFile(m.cfg.Ring, &c, path)
		if n == 0 && err != nil {
			return savedMsg{fmt.Sprintf("not saved: %v", err)}
		}
		if err != nil {
			return savedMsg{fmt.Sprintf("saved %d records, then: %v", n, err)}
		}
		return savedMsg{fmt.Sprintf("saved %d records to %s", n, path)}
	}
}

// writeFile writes the records that are chosen to a file that must not exist yet.
func writeFile(ring *view.Ring, c *choice, path string) (n int, err error) {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		home, err := os.UserHomeDir()
		if err != nil {
			return 0, err
		}
		path = filepath.Join(home, rest)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, err
	}
	defer func() {
		if closeErr := f.Close(); err == nil {
			err = closeErr
		}
	}()
	w := bufio.NewWriterSize(f, 64<<10)
	bounds := ring.Stats()
	cursor := ring.Cursor(bounds.First, nil)
	var line []byte
	for cursor.Pos() < bounds.Next {
		row, ok := cursor.Next()
		if !ok {
			break
		}
		if row.Kind != view.Record || !c.pass(row) {
			continue
		}
		line = row.Record.AppendLine(line[:0])
		if _, err := w.Write(line); err != nil {
			return n, err
		}
		n++
	}
	return n, w.Flush()
}
