package archive

import (
	"bytes"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/slogcast/slogcast/sink"
)

// ReadOptions say what is read of archives.
type ReadOptions struct {
	// Since and Until bound the times of the records, Until itself excluded. If zero,
	// they bound nothing. Segments are passed over by their names: records that came
	// to the archive more than an hour after they were made may be missed by Until.
	Since, Until time.Time

	// Follow goes on, when all is read, with what is appended, until ctx ends.
	Follow bool

	// Skip reports that a line is not of interest, before anything is made of it.
	// May be nil.
	Skip func(line []byte) bool

	// Input is standard input.
	Input io.Reader

	// OnProblem is told of what can't be read. Reading goes on behind it. May be nil.
	OnProblem func(error)

	// OnProgress is told now and then how many bytes of the files have been read.
	// May be nil.
	OnProgress func(read int64)
}

// skew is how far a record's time may be before that of an older one in the
// archive, and late how much later than its time it may have come there.
const (
	skew = 10 * time.Minute
	late = time.Hour
)

// reader reads one archive.
type reader struct {
	source Source
	opts   *ReadOptions
	at     int         // of source.files
	lines  *lineReader // of the file before at, nil between files
	input  bool        // standard input is read
	ended  time.Time   // of the file that was being written when it was read, if it is a segment now

	record sink.Record
	text   []byte // the line that record is of
	time   time.Time
}

// Read hands the records of archives to w, in the order in which each archive has
// them, and several archives merged by the records' times. Lines that are torn or of
// other programs are records, too. It returns when all are read, when ctx ends, or
// with the error of w.
func Read(ctx context.Context, sources []Source, opts ReadOptions, w sink.Writer) error {
	if opts.OnProblem == nil {
		opts.OnProblem = func(error) {}
	}
	readers := make([]*reader, 0, len(sources))
	for _, s := range sources {
		readers = append(readers, &reader{source: s, opts: &opts})
	}
	defer func() {
		for _, r := range readers {
			r.close()
		}
	}()
	out := &batcher{ctx: ctx, w: w, opts: &opts}
	err := merge(ctx, readers, out.add)
	if err == nil {
		err = out.flush()
	}
	if err == nil && opts.Follow {
		err = follow(ctx, readers, out)
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

// batcher hands records over, some at a time.
type batcher struct {
	ctx     context.Context
	w       sink.Writer
	opts    *ReadOptions
	records []sink.Record
	bodies  []byte // of records
	read    int64
	skipped int64 // bytes that are not in read yet
}

const (
	batchRecords = 512
	batchBytes   = 256 << 10
	skippedBytes = 8 << 20 // between which records are not held back
)

// add adds the record that r is at, if it is of interest.
func (b *batcher) add(r *reader) error {
	if b.opts.Skip != nil && b.opts.Skip(r.text) {
		if b.skipped += int64(len(r.text)); b.skipped < skippedBytes {
			return nil
		}
		return b.flush()
	}
	if len(b.bodies)+len(r.text) > cap(b.bodies) {
		if err := b.flush(); err != nil {
			return err
		}
		if n := max(batchBytes, len(r.text)); n > cap(b.bodies) {
			b.bodies = make([]byte, 0, n)
		}
	}
	start := len(b.bodies)
	b.bodies = append(b.bodies, r.text...)
	if len(b.records) < cap(b.records) {
		b.records = b.records[:len(b.records)+1]
	} else {
		b.records = append(b.records, sink.Record{})
	}
	b.records[len(b.records)-1].SetLine(b.bodies[start:])
	if len(b.records) >= batchRecords {
		return b.flush()
	}
	return nil
}

func (b *batcher) flush() error {
	if len(b.records) == 0 && b.skipped == 0 {
		return nil
	}
	var err error
	if len(b.records) > 0 {
		err = b.w.Write(b.ctx, b.records)
	}
	b.read += int64(len(b.bodies)) + b.skipped
	b.skipped = 0
	if b.opts.OnProgress != nil {
		b.opts.OnProgress(b.read)
	}
	b.records, b.bodies = b.records[:0], b.bodies[:0]
	return err
}

// merge calls take with each reader at its next record, the earliest first.
func merge(ctx context.Context, readers []*reader, take func(*reader) error) error {
	var h byTime
	for _, r := range readers {
		if r.next(len(readers) > 1) {
			h = append(h, r)
		}
	}
	heap.Init(&h)
	for n := 0; len(h) > 0; n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err := take(h[0]); err != nil {
			return err
		}
		if h[0].next(len(h) > 1) {
			heap.Fix(&h, 0)
		} else {
			heap.Pop(&h)
		}
	}
	return nil
}

// byTime is a heap of readers, the one with the earliest record first.
type byTime []*reader

func (h byTime) Len() int           { return len(h) }
func (h byTime) Less(i, j int) bool { return h[i].time.Before(h[j].time) }
func (h byTime) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *byTime) Push(x any)        { *h = append(*h, x.(*reader)) }
func (h *byTime) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// next goes to the next record that is of interest. Its time is set when it is
// asked for or bounded.
func (r *reader) next(timed bool) bool {
	bounded := !r.opts.Since.IsZero() || !r.opts.Until.IsZero()
	for {
		if r.lines == nil && !r.open() {
			return false
		}
		line, err := r.lines.next()
		if err != nil {
			if err == io.EOF && r.lines.growing {
				return false
			}
			if err != io.EOF {
				r.opts.OnProblem(err)
			}
			r.closeFile()
			continue
		}
		if len(bytes.TrimSpace(line.text)) == 0 {
			continue
		}
		r.text = line.text
		if !timed && !bounded {
			return true
		}
		known := r.setTime()
		if bounded && known && (!r.opts.Since.IsZero() && r.time.Before(r.opts.Since) || !r.opts.Until.IsZero() && !r.time.Before(r.opts.Until)) {
			continue
		}
		return true
	}
}

