package tui

import (
	"slices"

	"github.com/slogcast/slogcast/cmd/logtail/internal/view"
)

// window is what is seen of the rows that are shown: some lines, beginning with
// one of the row top. It reads and paints no others.
type window struct {
	scan  *scanner
	paint *painter

	height int // in lines
	follow bool
	cursor uint64 // the row that is selected
	top    uint64
	skip   int // lines of top above the window
}

// placed is a line of a row.
type placed struct {
	row  uint64
	line int
	text string
}

func (w *window) lines(position uint64) []string {
	return w.paint.of(position, func(p uint64) *view.Row { return w.scan.read(p) })
}

// settle brings cursor and top to rows that are shown, and the cursor into view.
func (w *window) settle() {
	x := &w.scan.index
	last, any := x.last()
	if !any {
		return
	}
	if w.follow {
		w.cursor = last
		w.showAtBottom(last)
		return
	}
	w.cursor = w.near(w.cursor)
	if top := w.near(w.top); top != w.top {
		w.top, w.skip = top, 0
	}
	w.skip = min(w.skip, len(w.lines(w.top))-1)
	if w.cursor < w.top {
		w.top, w.skip = w.cursor, 0
	}
	seen := w.visible()
	whole := slices.ContainsFunc(seen, func(p placed) bool {
		return p.row == w.cursor && (p.line == len(w.lines(w.cursor))-1 || p.line >= w.height-1)
	})
	if w.cursor != w.top && !whole {
		w.showAtBottom(w.cursor)
	} else if len(seen) < w.height {
		w.showAtBottom(last) // no empty lines below while there are rows above
	}
}

// near returns the row that is shown at a position, or the next one to it.
func (w *window) near(position uint64) uint64 {
	x := &w.scan.index
	if x.has(position) {
		return position
	}
	if after, ok := x.after(position); ok {
		return after
	}
	before, _ := x.before(position)
	return before
}

// showAtBottom has the window end with a row.
func (w *window) showAtBottom(position uint64) {
	w.top = position
	w.skip = len(w.lines(position)) - w.height
	for w.skip < 0 {
		before, ok := w.scan.index.before(w.top)
		if !ok {
			w.skip = 0
			return
		}
		w.top = before
		w.skip += len(w.lines(before))
	}
}

// visible returns the lines in the window.
func (w *window) visible() []placed {
	var seen []placed
	if w.scan.index.len() == 0 {
		return nil
	}
	skip := w.skip
	for position, ok := w.top, true; ok && len(seen) < w.height; position, ok = w.scan.index.after(position) {
		for i, text := range w.lines(position) {
			if i >= skip && len(seen) < w.height {
				seen = append(seen, placed{position, i, text})
			}
		}
		skip = 0
	}
	return seen
}

// scroll moves the window by lines, downwards for n > 0, and reports whether it
// has come to an end.
func (w *window) scroll(n int) (end bool) {
	w.skip += n
	for w.skip < 0 {
		before, ok := w.scan.index.before(w.top)
		if !ok {
			w.skip = 0
			return true
		}
		w.top = before
		w.skip += len(w.lines(before))
	}
	for w.skip >= len(w.lines(w.top)) {
		after, ok := w.scan.index.after(w.top)
		if !ok {
			w.skip = 0
			return true
		}
		w.skip -= len(w.lines(w.top))
		w.top = after
	}
	return false
}

// move moves the cursor by a row, or the window by a line where the row goes on
// beyond it.
func (w *window) move(forward bool) {
	w.follow = false
	seen := w.visible()
	if len(seen) == 0 {
		return
	}
	first, last := seen[0], seen[len(seen)-1]
	next, ok := w.scan.index.before(w.cursor)
	switch {
	case forward && last.row == w.cursor && last.line < len(w.lines(w.cursor))-1:
		w.scroll(1)
		return
	case !forward && first.row == w.cursor && first.line > 0:
		w.scroll(-1)
		return
	case forward:
		next, ok = w.scan.index.after(w.cursor)
	}
	if ok {
		w.cursor = next
		w.settle()
	}
}

// page moves by a window's height, but for a line.
func (w *window) page(forward bool) {
	w.follow = false
	n := max(1, w.height-1)
	if !forward {
		n = -n
	}
	end := w.scroll(n)
	w.fill()
	seen := w.visible()
	if len(seen) == 0 {
		return
	}
	first, last := seen[0].row, seen[len(seen)-1].row
	switch {
	case end && forward:
		w.cursor = last
	case end:
		w.cursor = first
	default:
		w.cursor = min(max(w.cursor, first), last)
	}
}

// fill leaves no empty lines below while there are rows above.
func (w *window) fill() {
	if last, ok := w.scan.index.last(); ok && len(w.visible()) < w.height {
		w.showAtBottom(last)
	}
}

// goTo selects a row, and shows it with as much before it as after it where it is
// not in view.
func (w *window) goTo(position uint64) {
	w.follow = false
	seen := slices.ContainsFunc(w.visible(), func(p placed) bool { return p.row == position })
	w.cursor = position
	if !seen {
		w.top, w.skip = position, 0
		w.scroll(-w.height / 2)
	}
	w.settle()
}

// below returns how many rows that are shown are below the window.
func (w *window) below() int {
	seen := w.visible()
	if len(seen) == 0 {
		return 0
	}
	return w.scan.index.len() - w.scan.index.find(seen[len(seen)-1].row) - 1
}
