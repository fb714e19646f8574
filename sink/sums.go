package sink

import (
	"cmp"
	"container/list"
	"slices"
)

// sums remembers, of all producers, which records were shown: a sum of number and
// body for each, in pages of consecutive numbers, so that numbers far apart take
// the room of those that came, and not of those between them. When there are too
// many pages, the one that was begun first makes room.
type sums struct{ pages *list.List } // of *page, that begun first in front

// page has the sums of pageSize numbers of a producer.
type page struct {
	owner  *producer
	number uint64        // of the first one, divided by pageSize
	place  *list.Element // in sums.pages
	sums   [pageSize]uint64
}

const (
	pageSize = 64

	// maxPages bounds the memory, to 10 MiB; there are more than maxProducers.
	// mostPages is for one producer: more than a handler sends again after a lost
	// connection, and what it logs while a node of a cluster hangs, and then goes on.
	maxPages, mostPages = 1 << 14, 1 << 11
)

// find returns where in p's pages the one with the number is, or belongs.
func (p *producer) find(number uint64) (at int, ok bool) {
	if n := len(p.pages); n > 0 && p.pages[n-1].number <= number { // as a rule
		if p.pages[n-1].number == number {
			return n - 1, true
		}
		return n, false
	}
	return slices.BinarySearchFunc(p.pages, number, func(pg *page, number uint64) int { return cmp.Compare(pg.number, number) })
}

// saw reports whether a number was seen with the same sum, as far as is known.
func (p *producer) saw(seq, sum uint64) bool {
	at, ok := p.find(seq / pageSize)
	return ok && p.pages[at].sums[seq%pageSize] == sum
}

// remember keeps the sum of a record.
func (s *sums) remember(p *producer, seq, sum uint64) {
	at, ok := p.find(seq / pageSize)
	if !ok {
		var pg *page
		switch {
		case len(p.pages) < mostPages:
			pg = s.room()
		case at == 0:
			return // older than all that is remembered
		default:
			pg = s.remove(p.pages[0])
		}
		*pg = page{owner: p, number: seq / pageSize}
		pg.place = s.pages.PushBack(pg)
		at, _ = p.find(pg.number) // a page may have made room
		p.pages = slices.Insert(p.pages, at, pg)
	}
	p.pages[at].sums[seq%pageSize] = sum
}

// room returns a page that is free. A producer keeps its last one: who logs little
// is not forgotten because of others that log much.
func (s *sums) room() *page {
	if s.pages.Len() < maxPages {
		return new(page)
	}
	for {
		first := s.pages.Front()
		if pg := first.Value.(*page); len(pg.owner.pages) > 1 {
			return s.remove(pg)
		}
		s.pages.MoveToBack(first)
	}
}

// remove takes a page from its owner.
func (s *sums) remove(pg *page) *page {
	s.pages.Remove(pg.place)
	at, _ := pg.owner.find(pg.number)
	pg.owner.pages = slices.Delete(pg.owner.pages, at, at+1)
	return pg
}

// forget forgets all of p's numbers from seq on.
func (s *sums) forget(p *producer, seq uint64) {
	at, _ := p.find((seq + pageSize - 1) / pageSize)
	for _, pg := range p.pages[at:] {
		s.pages.Remove(pg.place)
	}
	clear(p.pages[at:])
	p.pages = p.pages[:at]
}
