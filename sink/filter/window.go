package filter

import (
	"context"

	"github.com/slogcast/slogcast/sink"
)

// maxBefore bounds the bytes of the records that a Window keeps.
const maxBefore = 8 << 20

// Window writes the records that match, with those around them, to another
// Writer. It is used by one goroutine.
type Window struct {
	Writer sink.Writer
	Match  Func // nil matches all

	// Before and After are how many records around each match are written, too.
	// Of those before one at most 8 MiB are kept.
	Before, After int

	// Limit is after how many matches there are no more. If zero, there is no
	// limit.
	Limit int

	// Separate is called between two groups of records that do not follow one
	// another. May be nil.
	Separate func()

	// Done is called once, when the last match and what comes after it are
	// written. May be nil.
	Done func()

	kept    []sink.Record // not written yet, the oldest first
	size    int           // bytes of kept
	after   int           // records that are still to be written
	matches int
	written bool // something was
	skipped bool // something was not, since then
	done    bool
}

// Write writes to the Writer those records that are of interest. It keeps copies
// of the last ones, if any comes before a match.
func (w *Window) Write(ctx context.Context, records []sink.Record) error {
	start := 0 // of what is to be written and not yet is
	for i := range records {
		r := &records[i]
		match := !w.full() && (w.Match == nil || w.Match(r))
		if !match && w.after == 0 {
			if err := w.write(ctx, records[start:i]); err != nil {
				return err
			}
			start = i + 1
			w.keep(r)
			w.finish()
			continue
		}
		if match {
			w.matches++
			w.after = w.After
			if err := w.writeKept(ctx); err != nil {
				return err
			}
		} else {
			w.after--
		}
	}
	if err := w.write(ctx, records[start:]); err != nil {
		return err
	}
	w.finish()
	return nil
}

// Matches returns how many records have matched.
func (w *Window) Matches() int { return w.matches }

// full reports whether there have been as many matches as are wanted.
func (w *Window) full() bool { return w.Limit > 0 && w.matches >= w.Limit }

// finish calls Done when there is nothing more to write.
func (w *Window) finish() {
	if !w.done && w.full() && w.after == 0 {
		w.done = true
		w.kept = nil
		if w.Done != nil {
			w.Done()
		}
	}
}

// keep copies a record for a match that may come.
func (w *Window) keep(r *sink.Record) {
	if w.Before <= 0 || w.full() {
		w.skipped = true
		return
	}
	w.kept = append(w.kept, r.Clone())
	w.size += len(r.Body)
	for len(w.kept) > w.Before || w.size > maxBefore {
		w.size -= len(w.kept[0].Body)
		w.kept[0] = sink.Record{}
		w.kept = w.kept[1:]
		w.skipped = true
	}
}

func (w *Window) writeKept(ctx context.Context) error {
	kept := w.kept
	w.kept, w.size = w.kept[:0], 0
	return w.write(ctx, kept)
}

func (w *Window) write(ctx context.Context, records []sink.Record) error {
	if len(records) == 0 {
		return nil
	}
	if w.skipped && w.written && w.Separate != nil {
		w.Separate()
	}
	w.written, w.skipped = true, false
	return w.Writer.Write(ctx, records)
}
