package archive

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/slogcast/slogcast/internal/jsontext"
)

// maxObject bounds how far the end of an object is looked for.
const maxObject = 1 << 20

// opensObject reports whether a line is the first of an object as programs write it
// for people: a brace alone.
func opensObject(text []byte) bool {
	if len(text) == 0 || text[0] != '{' || len(text) > 1 && text[1] > ' ' {
		return false // as most are
	}
	return len(bytes.TrimRight(text, " \t\r")) == 1
}

// object returns the length of the object whose first line, with its end, has from
// bytes, 0 if there is none: each of its lines is indented but for the last one, which
// is a brace. It has to wait if the rest may still be written.
func (l *lineReader) object(from int) (n int, wait bool) {
	for at := from; at < maxObject; {
		rest := l.buf[l.start+at : l.end]
		i := bytes.IndexByte(rest, '\n')
		if i < 0 && l.err == nil {
			l.fill()
			continue
		}
		text := rest
		if i >= 0 {
			text = rest[:i]
		}
		text = bytes.TrimRight(text, " \t\r")
		switch {
		case i < 0 && l.growing && l.err == io.EOF && (len(rest) == 0 || isIndented(rest)):
			return 0, true
		case string(text) == "}":
			if n = at + len(text); jsontext.IsObject(l.buf[l.start : l.start+n]) {
				return at + max(i, len(text)), false
			}
			return 0, false
		case i < 0 || len(text) == 0 || !isIndented(rest):
			return 0, false
		}
		at += i + 1
	}
	return 0, false
}

// oneLine returns an object as one line, as an archive has it, if it is valid UTF-8.
func oneLine(object []byte) []byte {
	if line, exact := jsontext.AppendSafe(nil, object); exact {
		return line
	}
	return object
}

func isIndented(text []byte) bool { return len(text) > 0 && (text[0] == ' ' || text[0] == '\t') }

// utf16Reader reads UTF-16, after its byte order mark, as UTF-8.
type utf16Reader struct {
	r      *bufio.Reader
	order  binary.ByteOrder // nil before the mark
	unit   rune             // read, but not given out; 0 for none
	ready  []byte           // of a character, in memory, that is to be given out
	memory [utf8.UTFMax]byte
	err    error
}

func (u *utf16Reader) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if len(u.ready) > 0 {
			copied := copy(p[n:], u.ready)
			u.ready = u.ready[copied:]
			n += copied
			continue
		}
		r, ok := u.next()
		if !ok {
			break
		}
		if r < utf8.RuneSelf {
			p[n] = byte(r)
			n++
			continue
		}
		u.ready = utf8.AppendRune(u.memory[:0], r)
	}
	if n == 0 && len(p) > 0 {
		return 0, u.err
	}
	return n, nil
}

// next returns the next character.
func (u *utf16Reader) next() (r rune, ok bool) {
	if u.order == nil {
		u.order = binary.BigEndian
		if mark, ok := u.take(); ok && mark != 0xfeff {
			u.order = binary.LittleEndian
		}
	}
	if r = u.unit; r != 0 {
		u.unit = 0
	} else if r, ok = u.take(); !ok {
		return 0, false
	}
	if !utf16.IsSurrogate(r) {
		return r, true
	}
	low, ok := u.take()
	if both := utf16.DecodeRune(r, low); ok && both != utf8.RuneError {
		return both, true
	}
	u.unit = low
	return utf8.RuneError, true
}

// take returns the next unit of 16 bits. A byte alone at the end is left out.
func (u *utf16Reader) take() (unit rune, ok bool) {
	if u.err != nil {
		return 0, false
	}
	var b [2]byte
	if _, err := io.ReadFull(u.r, b[:]); err != nil {
		if u.err = err; err == io.ErrUnexpectedEOF {
			u.err = io.EOF
		}
		return 0, false
	}
	return rune(u.order.Uint16(b[:])), true
}
