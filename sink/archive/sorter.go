package archive

import (
	"bufio"
	"bytes"
	"cmp"
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/klauspost/compress/zstd"
)

// sorter sorts lines by their keys in bounded memory: what does not fit goes to
// files of a folder, compressed.
type sorter struct {
	dir   string
	limit int // bytes in memory
	files []string

	data  []byte // keys and lines, one after the other
	items []item
}

// item is a line in sorter.data.
type item struct{ at, key, line int } // where it begins, and the lengths

const sortMemory = 64 << 20

func newSorter(dir string) *sorter { return &sorter{dir: dir, limit: sortMemory} }

// add adds a line. Of equal keys the first added comes first.
func (s *sorter) add(key, line []byte) error {
	const perItem = 24
	if len(s.data)+len(key)+len(line)+len(s.items)*perItem > s.limit && len(s.items) > 0 {
		if err := s.spill(); err != nil {
			return err
		}
	}
	s.items = append(s.items, item{len(s.data), len(key), len(line)})
	s.data = append(append(s.data, key...), line...)
	return nil
}

func (s *sorter) key(i item) []byte  { return s.data[i.at : i.at+i.key] }
func (s *sorter) line(i item) []byte { return s.data[i.at+i.key : i.at+i.key+i.line] }

func (s *sorter) sort() {
	slices.SortFunc(s.items, func(a, b item) int {
		return cmp.Or(bytes.Compare(s.key(a), s.key(b)), cmp.Compare(a.at, b.at))
	})
}

// spill writes what is in memory to a file.
func (s *sorter) spill() (err error) {
	s.sort()
	f, err := os.OpenFile(filepath.Join(s.dir, fmt.Sprintf("run%d", len(s.files))), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	z, err := zstd.NewWriter(f, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(runWindow))
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(z, 64<<10)
	var lengths [2 * binary.MaxVarintLen64]byte
	for _, i := range s.items {
		head := binary.AppendUvarint(binary.AppendUvarint(lengths[:0], uint64(i.key)), uint64(i.line))
		// A bufio.Writer keeps its first error for Flush.
		_, _ = out.Write(head)
		_, _ = out.Write(s.key(i))
		_, _ = out.Write(s.line(i))
	}
	s.files = append(s.files, f.Name())
	s.data, s.items = s.data[:0], s.items[:0]
	return errors.Join(out.Flush(), z.Close())
}

// runWindow bounds the memory for each file that is read.
const runWindow = 128 << 10

// each calls take with all lines in order. It ends the sorter.
func (s *sorter) each(take func(key, line []byte) error) error {
	if len(s.files) == 0 {
		s.sort()
		for _, i := range s.items {
			if err := take(s.key(i), s.line(i)); err != nil {
				return err
			}
		}
		return nil
	}
	if len(s.items) > 0 {
		if err := s.spill(); err != nil {
			return err
		}
	}
	s.data, s.items = nil, nil
	return s.eachOfFiles(take)
}

func (s *sorter) eachOfFiles(take func(key, line []byte) error) error {
	var h runHeap
	defer func() {
		for _, r := range h {
			r.close()
		}
	}()
	for n, path := range s.files {
		r, err := openRun(path, n)
		if err != nil {
			return err
		}
		if err := r.next(); err != nil {
			r.close()
			return err
		}
		h = append(h, r)
	}
	heap.Init(&h)
	for len(h) > 0 {
		if err := take(h[0].key, h[0].line); err != nil {
			return err
		}
		err := h[0].next()
		switch {
		case err == io.EOF:
			h[0].close()
			heap.Pop(&h)
		case err != nil:
			return err
		default:
			heap.Fix(&h, 0)
		}
	}
	return nil
}

// run is a sorted file.
type run struct {
	order     int
	file      *os.File
	z         *zstd.Decoder
	in        *bufio.Reader
	key, line []byte // of the item it is at
}

func openRun(path string, order int) (*run, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	z, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
	if err != nil {
		f.Close()
		return nil, err
	}
	return &run{order: order, file: f, z: z, in: bufio.NewReaderSize(z, 64<<10)}, nil
}

// next goes to the next item. It returns io.EOF after the last.
func (r *run) next() error {
	key, err := binary.ReadUvarint(r.in)
	if err != nil {
		return err
	}
	line, err := binary.ReadUvarint(r.in)
	if err != nil {
		return io.ErrUnexpectedEOF
	}
	r.key = slices.Grow(r.key[:0], int(key))[:key]
	r.line = slices.Grow(r.line[:0], int(line))[:line]
	if _, err := io.ReadFull(r.in, r.key); err != nil {
		return err
	}
	_, err = io.ReadFull(r.in, r.line)
	return err
}

func (r *run) close() {
	r.z.Close()
	r.file.Close()
}

// runHeap has the run with the lowest key first.
type runHeap []*run

func (h runHeap) Len() int { return len(h) }
func (h runHeap) Less(i, j int) bool {
	return cmp.Or(bytes.Compare(h[i].key, h[j].key), cmp.Compare(h[i].order, h[j].order)) < 0
}
func (h runHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *runHeap) Push(x any)   { *h = append(*h, x.(*run)) }
func (h *runHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
