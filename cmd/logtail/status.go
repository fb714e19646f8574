package main

import (
	"context"
	"io"
	"os"
	"time"
	"unicode/utf8"
)

// The status line is at the bottom of a terminal, below the records. Whatever is
// written takes it away first and draws it again; nothing of it is left at the
// end, when logtail is stopped with Ctrl-Z, or when the terminal changes its
// size. A line that wraps is taken away with all its rows.

// statusLine is guarded by the ui's mutex.
type statusLine struct {
	text  string // what is to be seen, empty for nothing
	cells int    // of what is on the terminal
	force bool   // even where stderr is no terminal that can take it back; set before anything is written
}

// status shows how far something has come, on a terminal, in place of what the
// last call showed; an empty text takes it away.
func (u *ui) status(text string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.statusLine.force && (!isTerminal(u.stderr) || dumb()) {
		return
	}
	erase := u.erase()
	u.statusLine.text = visible(text)
	// There is nobody to tell of a failure.
	_, _ = io.WriteString(u.stderr, erase+u.draw())
}

// erase returns what takes the status line from the terminal. The lock is held.
func (u *ui) erase() string {
	cells := u.statusLine.cells
	if cells == 0 {
		return ""
	}
	u.statusLine.cells = 0
	up := ""
	if width := terminalWidth(u.stderr); width > 0 {
		// A terminal that was made narrower since has wrapped the line.
		for range (cells - 1) / width {
			up += "\x1b[A"
		}
	}
	return "\r" + up + "\x1b[J"
}

// draw returns what puts the status line on the terminal. The lock is held.
func (u *ui) draw() string {
	text := u.statusLine.text
	if width := terminalWidth(u.stderr); width > 0 && utf8.RuneCountInString(text) >= width {
		text = string([]rune(text)[:width-1])
	}
	if text == "" {
		return ""
	}
	u.statusLine.cells = utf8.RuneCountInString(text)
	if os.Getenv("NO_COLOR") != "" {
		return text
	}
	return "\x1b[2m" + text + "\x1b[0m"
}

// Write writes records to standard output, above the status line. Where that is no
// terminal, a reader that has stopped holds up nothing else, and no notice.
func (u *ui) Write(p []byte) (int, error) {
	if !isTerminal(u.stdout) && !u.statusLine.force {
		return u.stdout.Write(p)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.statusLine.text == "" {
		return u.stdout.Write(p)
	}
	_, _ = io.WriteString(u.stderr, u.erase())
	n, err := u.stdout.Write(p)
	_, _ = io.WriteString(u.stderr, u.draw())
	return n, err
}

// quiet has the terminal not show what is typed while there is a status line.
func (u *ui) quiet() (restore func()) {
	if f, ok := u.stderr.(*os.File); ok {
		return withoutEcho(f)
	}
	return func() {}
}

// statusEvery is how often the status line is drawn anew.
const statusEvery = 500 * time.Millisecond

// keepStatus shows the line of a state until ctx ends.
func (u *ui) keepStatus(ctx context.Context, s *state) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	stopped, resume := stopSignals()
	go func() {
		defer close(done)
		restore := u.quiet()
		end := func() {
			u.status("")
			restore()
		}
		defer func() {
			end()
			resume(nil)
		}()
		tick := time.NewTicker(statusEvery)
		defer tick.Stop()
		for {
			u.status(s.line(time.Now()))
			select {
			case <-tick.C:
			case sig := <-stopped:
				end()
				resume(sig)
				restore = u.quiet()
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}
