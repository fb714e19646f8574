package tui

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// histogram counts the rows that are shown by time and level.
type histogram struct {
	hidden  bool
	stale   bool // it is to be counted again
	columns int  // it was counted for

	start, step uint32             // of the columns, in Unix seconds
	bars        [][levelNotice]int // by column
	total       [levelNotice]int
}

// steps are the widths of columns that a person can reckon with, in seconds.
var steps = []uint32{1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 6 * 3600, 12 * 3600, 24 * 3600, 7 * 24 * 3600, 30 * 24 * 3600}

// count counts into so many columns. now is zero where time does not go on.
func (h *histogram) count(f *facts, x *index, columns int, now time.Time) {
	if !h.stale && h.columns == columns {
		return
	}
	h.stale, h.columns = false, columns
	h.total = [levelNotice]int{}
	h.bars = make([][levelNotice]int, max(1, columns))
	h.span(f, x, now)
	for i := range x.len() {
		known := f.at(x.get(i))
		if known.level >= levelNotice {
			continue
		}
		h.total[known.level]++
		if at := (known.second - h.start) / h.step; known.second >= h.start && at < uint32(len(h.bars)) {
			h.bars[at][known.level]++
		}
	}
}

// span sets start and step so that the columns end with the newest records, or
// now. The few with times far from the others' are left aside.
func (h *histogram) span(f *facts, x *index, now time.Time) {
	const most = 500
	var sample []uint32
	for i := 0; i < x.len(); i += 1 + x.len()/most {
		if known := f.at(x.get(i)); known.level < levelNotice && known.second > 0 {
			sample = append(sample, known.second)
		}
	}
	h.start, h.step = 0, 1
	if len(sample) == 0 {
		return
	}
	slices.Sort(sample)
	rare := max(len(sample)/100, min(3, len(sample)/4))
	low, high := int64(sample[rare]), int64(sample[len(sample)-1-rare])
	far := max(3600, high-low)
	first, _ := slices.BinarySearchFunc(sample, low-far, func(s uint32, t int64) int { return cmp.Compare(int64(s), t) })
	last, _ := slices.BinarySearchFunc(sample, high+far+1, func(s uint32, t int64) int { return cmp.Compare(int64(s), t) })
	oldest, newest := sample[first], sample[last-1]
	if s := seconds(now); !now.IsZero() && s > newest && s-newest < 24*3600 {
		newest = s
	}
	columns := uint32(len(h.bars))
	h.step = steps[len(steps)-1]
	for _, step := range steps {
		if (newest/step - oldest/step) < columns {
			h.step = step
			break
		}
	}
	h.start = (max(newest/h.step+1, columns) - columns) * h.step
}

var blocks = []rune(" ▁▂▃▄▅▆▇█")

// line draws the columns; of counts what is to be seen of each. Something is more
// than nothing.
func (h *histogram) line(of func(bar *[levelNotice]int) int) []rune {
	most := 1
	for i := range h.bars {
		most = max(most, of(&h.bars[i]))
	}
	line := make([]rune, len(h.bars))
	for i := range h.bars {
		n := len(blocks) - 1
		line[i] = blocks[(of(&h.bars[i])*n+most-1)/most]
	}
	return line
}

// sum counts the records of all levels.
func sum(bar *[levelNotice]int) (n int) {
	for _, of := range bar {
		n += of
	}
	return n
}

// worst returns the level of a column that matters most.
func worst(bar *[levelNotice]int) level {
	switch {
	case bar[levelError] > 0:
		return levelError
	case bar[levelWarn] > 0:
		return levelWarn
	}
	return levelInfo
}

// stepText is the width of a column, for people.
func (h *histogram) stepText() string {
	d := time.Duration(h.step) * time.Second
	switch {
	case d >= 24*time.Hour:
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	case d >= time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d >= time.Minute:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return fmt.Sprintf("%ds", d/time.Second)
}

// short returns a number in at most five characters.
func short(n int) string {
	switch {
	case n < 100_000:
		return fmt.Sprint(n)
	case n < 10_000_000:
		return fmt.Sprintf("%dk", n/1000)
	}
	return fmt.Sprintf("%dM", n/1_000_000)
}