// setTime reads the time of the line. One that has none is as old as the one
// before.
func (r *reader) setTime() (known bool) {
	t, ok := lineTime(&r.record, r.text)
	if ok {
		r.time = t
	}
	return ok
}

// lineTime returns the time of a line.
func lineTime(r *sink.Record, line []byte) (time.Time, bool) {
	// What slog.JSONHandler writes, in a tenth of the time.
	if rest, ok := bytes.CutPrefix(line, []byte(`{"time":"`)); ok {
		if end := bytes.IndexByte(rest[:min(len(rest), 64)], '"'); end > 0 {
			if t, err := time.Parse(time.RFC3339Nano, string(rest[:end])); err == nil {
				return t, true
			}
		}
	}
	setCopy(r, line)
	t, own := r.Time()
	return t, own || !t.IsZero()
}

// setCopy makes r the record of a line that is still needed as it is, which SetLine may
// change. r is always set so: the memory of the last copy is used again.
func setCopy(r *sink.Record, line []byte) { r.SetLine(append(r.Body[:0], line...)) }

// open opens the next file that can have records of interest.
func (r *reader) open() bool {
	if r.source.files == nil && r.opts.Input != nil && !r.input {
		r.input = true
		lines, err := newLineReader(r.source.Name, r.opts.Input)
		if err != nil {
			r.opts.OnProblem(err)
			return false
		}
		lines.objects = true
		r.lines = lines
		return true
	}
	for r.at < len(r.source.files) {
		s := r.source.files[r.at]
		var begin time.Time
		if r.at > 0 {
			begin = r.source.files[r.at-1].end
		}
		r.at++
		if r.passesOver(begin, s) {
			continue
		}
		lines, err := openSegment(s)
		if errors.Is(err, fs.ErrNotExist) {
			lines, err = r.openCompressed(s, err)
		}
		if s.end.IsZero() && r.source.live && r.insertNew() {
			if err == nil {
				lines.Close()
			}
			continue
		}
		if err == nil {
			err = r.search(lines)
		}
		if err != nil {
			r.opts.OnProblem(err)
			continue
		}
		lines.objects = true
		lines.growing = r.opts.Follow && r.source.live && s.end.IsZero() && !lines.compressed
		r.lines = lines
		return true
	}
	return false
}

