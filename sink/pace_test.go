package sink

import (
	"math/rand/v2"
	"testing"
)

// TestPaceOfMixedSizes has batches of all sizes, as a producer sends them: another
// consumer for each would be a pause each.
func TestPaceOfMixedSizes(t *testing.T) {
	for _, most := range []int{1, 256, 1024, 65535} {
		random := rand.New(rand.NewPCG(1, 2))
		p := newPace(most)
		changes := 0
		for range 100_000 {
			p.saw(2000 + random.IntN(24_000))
			if p.wider() {
				changes++
			}
		}
		if want := min(most, underWay/26_000); changes > 4 || p.prefetch < want/2 || p.prefetch > want+want/2 {
			t.Errorf("most %d: prefetch %d after %d changes, want about %d", most, p.prefetch, changes, want)
		}
	}
}

// TestPaceFollowsSizes goes from small messages to large ones, and back.
func TestPaceFollowsSizes(t *testing.T) {
	p := newPace(1024)
	see := func(messages, size int) {
		for range messages {
			p.saw(size)
			p.wider()
		}
	}
	see(1000, 300)
	if p.prefetch != 1024 {
		t.Errorf("prefetch %d of small messages", p.prefetch)
	}
	see(1, 3<<20)
	p.narrow()
	if p.prefetch != 2 {
		t.Errorf("prefetch %d of messages of 3 MiB", p.prefetch)
	}
	see(1, 100<<20)
	p.narrow()
	if p.prefetch != 1 {
		t.Errorf("prefetch %d of messages of 100 MiB", p.prefetch)
	}
	see(20*memory, 300)
	if p.prefetch != 1024 {
		t.Errorf("prefetch %d of small messages again", p.prefetch)
	}
}
