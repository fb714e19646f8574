package archive

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// Merged is what Merge did.
type Merged struct {
	Read, Written int64 // lines
}

// Merge makes one archive of several of the same logs, in a new folder: every record
// once, in the order of time, and those of each producer in the order of their
// numbers. A record is the same when its id and its body are; one without an id when
// it is the same line of another archive. The folder is there when all of it is.
// Memory is bounded; beside the folder there must be room for twice the lines,
// compressed.
func Merge(ctx context.Context, sources []Source, into string, opts ReadOptions) (done Merged, err error) {
	if opts.OnProblem == nil {
		opts.OnProblem = func(error) {}
	}
	if entries, err := os.ReadDir(into); err == nil && len(entries) > 0 {
		return done, fmt.Errorf("merge into %s: it is there and not empty", into)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return done, fmt.Errorf("merge into %s: %w", into, err)
	}
	into = filepath.Clean(into)
	m := &merger{ctx: ctx, opts: &opts, into: into, work: filepath.Join(filepath.Dir(into), "."+filepath.Base(into)+".merging")}
	defer func() {
		if err != nil {
			err = fmt.Errorf("merge into %s: %w", into, err)
		}
	}()
	if err := m.begin(sources); err != nil {
		return done, err
	}
	defer m.clean()
	err = m.run(sources)
	return m.done, err
}

// merger is one call of Merge. Lines are sorted by their ids, to find the same ones,
// and then by their times.
type merger struct {
	ctx        context.Context
	opts       *ReadOptions
	into, work string
	lock       *flock.Flock
	out        namer // in work
	byTime     *sorter
	done       Merged
	read       int64
	key        []byte // reused

	same sameID // of the lines before
}

// sameID is the state between lines that are sorted by their ids.
type sameID struct {
	id     []byte   // of the line before
	bodies [][]byte // of the lines with this id
	prefix int      // how much of the id is the producer
	time   int64    // the latest of this producer
	source uint32   // of a line without an id
	times  [2]int   // how often that was passed on, and how often it was in source
}

func (m *merger) begin(sources []Source) error {
	if err := os.MkdirAll(m.work, 0o700); err != nil {
		return err
	}
	m.lock = flock.New(filepath.Join(m.work, ".lock"), flock.SetPermissions(0o600))
	if ok, err := m.lock.TryLock(); err != nil || !ok {
		return errors.Join(err, errors.New("another merge into it is at work"))
	}
	// What a merge has left that was killed.
	for _, name := range []string{"ids", "times", "out"} {
		dir := filepath.Join(m.work, name)
		if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700)); err != nil {
			return err
		}
	}
	base := "merged.log"
	if len(sources) > 0 && sources[0].names.stem != "" && sources[0].live {
		base = sources[0].names.base()
	}
	m.out = newNamer(filepath.Join(m.work, "out", base))
	m.byTime = newSorter(filepath.Join(m.work, "times"))
	return nil
}

func (m *merger) clean() {
	_ = os.RemoveAll(m.work)
	_ = m.lock.Unlock()
}

func (m *merger) run(sources []Source) error {
	byID := newSorter(filepath.Join(m.work, "ids"))
	for i, s := range sources {
		if err := m.take(byID, uint32(i), s); err != nil {
			return err
		}
	}
	if err := byID.each(m.unite); err != nil {
		return err
	}
	if err := m.write(); err != nil {
		return err
	}
	if err := errors.Join(syncDir(m.out.dir), ignoreMissing(os.Remove(m.into))); err != nil {
		return err
	}
	if err := os.Rename(m.out.dir, m.into); err != nil {
		return err
	}
	return syncDir(filepath.Dir(m.into))
}

// Kinds of keys, so that lines with an id and others stand apart.
const (
	withoutID = 0
	withID    = 1
)

// take reads one archive.
//
// The key of a line with an id is kind, producer, 0, number, time and source, that of
// another one kind, time, the line and source. Both end in its place in the source.
func (m *merger) take(byID *sorter, source uint32, s Source) error {
	r := &reader{source: s, opts: m.opts}
	defer r.close()
	for n := uint64(0); r.next(true); n++ {
		if n%1024 == 0 && m.ctx.Err() != nil {
			return m.ctx.Err()
		}
		m.done.Read++
		m.read += int64(len(r.text)) + 1
		if m.opts.OnProgress != nil && n%1024 == 0 {
			m.opts.OnProgress(m.read)
		}
		key := m.key[:0]
		if _, producer, seq, ok := findID(r.text); ok {
			key = append(append(append(key, withID), producer...), 0)
			key = binary.BigEndian.AppendUint64(key, seq)
			key = appendTime(key, r.time.UnixNano())
		} else {
			key = appendTime(append(key, withoutID), r.time.UnixNano())
			key = append(key, r.text...)
		}
		key = binary.BigEndian.AppendUint32(key, source)
		key = binary.BigEndian.AppendUint64(key, n)
		m.key = key
		if err := byID.add(key, r.text); err != nil {
			return err
		}
	}
	return m.ctx.Err()
}

