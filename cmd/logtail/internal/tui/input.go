package tui

import (
	"slices"
	"strings"
	"unicode"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
)

// input is a line that is being typed.
type input struct {
	text []rune
	at   int // the cursor is before this one
}

// maxInput bounds what is typed or pasted, in characters.
const maxInput = 16 << 10

func newInput(text string) input {
	i := input{}
	i.insert(text)
	return i
}

func (in *input) String() string { return string(in.text) }

// insert puts text at the cursor, without what is no character of a line.
func (in *input) insert(text string) {
	runes := []rune(strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, text))
	runes = runes[:min(len(runes), maxInput-len(in.text))]
	in.text = slices.Insert(in.text, in.at, runes...)
	in.at += len(runes)
}

// press takes a key, and reports whether it knows it.
func (in *input) press(key tea.KeyPressMsg) bool {
	switch key.String() {
	case "left", "ctrl+b":
		in.at = max(0, in.at-1)
	case "right", "ctrl+f":
		in.at = min(len(in.text), in.at+1)
	case "home", "ctrl+a":
		in.at = 0
	case "end", "ctrl+e":
		in.at = len(in.text)
	case "backspace", "ctrl+h":
		in.remove(in.at-1, in.at)
	case "delete", "ctrl+d":
		in.remove(in.at, in.at+1)
	case "ctrl+u":
		in.remove(0, in.at)
	case "ctrl+k":
		in.remove(in.at, len(in.text))
	case "ctrl+w", "alt+backspace":
		in.remove(in.wordStart(), in.at)
	case "alt+b", "ctrl+left", "alt+left":
		in.at = in.wordStart()
	default:
		if key.Text == "" {
			return false
		}
		in.insert(key.Text)
	}
	return true
}

func (in *input) remove(from, to int) {
	from, to = max(0, from), min(len(in.text), to)
	if from < to {
		in.text = slices.Delete(in.text, from, to)
		in.at = from
	}
}

// wordStart returns where the word before the cursor begins.
func (in *input) wordStart() int {
	i := in.at
	for i > 0 && in.text[i-1] == ' ' {
		i--
	}
	for i > 0 && in.text[i-1] != ' ' {
		i--
	}
	return i
}

// show returns the part of the line around the cursor that fits into a width, in
// which column of it the cursor is, and how many columns of the line are left of
// it.
func (in *input) show(width int) (part string, column, hidden int) {
	column = ansi.StringWidth(string(in.text[:in.at]))
	if column >= width {
		hidden = column - width + 1
	}
	line := string(in.text)
	return ansi.Cut(line, hidden, hidden+width), column - hidden, hidden
}
