package broker

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// A guard slows down those who guess passwords. After a refused login, the next
// ones from the same address are looked at one at a time, with a pause between
// them that doubles with each refusal. A login that is right is looked at in
// its turn too: answering it sooner would tell the two apart.
//
// It remembers guardSize addresses, and each for guardMemory after its last
// refusal.
type guard struct {
	mu    sync.Mutex
	peers map[netip.Addr]*suspect // guarded by mu
}

// A suspect is an address with refused logins. Guarded by guard.mu.
type suspect struct {
	refusals int       // those included that are being looked at
	last     time.Time // of the refusals
	next     time.Time // when another login may be looked at
}

const (
	guardSize     = 1024
	guardMemory   = time.Minute
	guardPause    = 100 * time.Millisecond // after the first refusal
	guardMaxPause = time.Second
	guardMaxWait  = 5 * time.Second // longer queues are refused without a look
)

// pause returns how long the next login waits.
func (p *suspect) pause() time.Duration {
	return min(guardPause<<min(p.refusals-1, 10), guardMaxPause)
}

// addressOf returns what a guard knows a peer by. An IPv6 network counts as
// one peer, since whoever has one has all of it.
func addressOf(addr net.Addr) netip.Addr {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	a := tcp.AddrPort().Addr().Unmap()
	if p, err := a.Prefix(64); a.Is6() && err == nil {
		a = p.Addr()
	}
	return a
}

// wait waits until a login from addr may be looked at. It reports false when it
// may not: too many wait, or quit was closed.
func (g *guard) wait(addr netip.Addr, quit <-chan struct{}) bool {
	d := g.reserve(addr)
	switch {
	case d == 0:
		return true
	case d > guardMaxWait:
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-quit:
		return false
	}
}

// reserve takes the next turn and returns how long it is until then.
func (g *guard) reserve(addr netip.Addr) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := g.peers[addr]
	now := time.Now()
	switch {
	case p == nil:
		return 0
	case now.Sub(p.last) > guardMemory:
		delete(g.peers, addr)
		return 0
	}
	wait := max(p.next.Sub(now), 0)
	if wait <= guardMaxWait {
		p.refusals++ // unless it passes
		p.next = now.Add(wait + p.pause())
	}
	return wait
}

// failed notes a refusal.
func (g *guard) failed(addr netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := g.peers[addr]
	if p == nil {
		g.makeRoomLocked()
		p = &suspect{refusals: 1}
		g.peers[addr] = p
	}
	p.last = time.Now()
	if next := p.last.Add(p.pause()); next.After(p.next) {
		p.next = next
	}
}

// passed forgets the refusals of an address that is known to be good.
func (g *guard) passed(addr netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.peers, addr)
}

// makeRoomLocked forgets who has been quiet, and if nobody was, whoever was
// refused longest ago.
func (g *guard) makeRoomLocked() {
	if len(g.peers) < guardSize {
		return
	}
	var oldest netip.Addr
	var last time.Time
	for addr, p := range g.peers {
		if time.Since(p.last) > guardMemory {
			delete(g.peers, addr)
		} else if last.IsZero() || p.last.Before(last) {
			oldest, last = addr, p.last
		}
	}
	if len(g.peers) >= guardSize {
		delete(g.peers, oldest)
	}
}
