package brokertest

import (
	"io"
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

	mu    sync.Mutex // guards what follows
	down  bool
	conns map[net.Conn]struct{}
}

// Proxy returns a proxy in front of the broker. It ends with the test.
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
	p := &Proxy{target: u.Host, listener: l, conns: make(map[net.Conn]struct{})}
	u.Host = l.Addr().String()
	p.URL = u.String()
	p.working.Go(p.serve)
	t.Cleanup(func() {
		l.Close()
		p.Down()
		p.working.Wait()
	})
	return p
}

// Cut ends every connection at once, with a reset.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // makes Close send a reset
		}
		c.Close()
	}
}

// Down cuts, and refuses connections until Up.
func (p *Proxy) Down() {
	p.mu.Lock()
	p.down = true
	p.mu.Unlock()
	p.Cut()
}

// Up takes connections again.
func (p *Proxy) Up() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = false
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
	broker, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer broker.Close()
	if !p.enter(client, broker) {
		return
	}
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{client, broker}, {broker, client}} {
		both.Go(func() {
			_, _ = io.Copy(way[0], way[1]) // ends when either is closed
			way[0].Close()
			way[1].Close()
		})
	}
	both.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, client)
	delete(p.conns, broker)
}

// enter notes the two ends, unless the proxy is down.
func (p *Proxy) enter(client, broker net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		return false
	}
	p.conns[client] = struct{}{}
	p.conns[broker] = struct{}{}
	return true
}
