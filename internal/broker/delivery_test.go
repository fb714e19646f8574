package broker

import (
	"container/heap"
	"slices"
	"testing"
)

// tagsOf returns the tags of deliveries, without holes.
func tagsOf(ds []delivery) []uint64 {
	var tags []uint64
	for _, d := range ds {
		if d.queue != nil {
			tags = append(tags, d.tag)
		}
	}
	return tags
}

func TestDeliveriesTake(t *testing.T) {
	type step struct {
		tag      uint64
		multiple bool
		want     []uint64 // nil for an unknown tag
		left     int
	}
	for _, test := range []struct {
		name  string
		steps []step
	}{
		{"in order", []step{{1, false, []uint64{1}, 4}, {2, false, []uint64{2}, 3}, {1, false, nil, 3}}},
		{"multiple", []step{{3, true, []uint64{1, 2, 3}, 2}, {3, true, nil, 2}, {5, true, []uint64{4, 5}, 0}}},
		{"all", []step{{0, true, []uint64{1, 2, 3, 4, 5}, 0}, {0, true, nil, 0}}},
		{"holes", []step{{2, false, []uint64{2}, 4}, {2, false, nil, 4}, {4, false, []uint64{4}, 3}, {5, true, []uint64{1, 3, 5}, 0}}},
		{"hole at the front", []step{{2, false, []uint64{2}, 4}, {1, false, []uint64{1}, 3}, {3, false, []uint64{3}, 2}}},
		{"mostly holes", []step{{2, false, []uint64{2}, 4}, {3, false, []uint64{3}, 3}, {4, false, []uint64{4}, 2}, {5, false, []uint64{5}, 1}, {1, false, []uint64{1}, 0}}},
		{"never delivered", []step{{6, false, nil, 5}, {6, true, nil, 5}, {0, false, nil, 5}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var d deliveries
			for tag := range uint64(5) {
				d.push(delivery{tag: tag + 1, queue: new(queue)})
			}
			for _, s := range test.steps {
				if got := tagsOf(d.take(s.tag, s.multiple)); !slices.Equal(got, s.want) || d.count() != s.left {
					t.Errorf("take(%d, %t): got %v with %d left, want %v with %d", s.tag, s.multiple, got, d.count(), s.want, s.left)
				}
			}
		})
	}
}

// TestDeliveriesSpace tests that settling in any order keeps the space of what
// is outstanding.
func TestDeliveriesSpace(t *testing.T) {
	q := new(queue)
	for name, settle := range map[string]func(d *deliveries, tag uint64){
		"in order": func(d *deliveries, tag uint64) { d.take(tag, false) },
		"all but the first": func(d *deliveries, tag uint64) {
			if tag > 1 {
				d.take(tag, false)
			}
		},
		"in batches": func(d *deliveries, tag uint64) {
			if tag%100 == 0 {
				d.take(tag, true)
			}
		},
	} {
		var d deliveries
		for tag := uint64(1); tag <= 100000; tag++ {
			d.push(delivery{tag: tag, queue: q})
			settle(&d, tag)
		}
		if n := cap(d.space); n > 1000 {
			t.Errorf("%s: space for %d deliveries where %d are outstanding", name, n, d.count())
		}
	}
}

func TestFifo(t *testing.T) {
	var f fifo
	next := uint64(0)
	for n := range uint64(5000) {
		f.push(entry{position: n})
		if n%3 != 0 {
			if got := f.front().position; got != next {
				t.Fatalf("front: got %d, want %d", got, next)
			}
			if got := f.pop().position; got != next {
				t.Fatalf("pop: got %d, want %d", got, next)
			}
			next++
		}
	}
	for f.len() > 0 {
		if got := f.pop().position; got != next {
			t.Fatalf("pop: got %d, want %d", got, next)
		}
		next++
	}
	if next != 5000 || len(f.ring) > 1024 {
		t.Errorf("got %d entries and a ring of %d at the end, want 5000 and at most 1024", next, len(f.ring))
	}
}

// TestDeliveriesForget tests that a delivery leaves no copy of itself behind.
func TestDeliveriesForget(t *testing.T) {
	var d deliveries
	q, msg := new(queue), new(message)
	for tag := uint64(1); tag <= 1000; tag++ {
		d.push(delivery{tag: tag, queue: q, entry: entry{msg: msg}})
		if tag > 8 {
			clear(d.take(tag-8, false)) // as settleLocked does
		}
		held := 0
		for _, v := range d.space[:cap(d.space)] {
			if v.entry.msg != nil {
				held++
			}
		}
		if held > d.count() {
			t.Fatalf("%d messages are held by %d deliveries", held, d.count())
		}
	}
}

// TestSpaceIsGivenBack tests that what grew large shrinks with its contents.
func TestSpaceIsGivenBack(t *testing.T) {
	const n, left = 100000, 10
	var d deliveries
	var f fifo
	var h returnedHeap
	q := new(queue)
	for i := range uint64(n) {
		d.push(delivery{tag: i + 1, queue: q})
		f.push(entry{position: i})
		heap.Push(&h, entry{position: i})
	}
	for i := range uint64(n - left) {
		d.take(i+1, false)
		if a, b := f.pop().position, heap.Pop(&h).(entry).position; a != i || b != i {
			t.Fatalf("got %d and %d, want %d", a, b, i)
		}
	}
	if cap(d.space) > 2048 || len(f.ring) > 2048 || cap(h) > 2048 {
		t.Errorf("got space for %d deliveries, %d and %d entries, want little more than for %d", cap(d.space), len(f.ring), cap(h), left)
	}
	if got := tagsOf(d.list); len(got) != left || got[0] != n-left+1 {
		t.Errorf("got deliveries %v, want the last %d", got, left)
	}
}
