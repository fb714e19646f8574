package archive

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// file is what Archive needs of an *os.File.
type file interface {
	io.ReadWriteSeeker
	io.ReaderAt
	io.Closer
	Stat() (os.FileInfo, error)
	Sync() error
	Truncate(size int64) error
	Chmod(mode os.FileMode) error
}

func openFile(path string, flag int, mode os.FileMode) (file, error) {
	return os.OpenFile(path, flag|openFlags, mode)
}

// check refuses a path whose other names would be too long.
func (n namer) check(path string) error {
	const longestName = 255 // of most file systems
	if len(n.base())+longest > longestName {
		return fmt.Errorf("the name %.40q… is too long: segments add %d bytes to it, and a name has at most %d", n.base(), longest, longestName)
	}
	if _, err := os.Stat(n.dir); err != nil {
		return &fs.PathError{Op: "open", Path: path, Err: errors.Unwrap(err)}
	}
	if n.base() == "" || n.base() == "." || n.base() == ".." {
		return fmt.Errorf("%s is not a regular file; name the file itself", path)
	}
	return nil
}

// judge reports whether the file is there, and refuses one that is not ours
// alone: records would go to who should not have them, or be changed by them.
func (a *Archive) judge() (there bool, err error) {
	info, err := os.Lstat(a.path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, a.judgeInfo(info)
}

func (a *Archive) judgeInfo(info os.FileInfo) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file; name the file itself", a.path)
	}
	if n := links(info); n > 1 {
		return fmt.Errorf("%s has %d names (hard links): what is written to it would be in all of them; remove the others or name another file", a.path, n)
	}
	if err := foreign(info); err != nil {
		return fmt.Errorf("%s is not safe: %w", a.path, err)
	}
	return nil
}

// openNamed opens the file that has the archive's name, and creates it when there
// is none. Its last line is whole then.
func (a *Archive) openNamed() error {
	there, err := a.judge()
	if err == nil {
		err = a.keepLock()
	}
	if err != nil {
		return err
	}
	flag := os.O_RDWR | os.O_APPEND
	if !there {
		flag |= os.O_CREATE | os.O_EXCL
	}
	f, err := a.openFile(a.path, flag, a.opts.Mode)
	if err != nil {
		return err
	}
	if err := a.adopt(f, !there); err != nil {
		f.Close()
		return err
	}
	a.file = f
	return nil
}

// adopt takes an opened file as it is: who may read it, and where it ends.
func (a *Archive) adopt(f file, created bool) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := a.judgeInfo(info); err != nil {
		return err
	}
	if mode := info.Mode().Perm(); mode&^a.opts.Mode != 0 || created && mode != a.opts.Mode {
		if err := f.Chmod(a.opts.Mode); err != nil {
			return err
		}
		if !created {
			a.notice("%s was open to others (mode %04o); it has mode %04o now", a.path, mode, a.opts.Mode)
		}
	}
	if created {
		if err := syncDir(a.names.dir); err != nil {
			return err
		}
	}
	if a.end, err = a.setTornAside(f, info.Size()); err != nil {
		return err
	}
	a.mark = tailOf(f, a.end, markSize)
	since := time.Now()
	if a.end > 0 {
		since = info.ModTime()
	}
	a.due = a.nextDue(since)
	return nil
}

// markSize is how much of the file's end is known again.
const markSize = 256

// syncDir makes the names in a folder survive a crash.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return ignoreUnsupported(d.Sync())
}

// fate is what became of the file that is open.
type fate int

const (
	kept    fate = iota
	moved        // it has another name
	removed      // it has no name; another file may have its name
	cut          // it is shorter, or holds something else
)

// fate looks at the open file and at the one that has its name.
func (a *Archive) fate() (fate, error) {
	open, err := a.file.Stat()
	if err != nil {
		return kept, err
	}
	named, err := os.Lstat(a.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return kept, err
	}
	switch {
	case err == nil && os.SameFile(open, named):
		g := &a.group
		switch {
		case open.Size() < a.end, !g.isIn(a.file, a.end):
			return cut, nil
		case open.Size() > a.end && g.run == g.done && !holds(a.file, a.end-int64(len(a.mark)), a.mark):
			return cut, nil // and more was written since
		}
		return kept, nil
	case links(open) == 0:
		return removed, nil
	}
	return moved, nil
}

// tell says what others did to the file.
func (a *Archive) tell(f fate) {
	info, err := a.file.Stat()
	if err != nil {
		return
	}
	_, err = os.Lstat(a.path)
	switch {
	case f == moved:
		a.notice("%s was moved away by another program; a new file begins", a.path)
	case f == removed && err == nil:
		a.notice("%s was replaced by another program; what comes is appended to the new file", a.path)
	case f == removed:
		a.notice("%s was removed by another program, with the %d bytes that were in it; a new file begins", a.path, info.Size())
	case f == cut && info.Size() > a.end:
		a.notice("%s was overwritten by another program; what was in it is missing, unless that program has kept it", a.path)
	case f == cut:
		a.notice("%s was cut by another program from %d to %d bytes; what it took of the last moment may be missing", a.path, a.end, info.Size())
	}
}
