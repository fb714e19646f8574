package link

import (
	"math/rand/v2"
	"net"
	"testing"
)

// TestAnswersInAnyOrder compares with a model what comes of random answers, to
// messages that are open or not.
func TestAnswersInAnyOrder(t *testing.T) {
	const window = 16
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 0))
		p, _ := newTestPublisher(nil, window, 0)
		said := map[uint64]answer{} // the first answer counts
		next, oldest := uint64(1), uint64(1)
		for range 500 {
			switch random.IntN(3) {
			case 0:
				if next-oldest == window {
					break
				}
				next++
				if err := p.Publish("", []byte{0, 0}, nil); err != nil {
					t.Fatal(err)
				}
			case 1:
				tag, multiple, positive := oldest-min(oldest, 2)+random.Uint64N(window), random.IntN(3) == 0, random.IntN(4) > 0
				p.answer(tag, multiple, positive)
				from := tag
				if multiple {
					from = 1
					if tag == 0 {
						tag = next - 1
					}
				}
				for ; from <= tag && from < next; from++ {
					if said[from] == none {
						said[from] = nack
						if positive {
							said[from] = ack
						}
					}
				}
			case 2:
				want := 0
				for said[oldest] == ack {
					oldest++
					want++
				}
				refused := want == 0 && said[oldest] == nack
				if refused {
					oldest++
					want = 1
				}
				if n, no := p.Answers(); n != want || no != refused {
					t.Fatalf("seed %d: got %d, %v, want %d, %v", seed, n, no, want, refused)
				}
			}
		}
	}
}

// TestPublishingAllocatesNothing holds what a message costs in memory, once the
// buffers are there.
func TestPublishingAllocatesNothing(t *testing.T) {
	p, _ := newTestPublisher(nil, 8, 0)
	p.frames.Conn = nowhere{}
	properties, body := make([]byte, 100), make([]byte, 250)
	tag := uint64(0)
	do := func() {
		tag++
		_ = p.Publish("shop.info", properties, body)
		_ = p.Flush()
		p.answer(tag, false, true)
		p.tell()
		<-p.Answered()
		if n, _ := p.Answers(); n != 1 {
			t.Fatal("no answer")
		}
	}
	do()
	if n := testing.AllocsPerRun(1000, do); n > 0 {
		t.Errorf("got %v allocations, want none", n)
	}
}

// nowhere takes all that is written.
type nowhere struct{ net.Conn }

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }
