package sink

import (
	"container/list"
	"fmt"
	"hash/maphash"
	"slices"
	"time"

	"github.com/slogcast/slogcast/internal/envelope"
)

// sequences follows the sequence numbers of all producers, whatever they come
// from. Its memory is bounded, and a record costs the same however many came.
//
// Ids and numbers are what a message claims: anybody who may publish may use
// another's. So a record is held back only when the same body was seen with the
// same number; in any other case it is shown, and what can't be told is counted.
type sequences struct {
	producers  map[producerID]*producer
	young, old *list.List // of *producer, the one heard last in front; see hear
	seed       maphash.Seed
	sums       sums              // of what was shown
	connection int               // counts our own
	jumps      int               // counts where a history had lost records before they were read
	shared     bool              // others receive some of the records: what is missing is not judged
	full       time.Time         // when this tail's queue was last seen at its bound
	known      map[string]uint64 // Config.Known

	open  map[*producer]struct{} // with holes that are not told, or that were filled
	ready []Notice               // to be told now: more would be held than is bounded
	count counts
}

// counts are what is told in sums.
type counts struct {
	repeats   int // held back
	unsure    int // shown, with a number that was seen
	leaps     int // shown, with a number too far ahead to be followed
	producers int // forgotten
}

// producerID is who a message says to be of. The user is what the broker has
// checked, where a message has it: nobody else can take the number's place.
type producerID struct{ uuid, user string }

const (
	// maxProducers bounds the memory: each start of a program is a producer.
	maxProducers = 4096

	// maxHoles bounds it for one producer.
	maxHoles = 1024

	// farthest is how far ahead a number may be to be believed.
	farthest = 1 << 32

	// settle is how long a record may be missing before that is told: a producer
	// sends again what was not confirmed.
	settle = time.Second

	// grown is how many records make a producer old.
	grown = 16
)

func newSequences() *sequences {
	return &sequences{
		producers: make(map[producerID]*producer),
		young:     list.New(),
		old:       list.New(),
		seed:      maphash.MakeSeed(),
		sums:      sums{list.New()},
		open:      make(map[*producer]struct{}),
	}
}

// see notes a record. It reports whether to show it: a repeat is not. A producer
// may be first heard in the middle of its records: what came before is not
// missing, unless the producer itself says that it has dropped all of that.
func (s *sequences) see(e *envelope.Envelope, seq uint64, body []byte, now time.Time) (show bool) {
	if seq == 0 {
		return true
	}
	p := s.hear(e, seq)
	sum := maphash.Bytes(s.seed, body) + seq*0x9E3779B97F4A7C15
	switch {
	case seq > p.last && seq-p.last > farthest:
		s.count.leaps++
		return true
	case seq < p.last && p.last-seq > farthest:
		s.close(p) // it was the number before that was invented
		s.sums.forget(p, seq)
		p.first, p.last = seq, seq
	case seq > p.last:
		s.ahead(p, e, seq, now)
	case p.fill(seq):
		s.open[p] = struct{}{}
		if len(p.filled) >= maxHoles {
			s.tellFilled(p, now)
		}
		if len(p.holes) > 2*maxHoles { // by division
			s.trim(p, now)
		}
	case p.saw(seq, sum):
		s.count.repeats++
		return false
	case seq >= p.first:
		s.count.unsure++
	}
	s.sums.remember(p, seq, sum)
	p.seen = now
	return true
}

// ahead notes the next record of a producer, and the hole before it.
func (s *sequences) ahead(p *producer, e *envelope.Envelope, seq uint64, now time.Time) {
	if missing := seq - p.last - 1; missing > 0 && !s.shared {
		if len(p.holes) >= maxHoles {
			s.trim(p, now)
		}
		p.holes = append(p.holes, hole{
			Span:    Span{p.last + 1, seq - 1},
			dropped: min(missing, e.Dropped-min(e.Dropped, p.dropped)),
			away:    s.connection != p.connection,
			removed: s.jumps != p.jumps,
			before:  p.before,
			since:   p.seen,
			at:      now,
		})
		p.untold++
		s.open[p] = struct{}{}
	}
	p.last, p.dropped, p.connection, p.jumps, p.before = seq, e.Dropped, s.connection, s.jumps, false
}

// trim tells the holes of a producer, and forgets the older ones.
func (s *sequences) trim(p *producer, now time.Time) {
	s.tellHoles(p, now, 0)
	p.holes = slices.Delete(p.holes, 0, len(p.holes)-maxHoles/2)
}

// hear returns the producer of a record. Who has sent a few records makes room for
// others only when all of those have: invented ids do not push out real ones.
func (s *sequences) hear(e *envelope.Envelope, seq uint64) *producer {
	id := producerID{e.Producer, e.User}
	p, ok := s.producers[id]
	if !ok {
		if len(s.producers) >= maxProducers {
			s.forget()
		}
		p = &producer{id: id, first: seq, last: seq - 1, dropped: e.Dropped, connection: s.connection, jumps: s.jumps}
		switch last, known := s.known[e.Producer]; {
		case known:
			p.first, p.last, p.before = last+1, last, true
		case e.Dropped > 0 && e.Dropped >= seq-1 && seq <= farthest:
			p.first, p.last, p.dropped = 1, 0, 0 // it had dropped all there were
		}
		p.place = s.young.PushFront(p)
		s.producers[id] = p
	}
	p.app, p.host = e.App, e.Host
	if p.records++; p.records == grown {
		s.young.Remove(p.place)
		p.place = s.old.PushFront(p)
	} else if p.records > grown {
		s.old.MoveToFront(p.place)
	} else {
		s.young.MoveToFront(p.place)
	}
	return p
}

// forget makes room for another producer: the one that has been silent for
// longest goes, a young one while those are many.
func (s *sequences) forget() {
	from := s.old
	if s.young.Len() > maxProducers/4 || from.Len() == 0 {
		from = s.young
	}
	p := from.Remove(from.Back()).(*producer)
	s.close(p)
	s.sums.forget(p, 0)
	delete(s.producers, p.id)
	s.count.producers++
}

// close tells what there is to tell of a producer, and forgets its holes.
func (s *sequences) close(p *producer) {
	s.tellHoles(p, p.seen, 0)
	s.tellFilled(p, p.seen)
	p.holes = nil
	delete(s.open, p)
}

// report returns what is to be told by now: all there is, at the end.
func (s *sequences) report(now time.Time, all bool) []Notice {
	wait := settle
	if all {
		wait = 0
	}
	for p := range s.open {
		s.tellHoles(p, now, wait)
		s.tellFilled(p, now)
		if p.untold == 0 {
			delete(s.open, p)
		}
	}
	told := s.ready
	s.ready = nil
	for _, c := range []struct {
		n    *int
		text string
	}{
		{&s.count.repeats, "%d records came again, and are shown once"},
		{&s.count.unsure, "%d records have a number that was seen, with another content or too long ago to compare: they are shown; they may be repeated, or two programs use one id"},
		{&s.count.leaps, "%d records have a number too far ahead to be true: they are shown, their gaps are not told"},
		{&s.count.producers, "%d producers that were silent for longest are forgotten, to bound memory: repeats and gaps of theirs may not be noticed"},
	} {
		if *c.n > 0 {
			told = append(told, Notice{Remark: fmt.Sprintf(c.text, *c.n)})
			*c.n = 0
		}
	}
	return told
}
