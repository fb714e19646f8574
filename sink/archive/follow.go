package archive

import (
	"bytes"
	"context"
	"io"
	"os"
	"time"
)

// pollEvery is how often files that are followed are looked at.
const pollEvery = 100 * time.Millisecond

// follow hands over what is appended to the archives until ctx ends.
func follow(ctx context.Context, readers []*reader, out *batcher) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		for _, r := range readers {
			for r.next(false) || r.goOn() {
				if r.text == nil {
					continue // another file is open
				}
				if err := out.add(r); err != nil {
					return err
				}
				r.text = nil
			}
		}
		if err := out.flush(); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// goOn looks whether the file that was read to its end is still the one with the
// archive's name. It reports whether there is another to read.
func (r *reader) goOn() bool {
	r.text = nil
	if !r.source.live {
		return false
	}
	if r.lines == nil {
		return r.refind(nil)
	}
	// In this order: nothing is appended to a file that has lost its name.
	named, namedErr := os.Stat(r.source.Name)
	open, err := r.lines.file.Stat()
	if err != nil {
		return false
	}
	if namedErr == nil && os.SameFile(open, named) {
		if named.Size() < r.lines.read { // it was cut
			return r.lines.skipTo(0) == nil
		}
		return false
	}
	if open.Size() > r.lines.read && r.lines.err == nil {
		return false // there is more of the old one
	}
	return r.refind(open)
}

// refind looks for files that came after the one that was open. It reports whether
// there are any.
func (r *reader) refind(old os.FileInfo) bool {
	fresh, err := findOne(r.source.Name, fileExists(r.source.Name))
	if err != nil {
		return false
	}
	var came []segment
	known := false // which of them was old
	for _, s := range fresh.files {
		if !s.end.IsZero() && !s.end.After(r.latest()) {
			continue
		}
		info, err := os.Stat(s.path)
		if err != nil {
			return false // it is being compressed: look again
		}
		if old != nil && os.SameFile(info, old) {
			came, known, r.ended = nil, true, s.end
			continue
		}
		came = append(came, s)
	}
	if old != nil && !known && len(came) > 0 && !came[0].end.IsZero() {
		// Has old been compressed, or removed, or moved elsewhere?
		if old, err = r.lines.file.Stat(); err == nil && links(old) == 0 && came[0].isCopy(r.lines.file) {
			came, r.ended = came[1:], came[0].end
		}
	}
	if len(came) == 0 {
		return false
	}
	if r.lines != nil {
		r.closeFile()
	}
	r.source.files = append(r.source.files[:r.at:r.at], came...)
	return r.open()
}

// isCopy reports whether the segment is an open file, compressed, by what it begins
// with.
func (s segment) isCopy(f *os.File) bool {
	const enough = 4 << 10
	start := make([]byte, enough)
	n, err := f.ReadAt(start, 0)
	if n == 0 || err != nil && err != io.EOF {
		return false
	}
	l, err := openSegment(s)
	if err != nil {
		return false
	}
	defer l.Close()
	if l.err != nil || !l.compressed {
		return false
	}
	other := make([]byte, n)
	_, err = io.ReadFull(l.r, other)
	return err == nil && bytes.Equal(start[:n], other)
}

// latest returns the end of the last segment that was read.
func (r *reader) latest() time.Time {
	end := r.ended
	for _, s := range r.source.files[:r.at] {
		if s.end.After(end) {
			end = s.end
		}
	}
	return end
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
