package sink

import (
	"fmt"
	"slices"
	"time"

	"github.com/slogcast/slogcast/internal/envelope"
)

// Gap tells of records that a producer numbered and this tail has not seen.
type Gap struct {
	Producer    string
	App, Host   string
	First, Last uint64    // sequence numbers that are missing
	Time        time.Time // when it was noticed
	Cause       string    // what is known of the reason
}

// Count returns how many records are missing.
func (g *Gap) Count() uint64 { return g.Last - g.First + 1 }

func (g *Gap) String() string {
	from := g.App
	if g.Host != "" {
		from += "@" + g.Host
	}
	if g.First == g.Last {
		return fmt.Sprintf("gap: 1 record of %s is missing (#%d): %s", from, g.First, g.Cause)
	}
	return fmt.Sprintf("gap: %d records of %s are missing (#%d-#%d): %s", g.Count(), from, g.First, g.Last, g.Cause)
}

// sequences follows the sequence numbers of all producers.
type sequences struct {
	producers map[string]*sequence
	session   int // counts our own connections
}

// sequence is what is known of one producer.
type sequence struct {
	next    uint64 // the number to come
	dropped uint64 // as the producer last said
	session int    // our connection when it was last heard
	missing []span // of what was missed, that may still come late
	seen    time.Time
}

type span struct{ first, last uint64 }

const (
	// maxProducers bounds the memory: each start of a program is a producer.
	maxProducers = 4096

	// maxSpans bounds it for one producer.
	maxSpans = 64
)

func newSequences() *sequences { return &sequences{producers: make(map[string]*sequence)} }

// see notes a record. It reports whether it was seen for the first time, and
// the gap before it, if any. A producer may be first heard in the middle of its
// records: what came before is not missing, unless the producer itself says that
// it has dropped all of that. A record that comes after a gap was
// reported for it (one that the broker first refused, say) is not a duplicate.
func (s *sequences) see(e *envelope.Envelope, seq uint64, now time.Time) (fresh bool, gap *Gap) {
	if seq == 0 {
		return true, nil
	}
	p, ok := s.producers[e.Producer]
	if !ok {
		s.forget()
		p = &sequence{next: seq, session: s.session}
		if seq > 1 && e.Dropped >= seq-1 {
			p.next = 1 // it had dropped all there were
		}
		s.producers[e.Producer] = p
	}
	p.seen = now
	if !ok && p.next == seq {
		p.dropped = e.Dropped // before our time
	}
	if seq < p.next {
		return p.late(seq), nil
	}
	if seq > p.next {
		gap = &Gap{
			Producer: e.Producer, App: e.App, Host: e.Host,
			First: p.next, Last: seq - 1,
			Time: now,
		}
		gap.Cause = p.cause(gap.Count(), e.Dropped, s.session)
		p.missing = append(p.missing, span{gap.First, gap.Last})
		if len(p.missing) > maxSpans {
			p.missing = slices.Delete(p.missing, 0, 1)
		}
	}
	p.next, p.dropped, p.session = seq+1, e.Dropped, s.session
	return true, gap
}

// cause says why n records are missing before one that came in this session
// with the producer's count of dropped records.
func (p *sequence) cause(n, dropped uint64, session int) string {
	lost := dropped - min(dropped, p.dropped)
	switch {
	case lost >= n:
		return "the producer dropped them, its buffer was full"
	case session != p.session && lost > 0:
		return fmt.Sprintf("the producer dropped %d, the others passed while this tail was disconnected", lost)
	case session != p.session:
		return "they passed while this tail was disconnected"
	case lost > 0:
		return fmt.Sprintf("the producer dropped %d, the broker the others from this tail's full queue", lost)
	}
	return "the broker dropped them from this tail's full queue"
}

// late reports whether seq was missing until now.
func (p *sequence) late(seq uint64) bool {
	for i, m := range p.missing {
		if seq < m.first || seq > m.last {
			continue
		}
		var rest []span
		if m.first < seq {
			rest = append(rest, span{m.first, seq - 1})
		}
		if seq < m.last {
			rest = append(rest, span{seq + 1, m.last})
		}
		p.missing = slices.Replace(p.missing, i, i+1, rest...)
		return true
	}
	return false
}

// forget makes room for another producer: the one that has been silent for
// longest goes.
func (s *sequences) forget() {
	if len(s.producers) < maxProducers {
		return
	}
	var oldest string
	for id, p := range s.producers {
		if oldest == "" || p.seen.Before(s.producers[oldest].seen) {
			oldest = id
		}
	}
	delete(s.producers, oldest)
}
