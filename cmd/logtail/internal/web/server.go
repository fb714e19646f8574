package web

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"embed"
	"errors"
	"io/fs"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/slogcast/slogcast/cmd/logtail/internal/view"
)

//go:embed assets
var assets embed.FS

// Config are the settings of a Server.
type Config struct {
	Ring *view.Ring // what is shown

	// Title is what the page is called: the exchange, say.
	Title string

	// Token opens the page, or, if it is empty, User and Password do. One of both
	// is needed.
	Token          string
	User, Password string

	// Hosts are further names by which the page is reached. Those of this machine's
	// loopback, and the address that a request has come to, always count.
	Hosts []string

	// Secure says that browsers reach the page by https only.
	Secure bool

	// TLS has Serve speak it. Its NextProtos should name h2, over which a browser may
	// have any number of pages open; of HTTP/1.1 it is six.
	TLS *tls.Config

	// OpenMetrics has /metrics answer who has not logged in.
	OpenMetrics bool
}

const (
	maxConnections = 512
	maxHeader      = 32 << 10
	maxBody        = 4 << 10 // of POST /api/session

	readTimeout  = 10 * time.Second // of a request
	writeTimeout = 60 * time.Second // of a part of an answer: who takes nothing for so long is left
	idleTimeout  = 2 * time.Minute
)

// Server serves a ring's rows.
type Server struct {
	cfg     Config
	login   *login
	run     string // names this ring: positions are of no other one
	began   time.Time
	viewers viewers
	cache   cache
	served  atomic.Uint64 // rows that were sent
	skipped atomic.Uint64 // rows that viewers were told they have missed
}

// New returns a server. It needs a token or a password.
func New(cfg Config) (*Server, error) {
	if cfg.Token == "" && (cfg.User == "" || cfg.Password == "") {
		return nil, errors.New("a page needs a token, or user and password")
	}
	return &Server{cfg: cfg, login: newLogin(cfg), run: rand.Text(), began: time.Now()}, nil
}

// Handler returns all routes, guarded.
func (s *Server) Handler() http.Handler {
	files, err := fs.Sub(assets, "assets")
	if err != nil {
		panic(err) // the name is a constant
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, req *http.Request) {
		http.ServeFileFS(w, req, files, "index.html")
	})
	mux.Handle("GET /assets/", http.StripPrefix("/assets/", http.FileServerFS(files)))
	mux.HandleFunc("GET /healthz", s.health)
	mux.HandleFunc("GET /api/session", s.session)
	mux.HandleFunc("POST /api/session", s.open)
	for route, handle := range map[string]http.HandlerFunc{
		"GET /api/rows": s.rows, "GET /api/record": s.record, "GET /api/histogram": s.histogram,
		"GET /api/download": s.download, "GET /metrics": s.metrics,
	} {
		if route == "GET /metrics" && s.cfg.OpenMetrics {
			mux.HandleFunc(route, handle)
			continue
		}
		mux.HandleFunc(route, s.login.required(handle))
	}
	return s.guard(mux)
}

// Serve answers what comes to the listener until ctx ends, and then ends the
// connections.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	server := &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeader,
		BaseContext:    func(net.Listener) context.Context { return ctx },
		ErrorLog:       log.New(discard{}, "", 0), // what browsers and scanners do wrong
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		_ = server.Close() // the rows go on elsewhere, or not at all
	})
	limit := &limited{Listener: l, room: make(chan struct{}, maxConnections), closed: make(chan struct{}), idle: make(map[net.Conn]struct{})}
	server.ConnState = limit.state
	bounded := net.Listener(limit)
	if s.cfg.TLS != nil {
		server.TLSConfig = s.cfg.TLS
		bounded = tls.NewListener(bounded, s.cfg.TLS)
	}
	err := server.Serve(bounded)
	if !stop() {
		<-ended
		if errors.Is(err, http.ErrServerClosed) {
			return nil
		}
	}
	return err
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

// limited is a listener with a bound on open connections. One that waits for its
// next request makes room for another; where none does, others wait until the
// system refuses them.
type limited struct {
	net.Listener
	room   chan struct{}
	once   sync.Once
	closed chan struct{} // closed by Close

	mu   sync.Mutex            // guards what follows
	full bool                  // somebody waits for room
	idle map[net.Conn]struct{} // connections between two requests
}

func (l *limited) Accept() (net.Conn, error) {
	if err := l.enter(); err != nil {
		return nil, err
	}
	conn, err := l.Listener.Accept()
	if err != nil {
		<-l.room
		return nil, err
	}
	return &counted{Conn: conn, leave: sync.OnceFunc(func() { <-l.room })}, nil
}

// enter waits for room.
func (l *limited) enter() error {
	select {
	case l.room <- struct{}{}:
		return nil
	default:
	}
	l.wanted(true)
	defer l.wanted(false)
	select {
	case l.room <- struct{}{}:
		return nil
	case <-l.closed:
		return net.ErrClosed
	}
}

// wanted says whether room is wanted, and has one that is idle make it.
func (l *limited) wanted(is bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.full = is
	if !is {
		return
	}
	for conn := range l.idle {
		l.full = false // one is enough
		l.end(conn)
		return
	}
}

// state is told of each connection of the server.
func (l *limited) state(conn net.Conn, state http.ConnState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.idle, conn)
	if state != http.StateIdle {
		return
	}
	l.idle[conn] = struct{}{}
	if l.full {
		l.full = false
		l.end(conn)
	}
}

func (l *limited) end(conn net.Conn) {
	delete(l.idle, conn)
	go conn.Close() // TLS says goodbye, which may take long
}

func (l *limited) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type counted struct {
	net.Conn
	leave func()
}

func (c *counted) Close() error {
	c.leave()
	return c.Conn.Close()
}