// insertNew puts the segments that were made since the archive was found before the
// file that is being written. It reports whether there are any.
func (r *reader) insertNew() bool {
	segments, err := r.source.names.segments()
	if err != nil {
		return false
	}
	known := r.latest()
	i := slices.IndexFunc(segments, func(s segment) bool { return s.end.After(known) })
	if i < 0 {
		return false
	}
	r.at--
	r.source.files = slices.Insert(slices.Clone(r.source.files), r.at, segments[i:]...)
	return true
}

// openCompressed opens a segment that was compressed since it was found.
func (r *reader) openCompressed(s segment, err error) (*lineReader, error) {
	for _, comp := range []Compression{Zstd, Gzip} {
		packed := segment{path: s.path + extension[comp], comp: comp}
		if _, statErr := os.Stat(packed.path); statErr == nil && s.comp == Plain {
			return openSegment(packed)
		}
	}
	return nil, err
}

// passesOver reports whether a segment has nothing of interest by its name, and
// that of the one before, which ends where it begins. The file that is being written
// has no end. The names are of a clock that may have been wrong, or set back.
func (r *reader) passesOver(begin time.Time, s segment) bool {
	const bumped = time.Millisecond // see freeName
	if !r.opts.Since.IsZero() && !s.end.IsZero() && s.end.Add(skew).Before(r.opts.Since) {
		return begin.IsZero() || s.end.Sub(begin) > bumped
	}
	until := r.opts.Until.Add(late)
	return !r.opts.Until.IsZero() && !begin.IsZero() && begin.After(until) && !r.beginsBefore(s, until)
}

// beginsBefore reports whether the first record of a file is from before a time.
func (r *reader) beginsBefore(s segment, t time.Time) bool {
	lines, err := openSegment(s)
	if err != nil {
		return false
	}
	defer lines.Close()
	first, err := lines.next()
	if err != nil {
		return false
	}
	at, known := lineTime(&r.record, first.text)
	return known && at.Before(t)
}

// search goes to where records from Since on begin in a plain file, but for some
// that are older.
func (r *reader) search(lines *lineReader) error {
	overLines := lines.end > 1 && lines.buf[0] == '{' && (lines.buf[1] == '\n' || lines.buf[1] == '\r') // of which none has a time
	if r.opts.Since.IsZero() || lines.compressed || lines.size == 0 || overLines {
		return nil
	}
	const near = 1 << 20 // not worth to be divided
	low, high := int64(0), lines.size
	for high-low > near {
		middle := low + (high-low)/2
		before, err := r.isBefore(lines, middle)
		if err != nil {
			return err
		}
		if before {
			low = middle
		} else {
			high = middle
		}
	}
	return lines.skipTo(low)
}

// isBefore reports whether all records of some bytes at an offset are from long
// before Since.
func (r *reader) isBefore(lines *lineReader, at int64) (bool, error) {
	const look = 64 << 10
	if err := lines.skipTo(at); err != nil {
		return false, err
	}
	before := false
	for seen := 0; seen < look; {
		line, err := lines.next()
		if err != nil {
			break
		}
		seen += len(line.text) + 1
		if t, ok := lineTime(&r.record, line.text); ok {
			if before = t.Add(skew).Before(r.opts.Since); !before {
				return false, nil
			}
		}
	}
	return before, nil
}

func (r *reader) closeFile() {
	if err := r.lines.Close(); err != nil {
		r.opts.OnProblem(fmt.Errorf("close %s: %w", r.lines.name, err))
	}
	r.lines = nil
}

func (r *reader) close() {
	if r.lines != nil {
		r.closeFile()
	}
}
