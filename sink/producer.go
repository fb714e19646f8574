package sink

import (
	"cmp"
	"container/list"
	"slices"
	"time"
)

// producer is what is known of one producer's numbers.
type producer struct {
	id          producerID
	app, host   string
	place       *list.Element // in sequences.young or .old
	first, last uint64        // numbers that were seen first, and the highest
	dropped     uint64        // as the producer last said
	connection  int           // our own, when it was last heard
	jumps       int           // of the history, until then
	before      bool          // it was not heard since: last is what Config.Known says
	records     int
	seen        time.Time

	holes  []hole  // below last, in order; may still be filled
	untold int     // of holes
	filled []Span  // of what was told as missing, in the order in which it came
	pages  []*page // of what was shown, by number
}

// hole are numbers that have not come.
type hole struct {
	Span
	told    bool
	away    bool      // this tail was disconnected in between
	removed bool      // a history had lost records in between
	before  bool      // between what was known and the first that came
	dropped uint64    // how many of them the producer says it dropped
	since   time.Time // when the producer was heard before
	at      time.Time // and behind it
}

// fill notes a number that was missing, if it was.
func (p *producer) fill(seq uint64) bool {
	i, _ := slices.BinarySearchFunc(p.holes, seq, func(h hole, seq uint64) int { return cmp.Compare(h.Last, seq) })
	if i == len(p.holes) || seq < p.holes[i].First {
		return false
	}
	h := p.holes[i]
	if h.told {
		p.addFilled(seq)
	} else {
		p.untold--
	}
	var rest []hole
	if h.First < seq {
		left := h
		left.Last = seq - 1
		left.dropped = min(h.dropped, left.Count())
		rest = append(rest, left)
	}
	if seq < h.Last {
		right := h
		right.First = seq + 1
		right.dropped = min(h.dropped, right.Count())
		if len(rest) > 0 {
			right.dropped = min(h.dropped-rest[0].dropped, right.Count())
		}
		rest = append(rest, right)
	}
	p.holes = slices.Replace(p.holes, i, i+1, rest...)
	if !h.told {
		p.untold += len(rest)
	}
	return true
}

func (p *producer) addFilled(seq uint64) {
	if n := len(p.filled); n > 0 && p.filled[n-1].Last+1 == seq {
		p.filled[n-1].Last = seq
		return
	}
	p.filled = append(p.filled, Span{seq, seq})
}

// cause is why records are missing, as far as is known.
type cause struct{ dropped, away, removed, full, before bool }

// text says it of n records, lost of which the producer dropped.
func (c cause) text(n, lost uint64) string {
	others := "nobody says where they were lost"
	switch {
	case c.removed:
		others = "the history's retention removed them before they were read"
	case c.before:
		others = "they are behind what was there before, and have not come since"
	case c.away:
		others = "they passed while this tail was disconnected"
	case c.full:
		others = "the broker dropped them from this tail's full queue"
	}
	switch {
	case lost >= n:
		return "the producer dropped them"
	case lost > 0:
		return "the producer dropped " + number(lost) + "; of the others, " + others
	}
	return others
}

// tellHoles makes Gaps of the holes that are older than wait, one for each cause.
func (s *sequences) tellHoles(p *producer, now time.Time, wait time.Duration) {
	if p.untold == 0 {
		return
	}
	type lost struct {
		*Gap
		dropped uint64
	}
	gaps := make(map[cause]*lost)
	var order []cause
	for i := range p.holes {
		h := &p.holes[i]
		if h.told || now.Sub(h.at) < wait {
			continue
		}
		h.told = true
		p.untold--
		if s.shared {
			continue // another has them
		}
		why := cause{dropped: h.dropped > 0, away: h.away, removed: h.removed, before: h.before, full: !h.away && s.full.After(h.since.Add(-settle))}
		if h.dropped == h.Count() {
			why = cause{dropped: true}
		}
		g := gaps[why]
		if g == nil {
			g = &lost{Gap: &Gap{Producer: p.id.uuid, App: p.app, Host: p.host, First: h.First, Time: h.at}}
			gaps[why] = g
			order = append(order, why)
		}
		g.Spans = append(g.Spans, h.Span)
		g.Last = h.Last
		g.dropped += h.dropped
	}
	for _, why := range order {
		g := gaps[why]
		g.Cause = why.text(g.Count(), g.dropped)
		s.ready = append(s.ready, Notice{Gap: g.Gap})
	}
}

// tellFilled takes back what was told and came after all.
func (s *sequences) tellFilled(p *producer, now time.Time) {
	if len(p.filled) == 0 || s.shared {
		p.filled = nil
		return
	}
	slices.SortFunc(p.filled, func(a, b Span) int { return cmp.Compare(a.First, b.First) })
	s.ready = append(s.ready, Notice{Filled: &Gap{
		Producer: p.id.uuid, App: p.app, Host: p.host, Spans: p.filled, Time: now,
		First: p.filled[0].First, Last: p.filled[len(p.filled)-1].Last,
	}})
	p.filled = nil
}