// appendTime appends a time so that bytes sort as times do.
func appendTime(key []byte, t int64) []byte {
	return binary.BigEndian.AppendUint64(key, uint64(t)^1<<63)
}

func timeOf(key []byte) int64 { return int64(binary.BigEndian.Uint64(key) ^ 1<<63) }

const placeLen = 4 + 8 // source and place

// unite takes the lines sorted by their ids, and passes on those that are not the
// same as one before.
func (m *merger) unite(key, line []byte) error {
	place := key[len(key)-placeLen:]
	id := key[:len(key)-placeLen]
	if key[0] == withoutID {
		if m.sameLine(id, binary.BigEndian.Uint32(place)) {
			return nil
		}
		return m.pass(timeOf(key[1:]), append([]byte{withoutID}, place...), line)
	}
	id = id[:len(id)-8] // without the time
	time := timeOf(key[len(id):])
	at, _, _, _ := findID(line)
	body := line[:at]
	s := &m.same
	producer := len(id) - 8
	switch {
	case bytes.Equal(s.id, id):
		for _, known := range s.bodies {
			if bytes.Equal(known, body) {
				return nil
			}
		}
	case len(s.id) > producer && s.prefix == producer && bytes.Equal(s.id[:producer], id[:producer]):
		s.bodies = s.bodies[:0]
	default: // the first of a producer
		s.bodies, s.time = s.bodies[:0], time
	}
	s.id, s.prefix = append(s.id[:0], id...), producer
	s.bodies = append(s.bodies, bytes.Clone(body))
	s.time = max(s.time, time) // its own order counts, wherever its clock goes
	return m.pass(s.time, id, line)
}

// sameLine reports whether a line without an id was in another archive as often
// as it is in this one.
func (m *merger) sameLine(id []byte, source uint32) bool {
	s := &m.same
	if !bytes.Equal(s.id, id) {
		s.id, s.source, s.times = append(s.id[:0], id...), source, [2]int{1, 1}
		return false
	}
	if s.source != source {
		s.source, s.times[1] = source, 0
	}
	s.times[1]++
	if s.times[1] <= s.times[0] {
		return true
	}
	s.times[0] = s.times[1]
	return false
}

func (m *merger) pass(time int64, rest, line []byte) error {
	m.key = append(appendTime(m.key[:0], time), rest...)
	return m.byTime.add(m.key, line)
}

// mergedSegment is how large segments become.
const mergedSegment = 1 << 30

// write writes the lines in the order of their times.
func (m *merger) write() error {
	o := &mergedFile{names: m.out}
	err := m.byTime.each(func(key, line []byte) error {
		if m.done.Written%1024 == 0 && m.ctx.Err() != nil {
			return m.ctx.Err()
		}
		m.done.Written++
		return o.write(line, time.Unix(0, timeOf(key)))
	})
	return errors.Join(err, o.finish(false))
}

// mergedFile is the file that Merge writes.
type mergedFile struct {
	names  namer
	file   *os.File // nil until a line is written
	out    *bufio.Writer
	size   int64
	latest time.Time // of its lines
	ended  time.Time // of the last segment
}

func (o *mergedFile) path() string { return filepath.Join(o.names.dir, o.names.base()) }

func (o *mergedFile) write(line []byte, at time.Time) (err error) {
	if o.size > 0 && o.size+int64(len(line)) > mergedSegment {
		if err := o.finish(true); err != nil {
			return err
		}
	}
	if o.file == nil {
		if o.file, err = os.OpenFile(o.path(), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600); err != nil {
			return err
		}
		o.out, o.size = bufio.NewWriterSize(o.file, readSize), 0
	}
	o.latest = at
	o.size += int64(len(line)) + 1
	_, _ = o.out.Write(line) // a bufio.Writer keeps its first error
	return o.out.WriteByte('\n')
}

// finish ends the file, and makes a segment of it if another follows.
func (o *mergedFile) finish(segment bool) error {
	if o.file == nil {
		return nil
	}
	err := errors.Join(o.out.Flush(), o.file.Sync(), o.file.Close())
	o.file = nil
	if err != nil || !segment {
		return err
	}
	end := o.latest.Truncate(time.Millisecond).Add(time.Millisecond)
	if !end.After(o.ended) {
		end = o.ended.Add(time.Millisecond)
	}
	o.ended = end
	return os.Rename(o.path(), o.names.segment(end))
}
