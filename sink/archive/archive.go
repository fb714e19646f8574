// Package archive keeps records in files.
package archive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/slogcast/slogcast/sink"
)

// Options are the settings of an Archive.
type Options struct {
	// OnError is told when the disk takes no records, and again with nil when it
	// does. May be nil.
	OnError func(error)

	// Retry is how long to wait before the disk is tried again. If zero, 1 s.
	Retry time.Duration
}

// Archive is a Writer that appends records to a file, one line each, see
// Record.AppendLine. Write returns after fsync. When the disk is full or fails,
// Archive cuts off what was written in part and tries again until its context
// ends: nothing is lost as long as the broker keeps what is not acknowledged.
type Archive struct {
	path string
	opts Options
	file file   // nil after a failure, until it is opened again
	size int64  // of whole lines, on disk
	buf  []byte // reused

	openFile func(path string) (file, error)
}

// file is what Archive needs of an *os.File.
type file interface {
	io.ReadWriteSeeker
	io.ReaderAt
	io.Closer
	Stat() (os.FileInfo, error)
	Sync() error
	Truncate(size int64) error
}

func openFile(path string) (file, error) {
	return os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE|noFollow, 0o600)
}

// Open opens the file, or creates it for its owner alone to read. A line
// without its end, left by a crash, is ended. The file must be a regular one;
// a symbolic link is refused, since whoever may write to its directory could
// turn it on any file.
func Open(path string, opts Options) (*Archive, error) {
	opts.Retry = cmp.Or(opts.Retry, time.Second)
	if opts.OnError == nil {
		opts.OnError = func(error) {}
	}
	a := &Archive{path: path, opts: opts, openFile: openFile}
	if err := a.open(); err != nil {
		return nil, fmt.Errorf("open archive: %w", err)
	}
	return a, nil
}

func (a *Archive) open() error {
	info, err := os.Lstat(a.path)
	created := errors.Is(err, os.ErrNotExist)
	if err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file; name the file itself", a.path)
	}
	f, err := a.openFile(a.path)
	if err != nil {
		return err
	}
	size, err := endLine(f)
	if err == nil && created {
		err = syncDir(filepath.Dir(a.path))
	}
	if err != nil {
		f.Close()
		return err
	}
	a.file, a.size = f, size
	return nil
}

// endLine ends the last line of f, if it lacks its newline, and returns the
// size of f.
func endLine(f file) (size int64, err error) {
	if size, err = f.Seek(0, io.SeekEnd); err != nil || size == 0 {
		return size, err
	}
	var last [1]byte
	if _, err := f.ReadAt(last[:], size-1); err != nil {
		return size, err
	}
	if last[0] == '\n' {
		return size, nil
	}
	n, err := f.Write([]byte{'\n'})
	return size + int64(n), err
}

// syncDir makes the name of a new file survive a crash.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return ignoreUnsupported(d.Sync())
}

// Write appends the records and returns after fsync.
func (a *Archive) Write(ctx context.Context, records []sink.Record) error {
	a.buf = a.buf[:0]
	for i := range records {
		a.buf = records[i].AppendLine(a.buf)
	}
	failed := false
	for {
		err := a.append(a.buf)
		if err == nil {
			if failed {
				a.opts.OnError(nil)
			}
			return nil
		}
		err = fmt.Errorf("write archive: %w", err)
		if ctx.Err() != nil {
			return err
		}
		if !failed {
			a.opts.OnError(err)
		}
		failed = true
		select {
		case <-time.After(a.opts.Retry):
		case <-ctx.Done():
		}
	}
}

// append writes whole lines, or leaves the file as it was. After a failed fsync
// the kernel may have dropped what it could not write, so that too begins again
// from the last size that was safe.
func (a *Archive) append(lines []byte) error {
	if a.file == nil {
		if err := a.open(); err != nil {
			return err
		}
	}
	_, err := a.file.Write(lines)
	if err == nil {
		err = a.file.Sync()
	}
	if err == nil {
		a.size += int64(len(lines))
		return nil
	}
	// The file is opened again, as it may have been moved away. What was written
	// in part goes; where even that fails, open ends the line.
	if info, statErr := a.file.Stat(); statErr == nil && info.Size() > a.size {
		_ = a.file.Truncate(a.size)
	}
	a.file.Close()
	a.file = nil
	return err
}

// Close closes the file. Everything that Write returned for is on disk already.
func (a *Archive) Close() error {
	if a.file == nil {
		return nil
	}
	if err := a.file.Close(); err != nil {
		return fmt.Errorf("close archive: %w", err)
	}
	return nil
}
