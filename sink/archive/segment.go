package archive

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Compression is how a segment is compressed.
type Compression string

const (
	Plain Compression = ""
	Zstd  Compression = "zstd"
	Gzip  Compression = "gzip"
)

// extension is what Compression adds to a name.
var extension = map[Compression]string{Plain: "", Zstd: ".zst", Gzip: ".gz"}

// stampLayout is how a segment's name has its time, in UTC.
const stampLayout = "20060102T150405.000Z"

// namer makes and reads the names beside an archive's file.
type namer struct {
	dir, stem, ext string // "/var/log", "app", ".log"
}

func newNamer(path string) namer {
	dir, base := filepath.Split(path)
	ext := filepath.Ext(base)
	if ext == base {
		ext = "" // a hidden file without an extension
	}
	return namer{filepath.Clean(dir + "."), strings.TrimSuffix(base, ext), ext}
}

// longest is more than any name here adds to the file's.
const longest = len("..lock-20060102T150405.000Z.zst.tmp")

func (n namer) base() string { return n.stem + n.ext }

func (n namer) at(t time.Time, ext string) string {
	return filepath.Join(n.dir, n.stem+"-"+t.UTC().Format(stampLayout)+ext)
}

func (n namer) segment(t time.Time) string { return n.at(t, n.ext) }
func (n namer) torn(t time.Time) string    { return n.at(t, ".torn") }
func (n namer) lock() string               { return filepath.Join(n.dir, "."+n.base()+".lock") }

// temporary is where what becomes path is written.
func temporary(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".tmp")
}

// segment is a finished file of an archive.
type segment struct {
	path string // in the folder of the archive
	end  time.Time
	comp Compression
	size int64
}

// parse reads the name of a segment.
func (n namer) parse(name string) (s segment, ok bool) {
	rest, ok := strings.CutPrefix(name, n.stem+"-")
	if !ok || len(rest) < len(stampLayout) {
		return s, false
	}
	stamp, ext := rest[:len(stampLayout)], rest[len(stampLayout):]
	for comp, added := range extension {
		if ext == n.ext+added {
			t, err := time.Parse(stampLayout, stamp)
			return segment{path: filepath.Join(n.dir, name), end: t, comp: comp}, err == nil
		}
	}
	return s, false
}

// segments returns the segments of the archive, the oldest first. Of one that is
// there plain and compressed, as while it is being compressed, the plain one
// counts.
func (n namer) segments() ([]segment, error) {
	const attempts = 20
	for attempt := 1; ; attempt++ {
		found, changed, err := n.list()
		if err != nil || !changed || attempt == attempts {
			return found, err
		}
	}
}

// list is segments, unless the folder has changed meanwhile: one that was just being
// compressed may have been seen under neither name.
func (n namer) list() (found []segment, changed bool, err error) {
	before, err := os.Stat(n.dir)
	if err != nil {
		return nil, false, err
	}
	entries, err := os.ReadDir(n.dir)
	if err != nil {
		return nil, false, err
	}
	for _, e := range entries {
		s, ok := n.parse(e.Name())
		if !ok || !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			changed = true
			continue
		}
		if err != nil {
			return nil, false, err
		}
		s.size = info.Size()
		found = append(found, s)
	}
	slices.SortFunc(found, func(a, b segment) int {
		if c := a.end.Compare(b.end); c != 0 {
			return c
		}
		return strings.Compare(string(a.comp), string(b.comp))
	})
	after, err := os.Stat(n.dir)
	if err != nil {
		return nil, false, err
	}
	return slices.CompactFunc(found, sameSegment), changed || !after.ModTime().Equal(before.ModTime()), nil
}

// sameSegment reports whether b is a, the first of the two, compressed.
func sameSegment(a, b segment) bool { return a.end.Equal(b.end) }
