package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/slogcast/slogcast/cmd/logtail/internal/view"
	"github.com/slogcast/slogcast/sink/filter"
)

const (
	partSize  = 64 << 10              // about so many bytes are written at a time
	partTime  = time.Second           // so long rows are looked at for them
	lookTime  = 5 * time.Second       // so long the last rows are looked for, or there are fewer
	lookRows  = 256                   // between two looks at whether the page is still there
	linger    = 50 * time.Millisecond // rows that come live are gathered for so long
	heartbeat = 3 * time.Second       // without a row, so often the state is told
	lasts     = 5 * time.Minute       // a page asks again after that
	maxBefore = 5000                  // rows in an answer of those before a position
	maxLast   = 100_000               // rows that a page begins with
)

// rows answers with the rows from a position on, as they come (from, or last=N, or
// time=T), or with the n rows before one, the last one first (before). After each
// part there is a line with where that has come to and the state:
//
//	{"at":position,"run":…,"first":…,"next":…,"records":…,"gaps":…,"missing":…,"live":bool,"end":bool}
func (s *Server) rows(w http.ResponseWriter, req *http.Request) {
	q, v, ok := query(w, req)
	if !ok {
		return
	}
	before, backwards, err1 := s.place(v, "before")
	cursor, err2 := s.begin(req.Context(), v, q)
	n, _, err3 := number(v, "n", maxBefore)
	if err := errors.Join(err1, err2, err3); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	viewer, ok := s.viewers.enter(cursor)
	if !ok {
		http.Error(w, fmt.Sprintf("%d pages are open, which is the most", maxViewers), http.StatusServiceUnavailable)
		return
	}
	defer s.viewers.leave(viewer)
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would keep rows until there are more of them
	out := &output{s: s, w: w, control: http.NewResponseController(w), cursor: cursor, viewer: viewer}
	if backwards {
		cursor.Seek(before)
		out.before(req.Context(), int(n))
		return
	}
	ctx, cancel := context.WithTimeout(req.Context(), lasts)
	defer cancel()
	out.follow(ctx)
}

