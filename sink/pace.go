package sink

// pace chooses how many messages the broker may hand over before they are
// acknowledged, which it counts in messages alone: few while they are large, so
// that no more than about underWay bytes are. It begins with few,
// as what waits is not known.
//
// RabbitMQ takes another prefetch for new consumers only (quorum queues and
// streams have no other kind), so that a change is a cancel and a new consumer;
// what was handed over stays ours, and its order is kept.
type pace struct {
	most     int     // Config.Prefetch
	prefetch int     // of the consumer that runs, or is to be started
	size     float64 // of the largest of the last messages
}

const (
	firstPrefetch = 8
	underWay      = 6 << 20 // bytes

	// memory is about how many messages a large one is remembered for. Batches of one
	// producer are of all sizes, as more or less has gathered.
	memory = 4096
)

func newPace(most int) pace { return pace{most: most, prefetch: min(firstPrefetch, most)} }

// saw notes a message's size. Smaller ones take away from it little by little.
func (p *pace) saw(size int) { p.size = max(float64(size), p.size*(1-1.0/memory)) }

// fits is the prefetch for messages of that size.
func (p *pace) fits() int { return max(1, min(p.most, int(underWay/max(1, p.size)))) }

// wider reports whether another consumer should have more, and sets how much.
func (p *pace) wider() bool {
	if fits := min(p.fits(), 16*p.prefetch); fits >= 2*p.prefetch || fits > p.prefetch && fits == p.most {
		p.prefetch = fits
		return true
	}
	return false
}

// narrow sets what the next consumer has after this one handed over too much.
func (p *pace) narrow() { p.prefetch = min(p.prefetch, p.fits()) }
