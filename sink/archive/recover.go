package archive

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/slogcast/slogcast/internal/jsontext"
)

// lastLineAt returns where the last line of a file begins, which lacks its end.
func lastLineAt(f io.ReaderAt, size int64) (int64, error) {
	buf := make([]byte, 64<<10)
	for end := size; end > 0; {
		part := buf[:min(int64(len(buf)), end)]
		if _, err := f.ReadAt(part, end-int64(len(part))); err != nil {
			return 0, err
		}
		if i := bytes.LastIndexByte(part, '\n'); i >= 0 {
			return end - int64(len(part)) + int64(i) + 1, nil
		}
		end -= int64(len(part))
	}
	return 0, nil
}

// maxWhole is how long a last line may be that is looked at as a whole.
const maxWhole = 64 << 20

// setTornAside sees to it that the file ends in a whole line, and returns its size
// then. A line that lacks nothing but its end is ended. Half a line, left by a crash, is
// moved to a file of its own.
func (a *Archive) setTornAside(f file, size int64) (end int64, err error) {
	if endsLine(f, size) {
		return size, nil
	}
	at, err := lastLineAt(f, size)
	if err != nil {
		return size, err
	}
	if size-at <= maxWhole {
		line := make([]byte, size-at)
		if _, err := f.ReadAt(line, at); err != nil {
			return size, err
		}
		if jsontext.IsObject(line) {
			if _, err := f.Write([]byte{'\n'}); err != nil {
				return size, err
			}
			a.notice("the last line of %s was whole but for its end, which it has now", a.path)
			return size + 1, nil
		}
	}
	aside, err := moveTail(f, at, size, a.names, a.opts.Mode)
	if err != nil {
		if named, ok := errors.AsType[*fs.PathError](err); ok {
			err = named.Err // its name is another each time
		}
		return size, fmt.Errorf("set half a line at the end of %s aside: %w", a.path, err)
	}
	a.notice("half a line at the end of %s (%d bytes, from a crash most likely) is set aside in %s", a.path, size-at, aside)
	return at, nil
}

// moveTail moves what is in f from an offset up to its size to a file of its
// own, beside it.
func moveTail(f file, at, size int64, names namer, mode os.FileMode) (aside string, err error) {
	var to *os.File
	for t := time.Now(); ; t = t.Add(time.Millisecond) {
		aside = names.torn(t)
		to, err = os.OpenFile(aside, os.O_WRONLY|os.O_CREATE|os.O_EXCL|openFlags, mode)
		if !errors.Is(err, os.ErrExist) {
			break
		}
	}
	if err != nil {
		return "", err
	}
	_, err = io.Copy(to, io.NewSectionReader(f, at, size-at))
	if err = errors.Join(err, to.Sync(), to.Close()); err == nil {
		err = syncDir(names.dir)
	}
	if err != nil {
		return "", errors.Join(err, os.Remove(aside))
	}
	if err := f.Truncate(at); err != nil { // the line stays where it is
		return "", errors.Join(err, os.Remove(aside))
	}
	return aside, f.Sync()
}

// seenUpTo returns up to where in old, of size end, is what fresh has, a copy of it
// that may be edited. It is known when the last line of fresh is in old.
func seenUpTo(old io.ReaderAt, end int64, fresh io.ReaderAt, size int64) (after int64, known bool) {
	const far = 8 << 20
	last := tailOf(fresh, size, 1<<20)
	last = bytes.TrimSuffix(last, []byte{'\n'})
	last = last[bytes.LastIndexByte(last, '\n')+1:]
	if len(last) == 0 {
		return 0, false
	}
	// The rest of the line may have been edited.
	if at, _, _, ok := findID(last); ok {
		last = last[at:]
	}
	tail := tailOf(old, end, far)
	at := bytes.LastIndex(tail, append(bytes.Clone(last), '\n'))
	return end - int64(len(tail)) + int64(at+len(last)) + 1, at >= 0
}