// begin returns a cursor at the place that the parameters name.
func (s *Server) begin(ctx context.Context, v url.Values, q *view.Query) (*view.Cursor, error) {
	stats := s.cfg.Ring.Stats()
	if text := v.Get("time"); text != "" {
		at, err := filter.ParseTime(text, time.Now(), time.Local)
		if err != nil {
			return nil, err
		}
		return s.cfg.Ring.Cursor(s.cfg.Ring.SeekTime(at), q), nil
	}
	from, given, err := s.place(v, "from")
	if err != nil {
		return nil, err
	}
	last, some, err := number(v, "last", maxLast)
	if err != nil {
		return nil, err
	}
	if given && !some {
		if from == 0 {
			from = stats.First
		}
		return s.cfg.Ring.Cursor(from, q), nil
	}
	if !some {
		return s.cfg.Ring.Cursor(stats.Next, q), nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	c := s.cfg.Ring.Cursor(stats.Next, q)
	for n := last; n > 0 && c.Pos() > max(from, stats.First) && ctx.Err() == nil; {
		if _, ok := c.PrevOf(lookRows); ok {
			n--
		}
	}
	c.Seek(max(c.Pos(), from))
	return c, nil
}

// output writes rows to a page.
type output struct {
	s       *Server
	w       http.ResponseWriter
	control *http.ResponseController
	cursor  *view.Cursor
	viewer  *viewer
	part    []byte
	sent    uint64
	skipped uint64
}

// follow writes rows as they come until ctx ends or the page goes.
func (o *output) follow(ctx context.Context) {
	if !o.flush(false) { // where it begins
		return
	}
	for {
		end := o.fill(ctx)
		if !o.flush(end) || ctx.Err() != nil {
			return
		}
		if !end {
			continue
		}
		waiting, cancel := context.WithTimeout(ctx, heartbeat)
		err := o.s.cfg.Ring.Wait(waiting, o.cursor.Pos())
		cancel()
		if err == nil {
			select { // others that come at the same time go with it
			case <-time.After(linger):
			case <-ctx.Done():
			}
		}
	}
}

// fill makes a part of the rows that there are, and reports whether these are
// all. A filter may take long for each row.
func (o *output) fill(ctx context.Context) (end bool) {
	ctx, cancel := context.WithTimeout(ctx, partTime)
	defer cancel()
	for len(o.part) < partSize && ctx.Err() == nil {
		row, ok := o.cursor.NextOf(lookRows)
		switch {
		case ok:
			o.add(row)
		case o.cursor.Pos() >= o.s.cfg.Ring.Stats().Next:
			return true
		}
	}
	return false
}

func (o *output) add(row *view.Row) {
	if row.Kind == view.Skipped {
		o.skipped += row.Count
	}
	o.sent++
	o.part = o.s.cache.appendRow(o.part, row)
}

// before writes so many rows before the cursor.
func (o *output) before(ctx context.Context, n int) {
	first := o.s.cfg.Ring.Stats().First
	for n > 0 && o.cursor.Pos() > first && ctx.Err() == nil {
		row, ok := o.cursor.PrevOf(lookRows)
		if !ok {
			continue
		}
		n--
		if o.add(row); len(o.part) >= partSize && !o.flush(false) {
			return
		}
	}
	o.flush(o.cursor.Pos() <= first)
}

// flush writes the part, with the state at its end. It fails when the page is
// gone, or takes nothing for too long.
func (o *output) flush(end bool) bool {
	stats := o.s.cfg.Ring.Stats()
	o.viewer.at(o.cursor.Pos())
	o.part = fmt.Appendf(o.part, `{"at":%d,"run":%q,"first":%d,"next":%d,"records":%d,"gaps":%d,"missing":%d,"live":%t,"end":%t,"oldest":%s}`+"\n",
		o.cursor.Pos(), o.s.run, stats.First, stats.Next, stats.Records, stats.Gaps, stats.Missing, stats.Connected, end, millis(stats.Oldest))
	o.s.served.Add(o.sent)
	o.s.skipped.Add(o.skipped)
	o.sent, o.skipped = 0, 0
	_ = o.control.SetWriteDeadline(time.Now().Add(writeTimeout)) // Write tells what is wrong
	_, err := o.w.Write(o.part)
	if err == nil {
		err = o.control.Flush()
	}
	if cap(o.part) > 4*partSize {
		o.part = nil
	}
	o.part = o.part[:0]
	return err == nil
}

// millis is a time in JSON, 0 for none.
func millis(t time.Time) string {
	if t.IsZero() {
		return "0"
	}
	return strconv.FormatInt(t.UnixMilli(), 10)
}

// maxViewers bounds the pages that read at a time.
const maxViewers = 256

// viewers are those who read rows at the moment.
type viewers struct {
	mu sync.Mutex // guards all
	in map[*viewer]struct{}
}

// viewer is one of them.
type viewer struct {
	of  *viewers
	pos uint64 // guarded by of.mu
}

func (v *viewers) enter(c *view.Cursor) (*viewer, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.in) >= maxViewers {
		return nil, false
	}
	if v.in == nil {
		v.in = make(map[*viewer]struct{})
	}
	one := &viewer{v, c.Pos()}
	v.in[one] = struct{}{}
	return one, true
}

func (v *viewers) leave(one *viewer) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.in, one)
}

func (v *viewer) at(pos uint64) {
	v.of.mu.Lock()
	defer v.of.mu.Unlock()
	v.pos = pos
}

// lag returns how many there are, and how far the last one is behind next.
func (v *viewers) lag(next uint64) (n int, lag uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for one := range v.in {
		lag = max(lag, next-min(next, one.pos))
	}
	return len(v.in), lag
}
