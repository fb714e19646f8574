package sink

import (
	"fmt"
	"strconv"
	"time"
)

// Span are sequence numbers from First to Last.
type Span struct{ First, Last uint64 }

// Count returns how many numbers there are.
func (s Span) Count() uint64 { return s.Last - s.First + 1 }

// Gap tells of records that a producer numbered and this tail has not seen, all
// with the same cause. Producer, App and Host are what their messages claim.
type Gap struct {
	Producer    string
	App, Host   string
	First, Last uint64    // the first and the last sequence number of them
	Spans       []Span    // those that are missing, in order; if empty, all from First to Last
	Time        time.Time // when it was noticed
	Cause       string    // what is known of the reason
}

// Count returns how many records are missing.
func (g *Gap) Count() (n uint64) {
	if len(g.Spans) == 0 {
		return Span{g.First, g.Last}.Count()
	}
	for _, s := range g.Spans {
		n += s.Count()
	}
	return n
}

func (g *Gap) String() string {
	return fmt.Sprintf("gap: %s missing %s: %s", g.what("is", "are"), g.where(), g.Cause)
}

// what names the records, with a verb.
func (g *Gap) what(singular, plural string) string {
	from := plain(g.App)
	if g.Host != "" {
		from += "@" + plain(g.Host)
	}
	if n := g.Count(); n != 1 {
		return fmt.Sprintf("%d records of %s %s", n, from, plural)
	}
	return fmt.Sprintf("1 record of %s %s", from, singular)
}

// where says which they are.
func (g *Gap) where() string {
	switch {
	case g.First == g.Last:
		return fmt.Sprintf("(#%d)", g.First)
	case len(g.Spans) < 2:
		return fmt.Sprintf("(#%d-#%d)", g.First, g.Last)
	}
	return fmt.Sprintf("(in %d places of #%d-#%d)", len(g.Spans), g.First, g.Last)
}

// plain quotes a peer's text that is more than plain.
func plain(text string) string {
	if quoted := strconv.Quote(text); len(quoted) != len(text)+2 {
		return quoted
	}
	return text
}

func number(n uint64) string { return strconv.FormatUint(n, 10) }
