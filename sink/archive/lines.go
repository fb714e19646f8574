package archive

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"
)

// line is a line of a file, without its end.
type line struct {
	text []byte // valid until the next one is read
	torn bool   // it has no end, or is a part of a line that is too long
}

// lineReader reads a file of an archive line by line, decompressed. It is not
// for concurrent use.
type lineReader struct {
	name    string
	size    int64     // of the file; 0 when unknown, as of a pipe
	file    *os.File  // nil for standard input
	r       io.Reader // decompressed
	release func()

	compressed bool // or in UTF-16: offsets are not those of the file
	growing    bool // a line without its end may get it
	objects    bool // a JSON object over several lines is one: see object

	buf        []byte
	start, end int   // of what is read and not given out
	read       int64 // bytes taken from r, of a plain file its offset
	err        error // of r
}

const (
	readSize = 256 << 10

	// maxLine bounds the memory for a line. A longer one comes in parts.
	maxLine = 64 << 20
)

// maxWindow bounds the memory for decompression: more than any level of zstd
// that is not asked for with --ultra needs.
const maxWindow = 64 << 20

func openSegment(s segment) (*lineReader, error) {
	f, err := os.Open(s.path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s is a folder", s.path)
	}
	var l *lineReader
	if err == nil {
		l, err = newLineReader(s.path, f)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	l.file = f
	if info.Mode().IsRegular() {
		l.size = info.Size()
		_, isSegment := stemOf(filepath.Base(s.path))
		if ext := filepath.Ext(s.path); l.size == 0 && isSegment && (ext == extension[Zstd] || ext == extension[Gzip]) {
			l.err = fmt.Errorf("%s is empty, which no compressed file is", s.path)
		}
	}
	return l, nil
}

// newLineReader tells by the first bytes, not by the name, how r is compressed.
func newLineReader(name string, r io.Reader) (*lineReader, error) {
	l := &lineReader{name: name, buf: make([]byte, readSize), release: func() {}}
	n, err := io.ReadFull(r, l.buf[:4])
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, err
	}
	head := l.buf[:n]
	whole := io.MultiReader(bytes.NewReader(bytes.Clone(head)), r)
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(whole)
		if err != nil {
			l.err = fmt.Errorf("%s can't be read: %w", name, err)
			return l, nil
		}
		l.r, l.compressed = z, true
	case bytes.Equal(head, []byte{0x28, 0xb5, 0x2f, 0xfd}) || n == 4 && head[0]&0xf0 == 0x50 && bytes.Equal(head[1:], []byte{0x2a, 0x4d, 0x18}):
		z, err := zstd.NewReader(whole, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, err
		}
		l.r, l.release, l.compressed = z, z.Close, true
	case bytes.HasPrefix(head, []byte{0xff, 0xfe}), bytes.HasPrefix(head, []byte{0xfe, 0xff}):
		l.r, l.compressed = &utf16Reader{r: bufio.NewReader(whole)}, true
	default:
		l.r, l.end, l.read = r, n, int64(n)
	}
	return l, nil
}

func (l *lineReader) Close() error {
	l.release()
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}

// skipTo goes to the first line that begins after an offset of a plain file.
func (l *lineReader) skipTo(at int64) error {
	from := max(0, at-1)
	if _, err := l.file.Seek(from, io.SeekStart); err != nil {
		return err
	}
	l.start, l.end, l.err, l.read = 0, 0, nil, from
	if at <= 0 {
		return nil
	}
	_, err := l.next()
	if err == io.EOF {
		err = nil
	}
	return err
}

// next returns the next line, io.EOF after the last, and another error where the
// file can't be read any further.
func (l *lineReader) next() (line, error) {
	scanned := 0
	for {
		if i := bytes.IndexByte(l.buf[l.start+scanned:l.end], '\n'); i >= 0 {
			text := l.buf[l.start : l.start+scanned+i]
			if l.objects && opensObject(text) {
				n, wait := l.object(len(text) + 1)
				switch {
				case wait:
					l.err = nil
					return line{}, io.EOF
				case n > 0:
					text = oneLine(l.buf[l.start : l.start+n])
					l.start = min(l.end, l.start+n+1)
					return line{text: text}, nil
				}
				text = l.buf[l.start : l.start+scanned+i] // which more may have been read behind
			}
			l.start += scanned + i + 1
			return line{text: text}, nil
		}
		scanned = l.end - l.start
		if l.err != nil || scanned >= maxLine {
			if scanned == 0 || l.growing && l.err == io.EOF && scanned < maxLine {
				err := l.err
				if l.growing && err == io.EOF {
					l.err = nil
				}
				return line{}, err
			}
			text := l.buf[l.start:l.end]
			l.start = l.end
			return line{text, true}, nil
		}
		l.fill()
	}
}

// fill reads more.
func (l *lineReader) fill() {
	if l.start > 0 {
		l.end = copy(l.buf, l.buf[l.start:l.end])
		l.start = 0
	}
	if l.end == len(l.buf) {
		l.buf = append(l.buf, make([]byte, len(l.buf))...)
	}
	n, err := l.r.Read(l.buf[l.end:])
	l.end += n
	l.read += int64(n)
	switch {
	case errors.Is(err, io.EOF):
		l.err = io.EOF
	case err != nil:
		l.err = fmt.Errorf("%s can be read up to here and no further: %w", l.name, err)
	}
}
