package archive

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"github.com/slogcast/slogcast/sink"
)

// Archive appends records to a file, one line each, see sink.Record.AppendLine.
// It is a sink.Writer and a sink.Committer. Its methods may be called from any goroutine.
type Archive struct {
	path     string
	names    namer
	opts     Options
	openFile func(path string, flag int, mode os.FileMode) (file, error) // immutable
	lock     *flock.Flock
	keeper   *keeper
	stop     chan struct{} // closed by Close
	working  sync.WaitGroup

	mu      sync.Mutex // guards what follows
	file    file       // nil until it is opened again, after a failure say
	old     file       // removed by others, and still to be compared with what took its place
	oldSafe int64      // up to which old was safe
	oldEnd  int64      // of old, and from oldSafe the lines of the group from oldRun
	oldRun  int
	end     int64     // where the next write should land
	mark    []byte    // what is before end, while nothing of the group is in the file
	due     time.Time // when the clock asks for a segment; zero when it does not
	latest  time.Time // end of the newest segment
	group   group
	written *written // nil when nothing can come twice
	failure string   // told to OnError, and not over
	closed  bool
}

// Unwritten is the error of Write, Append and Commit: records that are not in
// the archive. Nothing of them was acknowledged.
type Unwritten struct {
	Records int
	Err     error
}

func (e *Unwritten) Error() string {
	if e.Records == 1 {
		return fmt.Sprintf("write archive: 1 record is not written: %v", e.Err)
	}
	return fmt.Sprintf("write archive: %d records are not written: %v", e.Records, e.Err)
}

func (e *Unwritten) Unwrap() error { return e.Err }

var errClosed = errors.New("the archive is closed")

// Open opens the archive for writing, or creates it for its owner alone to
// read. It reads back what was written last, so that what the broker sends again is
// not written again, and sets a torn last line aside. It fails when another process
// writes to the archive, and when the file is not a regular file of this user with
// one name. A symbolic link is refused, since whoever may write to its directory
// could turn it on any file. The folder must be there.
func Open(path string, opts Options) (*Archive, error) {
	return open(path, opts, openFile)
}

func open(path string, opts Options, openFile func(string, int, os.FileMode) (file, error)) (_ *Archive, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("open archive: %w", err)
		}
	}()
	if opts, err = opts.withDefaults(); err != nil {
		return nil, err
	}
	a := &Archive{path: path, names: newNamer(path), opts: opts, openFile: openFile, stop: make(chan struct{})}
	if err := a.names.check(path); err != nil {
		return nil, err
	}
	if _, err := a.judge(); err != nil {
		return nil, err
	}
	if a.lock, err = takeLock(path, a.names); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			a.closeFile()
			_ = a.lock.Unlock()
		}
	}()
	if err := a.begin(); err != nil {
		return nil, err
	}
	a.keeper = newKeeper(a.names, opts, a.stop)
	a.working.Go(a.keeper.run)
	if opts.RotateEvery > 0 {
		a.working.Go(a.clock)
	}
	return a, nil
}

// begin opens the file and reads what earlier runs have left.
func (a *Archive) begin() error {
	segments, err := a.names.segments()
	if err != nil {
		return err
	}
	if n := len(segments); n > 0 {
		a.latest = segments[n-1].end
	}
	if err := a.openNamed(); isFull(err) { // Append opens it when there is room
		a.notice("%s can't be opened before the disk has room: %v", a.path, err)
	} else if err != nil {
		return err
	}
	if !a.opts.Raw {
		err = a.readBack(segments, maxWritten)
	}
	return err
}

// Write appends the records and returns when they are safe.
func (a *Archive) Write(ctx context.Context, records []sink.Record) error {
	if err := a.Append(ctx, records); err != nil {
		return err
	}
	return a.Commit(ctx)
}

// Append appends the records. Readers of the file see them, and they are safe
// after Commit. While the disk takes nothing Append waits until ctx ends, tries once
// more, and returns an error, an *Unwritten.
func (a *Archive) Append(ctx context.Context, records []sink.Record) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return &Unwritten{len(records), errClosed}
	}
	err := a.retry(ctx, a.tick)
	for i := 0; err == nil && i < len(records); i++ {
		if err = a.add(ctx, &records[i]); err != nil {
			records = records[i:]
		}
	}
	if err != nil {
		return &Unwritten{a.group.records + len(records), err}
	}
	do := a.flush
	if a.opts.Fsync == FsyncAlways {
		do = a.commit
	}
	if err := a.retry(ctx, do); err != nil {
		return &Unwritten{a.group.records, err}
	}
	return nil
}

