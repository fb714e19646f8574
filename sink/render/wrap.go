package render

import (
	"bytes"

	"github.com/rivo/uniseg"
)

// narrowest is the least width that lines are fitted into.
const narrowest = 20

// endLine ends the line that begins at start, and fits it into the width. What
// is wrapped is indented to where column is, and marked in a block.
func (t *Terminal) endLine(start, column int, block bool) {
	t.buf = append(t.buf, '\n')
	width := t.opts.Width
	if width <= 0 || len(t.buf)-start <= width {
		return
	}
	width = max(width, narrowest)
	indent := measure(t.buf[start:column])
	if indent > width/2 {
		indent, block = 4, false
	}
	t.line.text = append(t.line.text[:0], t.buf[start:len(t.buf)-1]...)
	t.buf = t.buf[:start]
	if t.opts.Truncate {
		t.appendCut(t.line.text, width)
	} else {
		t.appendWrapped(t.line.text, width, indent, block)
	}
	t.buf = append(t.buf, '\n')
}

// glyph returns the length and the width of what a line begins with: a sequence
// of our own (everything else is safe), or a user-perceived character.
func glyph(line []byte) (size, width int) {
	if line[0] == 0x1b {
		end := bytes.IndexByte(line, 'm')
		if line[1] == ']' {
			end = bytes.Index(line, []byte("\x1b\\")) + 1
		}
		return end + 1, 0
	}
	if line[0] < 0x80 && (len(line) == 1 || line[1] < 0x80) {
		return 1, 1
	}
	cluster, _, width, _ := uniseg.FirstGraphemeCluster(line, -1)
	return len(cluster), width
}

// measure returns the width of a line in columns.
func measure(line []byte) (columns int) {
	for len(line) > 0 {
		n, w := glyph(line)
		columns += w
		line = line[n:]
	}
	return columns
}

// appendWrapped appends the line in parts of at most width columns, divided at
// spaces where that is possible.
func (t *Terminal) appendWrapped(line []byte, width, indent int, block bool) {
	room := width
	for {
		end, next := breakLine(line, room)
		t.buf = append(t.buf, line[:end]...)
		if line = line[next:]; len(line) == 0 {
			return
		}
		t.buf = append(t.buf, '\n')
		if block {
			t.appendMark()
			t.pad(indent - blockIndent - len("| "))
		} else {
			t.pad(indent)
		}
		room = width - indent
	}
}

// breakLine returns where the part of at most room columns at the start of line
// ends, and where the next one begins.
func breakLine(line []byte, room int) (end, next int) {
	columns, space := 0, -1
	for i := 0; i < len(line); {
		n, w := glyph(line[i:])
		switch {
		case line[i] == ' ' && columns > room/2:
			space = i
		case columns+w > room && i > 0 && w > 0 && space >= 0:
			return space, space + 1
		case columns+w > room && i > 0 && w > 0:
			return i, i
		}
		columns += w
		i += n
	}
	return len(line), len(line)
}

// appendCut appends what fits of the line, with a sign when that is not all.
func (t *Terminal) appendCut(line []byte, width int) {
	columns, fits := 0, 0
	for i := 0; i < len(line); {
		n, w := glyph(line[i:])
		if columns+w <= width-1 {
			fits = i + n
		}
		if columns += w; columns > width {
			t.buf = append(t.buf, line[:fits]...)
			if t.opts.Links {
				t.buf = append(t.buf, "\x1b]8;;\x1b\\"...)
			}
			t.close(dim)
			t.buf = append(t.buf, "…"...)
			return
		}
		i += n
	}
	t.buf = append(t.buf, line...)
}
