package link

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// socket is the connection at the bottom, below TLS. Every write has a deadline.
type socket struct {
	net.Conn
	timeout   time.Duration
	handshake func() bool           // ends the handshake's deadline
	failure   atomic.Pointer[error] // of a write, set once
}

// Write writes p. After an error the stream may be cut within a frame, and
// nothing but closing it helps.
func (s *socket) Write(p []byte) (int, error) {
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
