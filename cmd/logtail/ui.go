package main

// The rules of what logtail prints:
//
//   - Records, and nothing else, go to standard output.
//   - Everything else goes to standard error, a line each, with "logtail: "
//     before it; no capitals, no full stops. What to do about an error follows
//     on a line of its own.
//   - Colours are for terminals. --color goes first, then NO_COLOR
//     (https://no-color.org), then CLICOLOR_FORCE, which turns them on for what is
//     no terminal (https://bixense.com/clicolors), then TERM=dumb.
//   - What comes from outside, the broker's texts included, is shown without a
//     byte that could control a terminal. Passwords are not shown at all.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"unicode"

	"golang.org/x/term"

	"github.com/slogcast/slogcast/handler"
	"github.com/slogcast/slogcast/sink"
	"github.com/slogcast/slogcast/sink/filter"
)

type ui struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	parsed         bool // the command line was understood, a command runs

	mu         sync.Mutex // guards what follows, and writing: notices come from several goroutines
	statusLine statusLine
}

func newUI(stdin io.Reader, stdout, stderr io.Writer) *ui {
	return &ui{stdin: stdin, stdout: stdout, stderr: stderr}
}

func (u *ui) notice(format string, args ...any) {
	u.line("", fmt.Sprintf(format, args...))
}

func (u *ui) error(err error) {
	problem, hint := err.Error(), ""
	if known, ok := errors.AsType[*sink.Error](err); ok {
		problem, hint = known.Problem, known.Hint
	} else if known, ok := errors.AsType[*handler.Error](err); ok {
		problem, hint = known.Problem, known.Hint
	}
	problem, place, _ := strings.Cut(problem, "\n")
	u.line("error: ", problem)
	if _, ok := errors.AsType[*filter.Error](err); ok {
		for line := range strings.SplitSeq(place, "\n") {
			u.line("", line) // the place of the mistake is marked below it
		}
	}
	if hint != "" {
		u.hint(hint)
	}
}

func (u *ui) hint(text string) { u.line("hint: ", text) }

func (u *ui) line(kind, text string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	// One write: a line is not torn by those of other processes.
	fmt.Fprintf(u.stderr, "%slogtail: %s%s\n%s", u.erase(), kind, visible(withoutPasswords(text)), u.draw())
}

// whileRead returns a context that ends, too, when nobody can read standard
// output any more.
func (u *ui) whileRead(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	if f, ok := u.stdout.(*os.File); ok {
		whenUnread(ctx, f, cancel)
	}
	return ctx, cancel
}

// visible replaces what could control a terminal.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// dumb reports whether the terminal can do nothing but print.
func dumb() bool { return os.Getenv("TERM") == "dumb" }

// useColor decides for standard output by --color and the environment.
func (u *ui) useColor(when string) bool {
	force := os.Getenv("CLICOLOR_FORCE")
	switch {
	case when != "auto":
		return when == "always"
	case os.Getenv("NO_COLOR") != "":
		return false
	case force != "" && force != "0":
		return true
	}
	return !dumb() && isTerminal(u.stdout)
}
