package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"sync"
	"syscall"
	"time"
)

// A Server is a running broker.
type Server struct {
	cfg   Config // immutable
	ln    net.Listener
	start time.Time      // what Server.now counts from
	wg    sync.WaitGroup // every goroutine of the server

	closeOnce sync.Once

	guard  guard     // has its own lock
	timers *schedule // guarded by mu
	memory memory    // guarded by mu

	// mu guards all state that clients share: exchanges, queues, consumers,
	// deliveries. Nothing is done under it that can wait for a client.
	// It may be held when an outbox's lock is taken, never the reverse.
	mu        sync.Mutex
	closed    bool
	conns     map[*conn]struct{} // handshakes included
	greeting  int                // of conns, in their handshake
	open      int                // of conns, past their handshake and not yet abandoned
	channels  int                // open on all conns
	exchanges map[string]*exchange
	queues    map[string]*queue
	router    router
	dead      []death  // what unlock sends on
	waking    []*queue // where unlock delivers
	bindings  int
	consumers int
	pumps     uint64 // calls of channel.pumpLocked
	totals    totals
}

// Listen starts a broker; nil is the default Config. It serves in goroutines
// of its own until Close.
func Listen(cfg *Config) (*Server, error) {
	c := cfg.withDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	ln, err := net.Listen(c.network(), c.Addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("broker: %s is in use, perhaps by a RabbitMQ on this machine: use that one or another address: %w", c.Addr, err)
	}
	if err != nil {
		return nil, fmt.Errorf("broker: listen: %w", err)
	}
	s := newServer(c)
	s.ln = ln
	if c.TLS != nil {
		s.ln = tls.NewListener(ln, c.TLS)
	} else if !c.loopback() {
		c.Logger.Warn("broker: logs and passwords cross the network in the clear: no TLS is configured", "addr", ln.Addr().String())
	}
	s.wg.Go(s.accept)
	return s, nil
}

// newServer returns a server without a listener.
func newServer(cfg Config) *Server {
	s := &Server{
		cfg:       cfg,
		start:     time.Now(),
		conns:     make(map[*conn]struct{}),
		exchanges: predeclared(),
		queues:    make(map[string]*queue),
		timers:    newSchedule(),
		guard:     guard{peers: make(map[netip.Addr]*suspect)},
		memory:    memory{changed: make(chan struct{}, 1)},
	}
	s.wg.Go(s.runTimers)
	s.wg.Go(s.reportAlarms)
	return s
}

// Addr returns the address the server listens on.
func (s *Server) Addr() net.Addr { return s.ln.Addr() }

// URL returns what a client dials. It holds the password only if that is the
// default one, so it may be printed; see DialURL. It ends with the port, since
// clients disagree about a path of "/": some take it for the virtual host "/",
// others for one without a name.
func (s *Server) URL() string {
	if s.cfg.User == guest && s.cfg.Password == guest {
		return s.DialURL()
	}
	return s.url(url.User(s.cfg.User))
}

// DialURL returns the URL with the password.
func (s *Server) DialURL() string {
	return s.url(url.UserPassword(s.cfg.User, s.cfg.Password))
}

func (s *Server) url(user *url.Userinfo) string {
	u := url.URL{Scheme: "amqp", User: user, Host: s.Addr().String()}
	if s.cfg.TLS != nil {
		u.Scheme = "amqps"
	}
	return u.String()
}

// accept runs until the listener is closed.
func (s *Server) accept() {
	for {
		nc, err := s.ln.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			// Out of file descriptors, most likely: others must end first.
			s.cfg.Logger.Warn("broker: accept failed", "err", err)
			if !s.pause(100 * time.Millisecond) {
				return
			}
		default:
			// Registered here, so that who came last is last to make room.
			if c := s.newConn(nc); c != nil {
				s.wg.Go(func() { s.serve(c) })
			}
		}
	}
}

// pause waits, and reports false if the server is closed meanwhile.
func (s *Server) pause(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-s.timers.quit:
		return false
	}
}

// ServeConn serves one connection until it ends, and closes it.
func (s *Server) ServeConn(nc net.Conn) {
	if c := s.newConn(nc); c != nil {
		s.serve(c)
	}
}

// newConn registers a connection, or closes it when the server is closed.
func (s *Server) newConn(nc net.Conn) *conn {
	c := newConn(s, nc)
	if !s.add(c) {
		nc.Close()
		return nil
	}
	return c
}

func (s *Server) serve(c *conn) {
	defer s.remove(c)
	c.serve()
}

// add registers a new connection. When too many are in their handshake the
// one that has been at it for longest makes room, so that clients who connect
// and say nothing can't keep others out.
func (s *Server) add(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	if s.greeting >= maxHandshakes {
		s.dropOldestGreetingLocked()
	}
	s.greeting++
	s.conns[c] = struct{}{}
	return true
}

func (s *Server) dropOldestGreetingLocked() {
	var oldest *conn
	for c := range s.conns {
		if !c.opened && !c.evicted && (oldest == nil || c.since.Before(oldest.since)) {
			oldest = c
		}
	}
	if oldest != nil {
		oldest.evicted = true
		oldest.cut()
	}
}

// maxHandshakes is how many connections may be in their handshake at a time.
const maxHandshakes = 64

func (s *Server) remove(c *conn) {
	s.mu.Lock()
	delete(s.conns, c)
	if !c.opened {
		s.greeting--
	}
	s.mu.Unlock()
	close(c.done)
}

// Close closes the listener and all connections, telling clients why, and
// waits until every goroutine has ended. All messages are gone then. Further
// calls do nothing.
func (s *Server) Close() error {
	s.closeOnce.Do(func() {
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
		if s.ln != nil {
			s.ln.Close()
		}
		close(s.timers.quit)
		s.CloseConnections()
		s.wg.Wait()
	})
	return nil
}

// CloseConnections asks all clients to leave, with the code and text of an
// administrator's order in RabbitMQ, and waits until they are gone. Who does
// not answer within a second is cut.
func (s *Server) CloseConnections() {
	s.endConnections((*conn).shutdown)
}

// DropConnections cuts all connections without a word, as a broken network
// does, and waits until they are gone.
func (s *Server) DropConnections() {
	s.endConnections((*conn).cut)
}

func (s *Server) endConnections(end func(*conn)) {
	s.mu.Lock()
	var conns []*conn
	for c := range s.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	for _, c := range conns {
		end(c)
	}
	for _, c := range conns {
		<-c.done
	}
}

// now returns the time in nanoseconds from a monotonic clock. It is never 0.
func (s *Server) now() int64 { return int64(time.Since(s.start)) + 1 }

// log writes a notice about one connection.
func (s *Server) log(c *conn, msg string, err error) {
	s.cfg.Logger.LogAttrs(context.Background(), levelOf(err), msg, connAttrs(c, err)...)
}
