package link

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// buffered is how many bytes are read from the network, or held for it, at a
// time. The library alone reads 4 KiB and writes every message by itself.
const buffered = 64 << 10

// socket is the connection below amqp091-go, and below TLS.
type socket struct {
	net.Conn
	timeout   time.Duration
	handshake func() bool           // ends the handshake's deadline
	failure   atomic.Pointer[error] // of a write, set once
	in        *bufio.Reader         // owned by the library's reader

	mu     sync.Mutex // guards what follows
	corked bool
	held   []byte // written while corked
}

func newSocket(c net.Conn, timeout time.Duration, handshake func() bool) *socket {
	return &socket{Conn: c, timeout: timeout, handshake: handshake, in: bufio.NewReaderSize(c, buffered)}
}

func (s *socket) Read(p []byte) (int, error) { return s.in.Read(p) }

// Write writes p, or holds it until uncork. After an error the stream may be cut
// within a frame, and nothing but closing it helps.
func (s *socket) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.corked && len(s.held)+len(p) <= buffered {
		s.held = append(s.held, p...)
		return len(p), nil
	}
	if err := s.flushLocked(); err != nil {
		return 0, err
	}
	return s.sendLocked(p)
}

// cork has writes held, until there are many bytes of them or uncork.
func (s *socket) cork() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.corked = true
}

// uncork writes what is held.
func (s *socket) uncork() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.corked = false
	return s.flushLocked()
}

func (s *socket) flushLocked() error {
	if len(s.held) == 0 {
		return nil
	}
	_, err := s.sendLocked(s.held)
	s.held = s.held[:0]
	return err
}

// sendLocked sets a deadline for every write.
func (s *socket) sendLocked(p []byte) (int, error) {
	if err := s.SetWriteDeadline(time.Now().Add(s.timeout)); err != nil {
		return 0, err
	}
	n, err := s.Conn.Write(p)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = fmt.Errorf("the broker has taken no bytes for %v: %w", s.timeout, err)
	}
	if err != nil {
		s.failure.CompareAndSwap(nil, &err)
		s.Conn.Close()
	}
	return n, err
}

// failed returns why a write failed, if one has. What the library says then is
// only that the socket is closed.
func (s *socket) failed() error {
	if err := s.failure.Load(); err != nil {
		return *err
	}
	return nil
}
