package web

import (
	"sync"

	"github.com/slogcast/slogcast/cmd/logtail/internal/view"
)

const (
	cachedLines = 4096
	maxCached   = 1 << 10 // bytes of a line; the cache takes 4 MiB at most
)

// cache keeps the lines of rows that were made last: pages that follow are all at
// about the same place, and one of them has made what the others send.
type cache struct {
	mu    sync.Mutex // guards lines
	lines [cachedLines]cachedLine
}

type cachedLine struct {
	pos  uint64
	line []byte // its memory is used again
}

// appendRow is the function of that name, or a copy of what it has done.
func (c *cache) appendRow(dst []byte, row *view.Row) []byte {
	if row.Kind == view.Skipped {
		return appendRow(dst, row) // of one page alone
	}
	at := &c.lines[row.Pos%cachedLines]
	c.mu.Lock()
	if at.pos == row.Pos {
		dst = append(dst, at.line...)
		c.mu.Unlock()
		return dst
	}
	c.mu.Unlock()
	start := len(dst)
	dst = appendRow(dst, row)
	if line := dst[start:]; len(line) <= maxCached {
		c.mu.Lock()
		at.pos, at.line = row.Pos, append(at.line[:0], line...)
		c.mu.Unlock()
	}
	return dst
}
