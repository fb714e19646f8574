package archive

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/slogcast/slogcast/sink"
)

// group is what was appended and is not safe: it is kept, to be written again
// where the file turns out not to have it.
type group struct {
	lines   []byte
	records int
	done    int    // how many bytes of lines are in the file: whole lines
	run     int    // where in lines those begin that are in the file without anything between, up to its end
	next    []byte // reused by add
}

const (
	// maxKept is how much memory a group keeps for the next one.
	maxKept = 2 * maxGroup

	// smallGroup is up to where memory for a group grows as that does. From there on
	// all it may need is taken at once: growing step by step would take it twice.
	smallGroup = 256 << 10
)

func (g *group) appendRecord(r *sink.Record, raw bool) {
	if n := len(g.lines); n > smallGroup && cap(g.lines) < maxGroup {
		g.lines = slices.Grow(g.lines, maxGroup+smallGroup-n)
	}
	if !raw {
		g.lines = r.AppendLine(g.lines)
		return
	}
	start := len(g.lines)
	g.lines = append(append(g.lines, bytes.TrimRight(r.Body, "\r\n")...), '\n')
	for i, c := range g.lines[start : len(g.lines)-1] {
		if c == '\n' || c == '\r' { // a record is a line
			g.lines[start+i] = ' '
		}
	}
}

// clear forgets the first n bytes, whole lines that are safe.
func (g *group) clear(n int) {
	switch {
	case n == len(g.lines):
		g.lines, g.records = g.lines[:0], 0
	default:
		g.records -= bytes.Count(g.lines[:n], []byte{'\n'})
		g.lines = g.lines[:copy(g.lines, g.lines[n:])]
	}
	g.done, g.run = 0, 0
	if len(g.lines) == 0 && cap(g.lines) > maxKept {
		g.lines, g.next = nil, nil
	}
}

// isIn reports whether a file has the end of the group before its offset end, where
// it was written.
func (g *group) isIn(f file, end int64) bool {
	const enough = 4 << 10
	ours := g.lines[g.run:g.done]
	ours = ours[max(0, len(ours)-enough):]
	return holds(f, end-int64(len(ours)), ours)
}

// holds reports whether f has these bytes at an offset.
func holds(f io.ReaderAt, at int64, want []byte) bool {
	if at < 0 {
		return false
	}
	buf := make([]byte, min(len(want), 64<<10))
	for len(want) > 0 {
		part := buf[:min(len(buf), len(want))]
		if _, err := f.ReadAt(part, at); err != nil || !bytes.Equal(part, want[:len(part)]) {
			return false
		}
		want, at = want[len(part):], at+int64(len(part))
	}
	return true
}

// ready sees to it that the file is open, is the one that has the archive's name,
// and ends in whole lines.
func (a *Archive) ready() error {
	if a.file != nil {
		f, err := a.fate()
		if err != nil {
			return err
		}
		if f == kept {
			return a.endForeign()
		}
		if err := a.leave(f); err != nil {
			return err
		}
	}
	if err := a.openNamed(); err != nil {
		return err
	}
	if a.old != nil {
		a.catchUp()
	}
	return nil
}

// endForeign ends a line that another program has begun: ours must not be part
// of it.
func (a *Archive) endForeign() error {
	info, err := a.file.Stat()
	if err != nil || info.Size() == a.end || endsLine(a.file, info.Size()) {
		return err
	}
	_, err = a.file.Write([]byte{'\n'})
	return err
}

// endsLine reports whether the file ends a line at this size.
func endsLine(f io.ReaderAt, size int64) bool { return size == 0 || holds(f, size-1, []byte{'\n'}) }

// leave gives up the open file after what became of it, and with what is not safe in it
// the group begins again.
func (a *Archive) leave(f fate) error {
	a.tell(f)
	g := &a.group
	start := a.end - int64(g.done-g.run) // of what can be taken back
	switch f {
	case moved:
		if g.done > 0 && a.opts.Fsync >= FsyncAlways {
			if err := a.file.Sync(); err != nil {
				g.done = 0 // it goes to the new file
			}
		}
		g.clear(g.done)
	case removed:
		a.old, a.oldSafe, a.oldEnd, a.oldRun, a.file = a.file, start, a.end, g.run, nil
	case cut:
		info, err := a.file.Stat()
		switch {
		case err == nil && info.Size() > start && info.Size() <= a.end:
			a.takeBack(start, g.lines[g.run:g.run+int(info.Size()-start)])
		case err == nil && g.run == 0:
			g.clear(a.inCopy(start))
		}
	}
	g.done, g.run = 0, 0
	if a.file == nil {
		return nil
	}
	err := a.file.Close()
	a.file = nil
	return err
}

