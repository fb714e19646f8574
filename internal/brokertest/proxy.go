package brokertest

import (
	"net"
	"net/url"
	"sync"
	"testing"
)

// Proxy stands between a client and a broker, and can fail in between.
type Proxy struct {
	URL string // the broker's URL, through the proxy

	target   string
	listener net.Listener
	working  sync.WaitGroup
	close    func()

	mu      sync.Mutex // guards what follows
	down    bool
	conns   map[net.Conn]struct{}
	faults  [2]Fault
	changed chan struct{} // closed and replaced when faults change
	cutAt   int           // bytes that may still pass to the broker; negative: any number
	dials   int
}

// Direction tells the two directions through a Proxy apart.
type Direction int

const (
	ToBroker Direction = iota
	ToClient
)

// Proxy returns a proxy in front of the broker. It ends with the test, or with
// its Close.
func (b *Broker) Proxy(t testing.TB) *Proxy {
	t.Helper()
	u, err := url.Parse(b.URL)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{target: u.Host, listener: l, conns: make(map[net.Conn]struct{}), changed: make(chan struct{}), cutAt: -1}
	u.Host = l.Addr().String()
	p.URL = u.String()
	p.working.Go(p.serve)
	p.close = sync.OnceFunc(func() {
		l.Close()
		p.Down()
		p.working.Wait()
	})
	t.Cleanup(p.close)
	return p
}

// Close ends the proxy and all that goes through it.
func (p *Proxy) Close() { p.close() }

// Cut ends every connection at once, with a reset.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cutLocked()
}

func (p *Proxy) cutLocked() {
	for c := range p.conns {
		reset(c)
	}
	clear(p.conns)
}

// reset closes a connection with a reset rather than in order.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	c.Close()
}

// CutAfter cuts once n more bytes have gone to the broker.
func (p *Proxy) CutAfter(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cutAt = n
}

// Down cuts, and refuses connections until Up.
func (p *Proxy) Down() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = true
	p.cutLocked()
}

// Up takes connections again.
func (p *Proxy) Up() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = false
}

// Fault sets what happens to bytes in one direction from now on. The zero Fault
// is none. After a Hole in the middle of a stream, only Cut makes sense.
func (p *Proxy) Fault(d Direction, f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults[d] = f
	close(p.changed)
	p.changed = make(chan struct{})
}

// Dials returns how many connections have been asked for.
func (p *Proxy) Dials() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dials
}

func (p *Proxy) serve() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.working.Go(func() { p.carry(client) })
	}
}

// carry copies both ways until either side ends.
func (p *Proxy) carry(client net.Conn) {
	defer client.Close()
	if !p.enter(client) {
		reset(client)
		return
	}
	defer p.leave(client)
	broker, err := net.Dial("tcp", p.target)
	if err != nil {
		reset(client)
		return
	}
	defer broker.Close()
	p.mu.Lock()
	p.conns[broker] = struct{}{}
	p.mu.Unlock()
	defer p.leave(broker)
	var both sync.WaitGroup
	both.Go(func() { p.pass(ToBroker, broker, client) })
	both.Go(func() { p.pass(ToClient, client, broker) })
	both.Wait()
}

// enter notes a new client, unless the proxy is down.
func (p *Proxy) enter(client net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dials++
	if p.down {
		return false
	}
	p.conns[client] = struct{}{}
	return true
}

func (p *Proxy) leave(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}
