package view

import (
	"log/slog"
	"math"
	"regexp"
	"time"

	"github.com/slogcast/slogcast/sink/filter"
)

// Query is what a viewer asks for. It looks at a row's time and level first, for
// which the record need not be read. It is for any number of cursors; nil asks
// for all.
type Query struct {
	filter       *filter.Filter
	low, high    slog.Level
	since, until int64 // nanoseconds since 1970
	marks        bool  // time and level are all that is asked for
}

// NewQuery compiles what a viewer asks for. An error is a *filter.Error.
func NewQuery(o filter.Options) (*Query, error) {
	q := &Query{low: math.MinInt32, high: math.MaxInt32, since: math.MinInt64, until: math.MaxInt64}
	var err error
	if q.filter, err = o.Compile(); err != nil {
		return nil, err
	}
	if o.Level != "" {
		if q.low, q.high, err = filter.ParseLevel(o.Level); err != nil {
			return nil, err
		}
	}
	if !o.Since.IsZero() {
		q.since = nano(o.Since)
	}
	if !o.Until.IsZero() {
		q.until = nano(o.Until)
	}
	o.Level, o.Since, o.Until = "", time.Time{}, time.Time{}
	rest, err := o.Compile()
	q.marks = err == nil && rest.All()
	return q, err
}

// All reports whether the query asks for every row.
func (q *Query) All() bool { return q == nil || q.filter.All() }

// Patterns returns the regular expressions whose matches are of interest.
func (q *Query) Patterns() []*regexp.Regexp {
	if q == nil {
		return nil
	}
	return q.filter.Patterns()
}

// verdict is what a mark tells of a row.
type verdict int

const (
	no verdict = iota
	perhaps
	yes
)

// judge says whether a row is asked for, as far as its mark tells.
func (q *Query) judge(m *rowMark) verdict {
	if q == nil || q.filter.All() {
		return yes
	}
	if m.time != noTime && (m.time < q.since || m.time >= q.until) {
		return no // a notice, too, is of a time
	}
	if m.kind != Record {
		return yes
	}
	if m.level <= -maxLevel || m.level >= maxLevel {
		return perhaps // it may be any beyond
	}
	if l := m.levelOf(); m.ranked && (l < q.low || l > q.high) {
		return no
	}
	if q.marks {
		return yes
	}
	return perhaps
}

// passesOver reports whether nothing of a part is asked for, by its times.
func (q *Query) passesOver(p *part) bool {
	return q != nil && (p.newest < q.since || p.oldest >= q.until)
}
