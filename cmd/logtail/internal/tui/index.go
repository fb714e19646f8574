package tui

import (
	"cmp"
	"slices"
)

// index holds the positions of the rows that are shown, of those that have been
// looked at: from low to high. It grows at both ends, so that after a change of
// the filter what is near is there first.
type index struct {
	low, high uint64
	older     []uint64 // shown and below the start, the newest first
	newer     []uint64 // shown and from the start on, the oldest first
}

// restart forgets all, to look outwards from a position.
func (x *index) restart(at uint64) {
	*x = index{low: at, high: at, older: x.older[:0], newer: x.newer[:0]}
}

func (x *index) len() int { return len(x.older) + len(x.newer) }

// get returns the position of row i of those shown, the oldest first.
func (x *index) get(i int) uint64 {
	if i < len(x.older) {
		return x.older[len(x.older)-1-i]
	}
	return x.newer[i-len(x.older)]
}

// find returns how many rows that are shown are before a position.
func (x *index) find(position uint64) int {
	if n := len(x.newer); n > 0 && position >= x.newer[0] || len(x.older) == 0 {
		i, _ := slices.BinarySearch(x.newer, position)
		return len(x.older) + i
	}
	// The positions fall: the first that is before it ends those at or after it.
	i, _ := slices.BinarySearchFunc(x.older, position, func(p, of uint64) int {
		if p < of {
			return 1
		}
		return cmp.Compare(0, 1)
	})
	return len(x.older) - i
}

// has reports whether the row at a position is shown.
func (x *index) has(position uint64) bool {
	i := x.find(position)
	return i < x.len() && x.get(i) == position
}

// before returns the last row that is shown before a position.
func (x *index) before(position uint64) (uint64, bool) {
	i := x.find(position) - 1
	if i < 0 {
		return 0, false
	}
	return x.get(i), true
}

// after returns the first row that is shown after a position.
func (x *index) after(position uint64) (uint64, bool) {
	i := x.find(position + 1)
	if i >= x.len() {
		return 0, false
	}
	return x.get(i), true
}

// last returns the newest row that is shown.
func (x *index) last() (uint64, bool) {
	if x.len() == 0 {
		return 0, false
	}
	return x.get(x.len() - 1), true
}

// forget drops the rows before a position.
func (x *index) forget(first uint64) {
	if first <= x.low {
		return
	}
	gone := x.find(first)
	if fromOlder := min(gone, len(x.older)); fromOlder > 0 {
		x.older = x.older[:len(x.older)-fromOlder]
		gone -= fromOlder
	}
	x.newer = x.newer[gone:]
	x.low = first
	x.high = max(x.high, first)
}
