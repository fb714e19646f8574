package archive

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Source is what is read as one archive: files in the order in which they were
// written.
type Source struct {
	Name  string
	files []segment // the one that is being written last, with a zero end
	names namer
	live  bool // the file that is being written is among them, or may come
}

// Find returns the archives that paths name. A path is the file that is being
// written, whose segments belong to it; a folder, of which every archive is taken; a
// segment or another file, plain or compressed, which stands for itself; or "-",
// standard input.
func Find(paths ...string) ([]Source, error) {
	var found []Source
	for _, path := range paths {
		if path == "-" {
			found = append(found, Source{Name: "standard input"})
			continue
		}
		info, err := os.Stat(path)
		switch {
		case err == nil && info.IsDir():
			in, err := findInFolder(path)
			if err != nil {
				return nil, err
			}
			found = append(found, in...)
			continue
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return nil, err
		}
		s, findErr := findOne(path, err == nil)
		if findErr != nil {
			return nil, findErr
		}
		if len(s.files) == 0 {
			return nil, err
		}
		found = append(found, s)
	}
	return found, nil
}

// findOne returns what one path of a file means.
func findOne(path string, there bool) (Source, error) {
	s := Source{Name: path, names: newNamer(path)}
	if stem, ok := stemOf(filepath.Base(path)); ok && stem != "" {
		if there { // a segment stands for itself
			s.files = []segment{{path: path}}
		}
		return s, nil
	}
	segments, err := s.names.segments()
	if err != nil && (there || !errors.Is(err, fs.ErrNotExist)) {
		return s, err
	}
	s.files, s.live = segments, true
	if there {
		s.files = append(s.files, segment{path: path})
	}
	return s, nil
}

// stemOf returns the name of the archive's file that a segment belongs to.
func stemOf(name string) (base string, ok bool) {
	for _, comp := range []Compression{Zstd, Gzip, Plain} {
		plain, cut := strings.CutSuffix(name, extension[comp])
		if !cut {
			continue
		}
		ext := filepath.Ext(plain)
		if ext == ".000Z" || strings.HasSuffix(plain, "Z") && !strings.Contains(ext, "-") && len(ext) == len(".000Z") && strings.HasSuffix(ext, "Z") {
			ext = "" // the end of the time
		}
		rest := strings.TrimSuffix(plain, ext)
		i := len(rest) - len(stampLayout)
		if i < 1 || rest[i-1] != '-' {
			continue
		}
		if _, err := time.Parse(stampLayout, rest[i:]); err == nil {
			return rest[:i-1] + ext, true
		}
	}
	return "", false
}

// findInFolder returns the archives in a folder: whatever has segments, and every
// other file of lines.
func findInFolder(dir string) ([]Source, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	bases := make(map[string]bool) // by the name of the file; true when it is there
	for _, e := range entries {
		name := e.Name()
		if strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".torn") || !e.Type().IsRegular() {
			continue
		}
		base, segment := stemOf(name)
		if !segment {
			base = name
		}
		bases[base] = bases[base] || !segment
	}
	var found []Source
	for base, there := range bases {
		s, err := findOne(filepath.Join(dir, base), there)
		if err != nil {
			return nil, err
		}
		found = append(found, s)
	}
	slices.SortFunc(found, func(a, b Source) int { return strings.Compare(a.Name, b.Name) })
	if len(found) == 0 {
		return nil, fmt.Errorf("%s has no archive in it", dir)
	}
	return found, nil
}

// Size returns the bytes of all files, compressed as they are.
func (s *Source) Size() (sum int64) {
	for _, f := range s.files {
		if info, err := os.Stat(f.path); err == nil {
			sum += info.Size()
		}
	}
	return sum
}
