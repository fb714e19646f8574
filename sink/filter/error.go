package filter

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// maxText is how long an expression or a pattern may be, in bytes: what parses
// them recurses.
const maxText = 64 << 10

// Error is a mistake in a filter.
type Error struct {
	Flag    string // its name, as of a flag of logtail: "where"
	Text    string // what was given
	Offset  int    // of the mistake in Text, in bytes
	Problem string
}

// Error returns the problem and, on lines of their own, the part of the text
// where it is, and a mark below its place.
func (e *Error) Error() string {
	const most = 60 // runes before and behind the place
	before, after := e.Text[:e.Offset], e.Text[e.Offset:]
	if i := strings.LastIndexByte(before, '\n'); i >= 0 {
		before = before[i+1:]
	}
	if i := strings.IndexByte(after, '\n'); i >= 0 {
		after = after[:i]
	}
	head, tail := printable(before), printable(after)
	if len(head) > most {
		head = append([]rune("…"), head[len(head)-most:]...)
	}
	if len(tail) > most {
		tail = append(tail[:most:most], '…')
	}
	return fmt.Sprintf("--%s: %s\n  %s%s\n  %s^", e.Flag, e.Problem, string(head), string(tail), strings.Repeat(" ", len(head)))
}

// printable returns the text with a mark for each character that does not stand
// for itself in one cell of a terminal.
func printable(s string) []rune {
	runes := []rune(s)
	for i, c := range runes {
		switch {
		case c == '\t':
			runes[i] = ' '
		case !unicode.IsPrint(c):
			runes[i] = utf8.RuneError
		}
	}
	return runes
}

// mistake returns an Error at an offset that is brought within the text.
func mistake(flag, text string, offset int, format string, args ...any) *Error {
	return &Error{flag, text, max(0, min(offset, len(text))), fmt.Sprintf(format, args...)}
}

// checkLength refuses a text that is too long to look at.
func checkLength(flag, text string) error {
	if len(text) > maxText {
		return mistake(flag, text, maxText, "it is longer than %d KiB", maxText>>10)
	}
	return nil
}

// misplaced says what is wrong with a text that the built-in of the name is to be
// more or less than, if anything.
func misplaced(builtin, text string) string {
	switch builtin {
	case "level":
		if _, ok := rank(text); !ok {
			return fmt.Sprintf("%.40q is no level; want one of %s, or one of them with an offset, as info+2", text, levelNames)
		}
	case "time":
		if literal(text, time.Local).kind == kindText {
			return fmt.Sprintf("%.40q is no time; want a date, 2006-01-02, or one of RFC 3339", text)
		}
	}
	return ""
}