// inCopy returns how much of the group is in a copy that was made before the file
// was cut, as logrotate's copytruncate does: beside it, and with its name in front. There
// it is where it was in the file.
func (a *Archive) inCopy(start int64) (most int) {
	entries, err := os.ReadDir(a.names.dir)
	if err != nil {
		return 0
	}
	for _, e := range entries {
		rest, ok := strings.CutPrefix(e.Name(), a.names.base())
		if ok && rest != "" && e.Type().IsRegular() {
			most = max(most, a.group.wholeIn(filepath.Join(a.names.dir, e.Name()), start))
		}
	}
	return most
}

// wholeIn returns how many bytes of the group, whole lines, are safe in another file
// at an offset.
func (g *group) wholeIn(path string, at int64) int {
	f, err := os.OpenFile(path, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return 0
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() <= at {
		return 0
	}
	ours := g.lines[:min(int64(g.done), info.Size()-at)]
	ours = ours[:bytes.LastIndexByte(ours, '\n')+1]
	if !holds(f, at, ours) || f.Sync() != nil {
		return 0
	}
	return len(ours)
}

// catchUp appends what another program missed when it made a new file of the old
// one, as sed -i does: the records that came after it had read the last one.
func (a *Archive) catchUp() {
	old := a.old
	defer old.Close()
	a.old = nil
	g := &a.group
	after, known := seenUpTo(old, a.oldEnd, a.file, a.end)
	switch {
	case !known && a.oldEnd > 0 && a.end > 0:
		a.notice("what was written to %s in the moment before may be missing", a.path)
	case known && after > a.oldSafe: // of the group, too
		g.done = a.oldRun + int(after-a.oldSafe)
		g.run = g.done
	case known && after < a.oldSafe:
		lines := make([]byte, a.oldSafe-after)
		if _, err := old.ReadAt(lines, after); err != nil {
			a.notice("what was written to %s in the moment before is missing: %v", a.path, err)
			return
		}
		n := bytes.Count(lines, []byte{'\n'})
		a.notice("%d records that %s has missed are appended to it", n, a.path)
		g.lines = append(lines, g.lines...)
		g.records += n
	}
}

// flush writes the lines that are not in the file. Where the disk takes only a
// part, no half line stays.
func (a *Archive) flush() error {
	g := &a.group
	for len(g.lines) > g.done {
		if err := a.ready(); err != nil {
			return err
		}
		// ready may have put lines in front.
		chunk := g.lines[g.done:]
		n, err := a.file.Write(chunk)
		end, seekErr := a.file.Seek(0, io.SeekCurrent)
		if seekErr != nil {
			return a.giveUp(seekErr)
		}
		at := end - int64(n)
		a.end, end = end, a.end
		switch {
		case at < end: // cut since ready looked
			a.takeBack(at, chunk[:n])
			g.done, g.run = 0, 0
			continue
		case at > end:
			g.run, a.mark = g.done, nil
			if !endsLine(a.file, at) { // appended to half a line of another program
				g.run = g.done + n
				continue
			}
		}
		whole := n
		if err != nil {
			whole = bytes.LastIndexByte(chunk[:n], '\n') + 1
			g.done += whole
			if whole < n && !a.takeBack(at+int64(whole), chunk[whole:n]) {
				return a.giveUp(err)
			}
			if isFull(err) && a.keeper.makeRoom() {
				continue
			}
			return err
		}
		g.done += whole
	}
	return nil
}

// takeBack cuts the file at an offset, if what is there is ours and nothing
// follows it.
func (a *Archive) takeBack(at int64, ours []byte) bool {
	info, err := a.file.Stat()
	if err != nil || info.Size() != at+int64(len(ours)) || !holds(a.file, at, ours) || a.file.Truncate(at) != nil {
		return false
	}
	a.end, a.mark = at, nil
	return true
}

// giveUp closes the file after a failure; ready opens it again.
func (a *Archive) giveUp(err error) error {
	a.closeFile()
	a.group.run = a.group.done
	return err
}

// commit makes the group safe.
func (a *Archive) commit() error {
	g := &a.group
	const attempts = 3 // of others to change the file meanwhile
	for range attempts {
		if err := a.flush(); err != nil {
			return err
		}
		if len(g.lines) == 0 {
			return nil
		}
		if a.opts.Fsync >= FsyncAlways {
			if err := a.file.Sync(); err != nil {
				return a.unsafe(err)
			}
		}
		f, err := a.fate()
		if err != nil {
			return err
		}
		if f == kept {
			a.mark = append(a.mark[:0], g.lines[max(g.run, len(g.lines)-markSize):]...)
			g.clear(len(g.lines))
			return nil
		}
		if err := a.leave(f); err != nil {
			return err
		}
	}
	return errors.New("other programs change the file all the time")
}

// unsafe begins again with the group after a failed fsync: the kernel may have
// dropped what it could not write, and would not tell again.
func (a *Archive) unsafe(err error) error {
	g := &a.group
	a.takeBack(a.end-int64(g.done-g.run), g.lines[g.run:g.done])
	a.closeFile()
	g.done, g.run = 0, 0
	if isFull(err) { // some file systems find out late
		a.keeper.makeRoom()
	}
	return fmt.Errorf("fsync: %w", err)
}