// tailOf returns the last bytes of a file of this size.
func tailOf(f io.ReaderAt, size int64, most int) []byte {
	buf := make([]byte, min(size, int64(most)))
	n, _ := f.ReadAt(buf, size-int64(len(buf)))
	return buf[:n]
}

// written knows the records that were written last, from before this Archive
// was opened: the broker sends some of them again. A record is known by its id and
// its body, so that nobody can hide another's by giving it an id that was seen.
type written struct {
	seed      maphash.Seed
	producers map[string]*writtenOf
	records   int
	fresh     int // records since that were not known
}

// writtenOf are the records of one producer.
type writtenOf struct {
	last uint64               // the highest number
	sums map[uint64]*sumsPart // by number divided by partSize
}

const partSize = 64

// sumsPart are hashes of bodies, none of them 0.
type sumsPart [partSize]uint32

const (
	// maxWritten is how many records are enough. It is more than a broker hands over
	// before it wants acknowledgements.
	maxWritten = 1 << 17

	// maxWrittenBytes bounds what is read for them of one file.
	maxWrittenBytes = 64 << 20

	// maxSince bounds the records that are read back for Options.Since, to about
	// 100 MB of memory.
	maxSince = 1 << 24
)

// readBack reads the last records of the archive, those of its newest segments
// included: enough of them, or all that Options.Since asks for.
func (a *Archive) readBack(segments []segment, enough int) error {
	w := &written{seed: maphash.MakeSeed(), producers: make(map[string]*writtenOf)}
	since := a.opts.Since
	files := append(append([]segment(nil), segments...), segment{path: a.path})
	if a.file == nil {
		if _, err := os.Lstat(a.path); err != nil { // there is no room for it
			files = files[:len(segments)]
		}
	}
	for i := len(files) - 1; i >= 0; i-- {
		s := files[i]
		if w.records >= enough && (since.IsZero() || !s.end.IsZero() && s.end.Add(skew).Before(since)) {
			break
		}
		if w.records >= maxSince {
			a.notice("of what comes again only the last %d records are known: those before are written again", w.records)
			break
		}
		if err := w.read(s, since.IsZero()); err != nil {
			return fmt.Errorf("read back %s: %w", s.path, err)
		}
	}
	if w.records > 0 {
		a.written = w
	}
	return nil
}

// read reads a file, or its end. Of a segment that is damaged it takes what it can.
func (w *written) read(s segment, end bool) error {
	f, err := openSegment(s)
	if err != nil {
		return err
	}
	defer f.Close()
	if s.comp == Plain && end {
		if err := f.skipTo(f.size - maxWrittenBytes); err != nil {
			return err
		}
	}
	for line, err := f.next(); err == nil; line, err = f.next() {
		if at, producer, seq, ok := findID(line.text); ok {
			w.add(producer, seq, w.sum(line.text[:at]))
		}
	}
	return nil
}

func (w *written) sum(body []byte) uint32 { return uint32(maphash.Bytes(w.seed, body)) | 1 }

func (w *written) add(producer []byte, seq uint64, sum uint32) {
	of := w.producers[string(producer)]
	if of == nil {
		of = &writtenOf{sums: make(map[uint64]*sumsPart)}
		w.producers[string(producer)] = of
	}
	part := of.sums[seq/partSize]
	if part == nil {
		part = new(sumsPart)
		of.sums[seq/partSize] = part
	}
	part[seq%partSize] = sum
	of.last = max(of.last, seq)
	w.records++
}

// has reports whether a line, with its end, is that of a known record.
func (w *written) has(line []byte) bool {
	if len(w.producers) == 0 {
		return false
	}
	if w.fresh > 2*max(w.records, maxWritten) {
		clear(w.producers) // whatever was to come again has come
	}
	at, producer, seq, ok := findID(line[:len(line)-1])
	if !ok {
		return false
	}
	if of := w.producers[string(producer)]; of != nil {
		if part := of.sums[seq/partSize]; part != nil && part[seq%partSize] == w.sum(line[:at]) {
			return true
		}
	}
	w.fresh++
	return false
}
