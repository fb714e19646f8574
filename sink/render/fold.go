package render

import (
	"bytes"
	"slices"
	"strconv"
	"time"
)

// fold counts records that look alike but for their time.
type fold struct {
	shown []byte // the last record, behind its time
	count int    // how often it came
	told  int    // how often it is said to have come
	last  time.Time
	said  time.Time
}

// foldEvery is how long repeats are counted before the count is shown.
const foldEvery = time.Second

// foldRecord takes the record at start away again when it repeats the one before.
func (t *Terminal) foldRecord(start, afterTime int, at, now time.Time) {
	f := &t.fold
	if f.count > 0 && bytes.Equal(f.shown, t.buf[afterTime:]) {
		t.buf = t.buf[:start]
		f.count++
		f.last = at
		if now.Sub(f.said) >= foldEvery {
			t.appendCount()
			f.said = now
		}
		return
	}
	shown := append(f.shown[:0], t.buf[afterTime:]...)
	if f.count > f.told {
		record := slices.Clone(t.buf[start:])
		t.buf = t.buf[:start]
		t.appendCount()
		t.buf = append(t.buf, record...)
	}
	*f = fold{shown: shown, count: 1, told: 1, said: now}
}

// endFold says how often the last record came, unless that was said.
func (t *Terminal) endFold() {
	t.appendCount()
}

// appendCount appends a line with how often the last record has come in all.
func (t *Terminal) appendCount() {
	f := &t.fold
	if f.count == f.told {
		return
	}
	f.told = f.count
	t.open(dim)
	t.buf = append(t.buf, "×"...)
	t.buf = strconv.AppendInt(t.buf, int64(f.count), 10)
	t.buf = append(t.buf, " until "...)
	t.buf = t.clock.appendShort(t.buf, f.last)
	t.close(dim)
	t.buf = append(t.buf, '\n')
}
