package faults

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"strconv"

	"github.com/slogcast/slogcast/sink"
)

// record is the body of a numbered record.
type record struct {
	P    string `json:"p"`    // which producer of the run
	N    int    `json:"n"`    // from 1
	Sum  string `json:"sum"`  // follows from the others, so that a change shows
	Fill string `json:"fill"` // as long as the producer makes it
}

// loss is the body of the record in which a handler says what it has shed. It
// has no number.
type loss struct {
	Msg     string `json:"msg"`
	Dropped int    `json:"dropped"`
}

const lossMessage = "slogcast: records were dropped"

// sum is a text that only this record has.
func sum(p string, n int) string {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s/%d", p, n)
	return strconv.FormatUint(h.Sum64(), 16)
}

// numbers is what was seen of the records of one handler, which numbers its
// own as well.
type numbers struct {
	times map[uint64]int // by sequence number
	last  uint64         // highest sequence number
	late  int            // first sightings below one seen before
	told  map[uint64]bool
	again []string // the first sightings that were not the first of their record
}

// sightings are the records that one reader saw, by the handlers' UUIDs.
type sightings struct {
	handlers   map[string]*numbers
	names      map[string]string // of producers, by UUID
	byRecord   map[string]uint64 // p/n to sequence number
	unexpected []string
	losses     int // records that say what was shed
	shed       int // in all of them
}

func newSightings() *sightings {
	return &sightings{handlers: map[string]*numbers{}, names: map[string]string{}, byRecord: map[string]uint64{}}
}

func (s *sightings) handler(id string) *numbers {
	h, ok := s.handlers[id]
	if !ok {
		h = &numbers{times: map[uint64]int{}, told: map[uint64]bool{}}
		s.handlers[id] = h
	}
	return h
}

// see notes a record. attempted returns how many were logged under a name, and
// how long their fill is.
func (s *sightings) see(id string, seq uint64, body []byte, attempted func(name string) (n, fill int)) {
	var l loss
	if id == "" && json.Unmarshal(body, &l) == nil && l.Msg == lossMessage {
		s.losses++
		s.shed += l.Dropped
		return
	}
	var r record
	h := s.handler(id)
	err := json.Unmarshal(body, &r)
	key := r.P + "/" + strconv.Itoa(r.N)
	other, again := s.byRecord[key]
	name, known := s.names[id]
	most, fill := attempted(r.P)
	switch {
	case err != nil, r.N < 1, r.N > most, r.Sum != sum(r.P, r.N), len(r.Fill) != fill,
		known && name != r.P, again && other != seq:
		if len(s.unexpected) < 10 {
			s.unexpected = append(s.unexpected, fmt.Sprintf("#%d %.100s", seq, body))
		}
		return
	}
	s.names[id], s.byRecord[key] = r.P, seq
	h.times[seq]++
	switch {
	case h.times[seq] > 1:
		if len(h.again) < 20 {
			h.again = append(h.again, fmt.Sprintf("#%d behind #%d", seq, h.last))
		}
	case seq < h.last:
		h.late++
	}
	h.last = max(h.last, seq)
}

// tell notes a gap.
func (s *sightings) tell(g *sink.Gap) {
	h := s.handler(g.Producer)
	for _, span := range g.Spans {
		for seq := span.First; seq <= span.Last; seq++ {
			h.told[seq] = true
		}
	}
}

// takeBack notes that what was told has come.
func (s *sightings) takeBack(g *sink.Gap) {
	h := s.handler(g.Producer)
	for _, span := range g.Spans {
		for seq := span.First; seq <= span.Last; seq++ {
			delete(h.told, seq)
		}
	}
}

// of returns what was seen of a producer, by its name.
func (s *sightings) of(name string) *numbers {
	for id, known := range s.names {
		if known == name {
			return s.handlers[id]
		}
	}
	return &numbers{}
}

// repeats returns how many sightings were not the first.
func (n *numbers) repeats() (sum int) {
	for _, times := range n.times {
		sum += times - 1
	}
	return sum
}

// silent returns how many of the records up to last were neither seen nor told
// to be missing, and how many were told although they were seen in the end.
func (n *numbers) silent(last uint64) (silent, told, wrong int) {
	for seq := uint64(1); seq <= last; seq++ {
		switch seen := n.times[seq] > 0; {
		case !seen && !n.told[seq]:
			silent++
		case !seen:
			told++
		case n.told[seq]:
			wrong++
		}
	}
	return silent, told, wrong
}
