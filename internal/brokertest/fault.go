package brokertest

import (
	"math/rand/v2"
	"net"
	"time"
)

// Fault is what a Proxy does to the bytes in one direction.
type Fault struct {
	// Hole makes bytes vanish, as a firewall does that has forgotten the
	// connection.
	Hole bool

	// Hold reads nothing, so that the sender's and the receiver's socket buffers
	// fill, as behind a peer that has stopped.
	Hold bool

	// Delay and Jitter hold every piece back, for Delay plus or minus Jitter.
	Delay, Jitter time.Duration

	// Rate is the most bytes a second. If zero, there is no limit.
	Rate int

	// Slice is the most bytes passed on at a time. If zero, they go as they come.
	Slice int
}

// piece is what was read at once, and when to pass it on.
type piece struct {
	data []byte
	due  time.Time
}

// pass copies bytes from one side to the other, with the faults of the
// direction, until either ends; then it ends both.
func (p *Proxy) pass(d Direction, to, from net.Conn) {
	pieces := make(chan piece, 1024) // what is under way with a Delay
	done := make(chan struct{})
	p.working.Go(func() {
		defer close(done)
		p.deliver(d, to, pieces)
		// The sender may have ended in the midst; so does the receiver's stream.
		from.Close()
		to.Close()
		for range pieces {
		}
	})
	p.collect(d, from, pieces)
	close(pieces)
	<-done
}

// collect reads pieces until the connection ends.
func (p *Proxy) collect(d Direction, from net.Conn, pieces chan<- piece) {
	buf := make([]byte, 32<<10)
	for {
		for f, changed := p.fault(d); f.Hold; f, changed = p.fault(d) {
			if !p.knows(from) {
				return
			}
			select {
			case <-changed:
			case <-time.After(50 * time.Millisecond): // the connection may be cut
			}
		}
		n, err := from.Read(buf)
		if n > 0 {
			f, _ := p.fault(d)
			due := time.Now().Add(f.Delay)
			if f.Jitter > 0 {
				due = due.Add(rand.N(2*f.Jitter) - f.Jitter)
			}
			pieces <- piece{append([]byte(nil), buf[:n]...), due}
		}
		if err != nil {
			return
		}
	}
}

// knows reports whether the connection is still to be carried.
func (p *Proxy) knows(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.conns[c]
	return ok
}

// deliver passes pieces on until one can't be, or there are no more.
func (p *Proxy) deliver(d Direction, to net.Conn, pieces <-chan piece) {
	for one := range pieces {
		if wait := time.Until(one.due); wait > 0 {
			time.Sleep(wait) // this is the fault
		}
		for data := one.data; len(data) > 0; {
			f, _ := p.fault(d)
			if f.Hole {
				break
			}
			n := len(data)
			if f.Slice > 0 {
				n = min(n, f.Slice)
			}
			if f.Rate > 0 {
				n = min(n, max(1, f.Rate/100))
				time.Sleep(time.Duration(n) * time.Second / time.Duration(f.Rate)) // this is the fault
			}
			allowed, cut := p.allow(d, n)
			if _, err := to.Write(data[:allowed]); err != nil {
				return
			}
			if cut {
				to.Close() // in order: what was allowed arrives
				p.Cut()
				return
			}
			data = data[n:]
		}
	}
}

func (p *Proxy) fault(d Direction) (Fault, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.faults[d], p.changed
}

// allow returns how many of n bytes may pass, and whether that is the end.
func (p *Proxy) allow(d Direction, n int) (allowed int, cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if d != ToBroker || p.cutAt < 0 {
		return n, false
	}
	if n < p.cutAt {
		p.cutAt -= n
		return n, false
	}
	allowed, p.cutAt = p.cutAt, -1
	return allowed, true
}