// Commit returns when everything that was appended is safe, by the policy of
// Options.Fsync, or fails as Append does.
func (a *Archive) Commit(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.retry(ctx, a.commit); err != nil {
		return &Unwritten{a.group.records, err}
	}
	return nil
}

// retry calls do until it succeeds, or once more after ctx has ended. Others may
// have the lock in between.
func (a *Archive) retry(ctx context.Context, do func() error) error {
	for {
		if a.closed {
			return errClosed
		}
		err := do()
		if err == nil {
			if a.failure != "" {
				a.failure = ""
				a.opts.OnError(nil)
			}
			return nil
		}
		if a.failure != err.Error() {
			a.failure = err.Error()
			a.opts.OnError(fmt.Errorf("write archive: %w", err))
		}
		if ctx.Err() != nil {
			return err
		}
		a.mu.Unlock()
		select {
		case <-time.After(a.opts.Retry):
		case <-ctx.Done():
		}
		a.mu.Lock()
	}
}

// maxGroup is how many bytes are kept to be written again, or one record.
const maxGroup = 4 << 20

// add adds a record to the group. What has no place in the group or in the file any
// more is committed before it.
func (a *Archive) add(ctx context.Context, r *sink.Record) error {
	g := &a.group
	start := len(g.lines)
	g.appendRecord(r, a.opts.Raw)
	line := g.lines[start:]
	if a.written != nil && a.written.has(line) {
		g.lines = g.lines[:start]
		return nil
	}
	full := a.opts.RotateSize > 0 && a.end+int64(len(g.lines)-g.done) > a.opts.RotateSize && a.end+int64(start) > 0
	if !full && (start == 0 || len(g.lines) <= maxGroup) {
		g.records++
		return nil
	}
	g.next = append(g.next[:0], line...)
	g.lines = g.lines[:start]
	do := a.commit
	if full {
		do = func() error { return a.rotate(time.Now()) }
	}
	if err := a.retry(ctx, do); err != nil {
		return err
	}
	g.lines = append(g.lines, g.next...)
	g.records++
	return nil
}

// Last returns the highest sequence number of each producer of which the archive
// had a record when it was opened, among those that were written last: what Tail
// goes on behind.
func (a *Archive) Last() map[string]uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	last := make(map[string]uint64)
	if a.written != nil {
		for producer, of := range a.written.producers {
			last[producer] = of.last
		}
	}
	return last
}

// Reopen makes sure that what is written from now on goes to the file that has
// the archive's name, after another program has moved the old one away.
func (a *Archive) Reopen() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return errClosed
	}
	err := a.commit()
	if err == nil {
		err = a.ready()
	}
	if err != nil {
		return fmt.Errorf("reopen archive: %w", err)
	}
	return nil
}

// Rotate makes a segment of what is in the file. It does nothing when the file is
// empty.
func (a *Archive) Rotate() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return errClosed
	}
	if err := a.rotate(time.Now()); err != nil {
		return fmt.Errorf("rotate archive: %w", err)
	}
	return nil
}

// Close closes the file. It tries once to make safe what was appended and not
// committed, and ends the compression of a segment, which the next Open begins again.
func (a *Archive) Close() error {
	a.mu.Lock()
	if a.closed {
		a.mu.Unlock()
		return nil
	}
	a.closed = true
	err := a.finish()
	close(a.stop)
	a.mu.Unlock()
	a.working.Wait()
	if err := errors.Join(err, a.lock.Unlock()); err != nil {
		return fmt.Errorf("close archive: %w", err)
	}
	return nil
}

// finish commits what is left and says when the file is not what it should be.
func (a *Archive) finish() error {
	if a.group.records > 0 {
		if err := a.commit(); err != nil {
			a.closeFile()
			return &Unwritten{a.group.records, err}
		}
	}
	if a.file == nil {
		return nil
	}
	if f, err := a.fate(); err == nil && f != kept {
		a.tell(f)
	}
	var err error
	if a.opts.Fsync == FsyncRotate {
		err = a.file.Sync()
	}
	return errors.Join(err, a.closeFile())
}

func (a *Archive) closeFile() (err error) {
	if a.file != nil {
		err = a.file.Close()
	}
	if a.old != nil {
		a.old.Close()
	}
	a.file, a.old = nil, nil
	return err
}

func (a *Archive) notice(format string, args ...any) { a.opts.OnNotice(fmt.Sprintf(format, args...)) }
