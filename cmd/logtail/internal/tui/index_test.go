package tui

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// An index answers as a sorted list of the positions does.
func TestIndex(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 0))
		var x index
		start := 100 + random.Uint64N(100)
		x.restart(start)
		var want []uint64
		for range 200 {
			switch random.IntN(8) {
			case 0, 1, 2:
				if random.IntN(2) == 0 {
					x.newer = append(x.newer, x.high)
					want = append(want, x.high)
				}
				x.high++
			case 3, 4, 5:
				if x.low > 0 {
					x.low--
					if random.IntN(2) == 0 {
						x.older = append(x.older, x.low)
						want = slices.Insert(want, 0, x.low)
					}
				}
			case 6:
				if random.IntN(20) == 0 {
					first := x.low + random.Uint64N(x.high-x.low+2)
					x.forget(first)
					want = slices.DeleteFunc(want, func(p uint64) bool { return p < first })
				}
			}
			position := random.Uint64N(x.high + 3)
			at, has := slices.BinarySearch(want, position)
			if x.len() != len(want) || x.find(position) != at || x.has(position) != has {
				t.Fatalf("seed %d: find(%d) = %d, has = %t, of %d; want %d, %t of %v", seed, position, x.find(position), x.has(position), x.len(), at, has, want)
			}
			for i := range want {
				if x.get(i) != want[i] {
					t.Fatalf("seed %d: get(%d) = %d, want %d", seed, i, x.get(i), want[i])
				}
			}
			before, ok := x.before(position)
			if ok != (at > 0) || ok && before != want[at-1] {
				t.Fatalf("seed %d: before(%d) = %d, %t", seed, position, before, ok)
			}
			if has {
				at++
			}
			after, ok := x.after(position)
			if ok != (at < len(want)) || ok && after != want[at] {
				t.Fatalf("seed %d: after(%d) = %d, %t", seed, position, after, ok)
			}
		}
	}
}
