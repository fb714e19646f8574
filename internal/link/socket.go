package link

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// quickly is how long Write waits for the network before it leaves the rest to
	// a goroutine.
	quickly = 10 * time.Millisecond

	// mostBacklog bounds what waits for the network. The library's methods and
	// heartbeats, and one write of a Publisher's, take far less.
	mostBacklog = 8 << 20
)

// socket is the connection at the bottom, below TLS. Its Write does not wait for
// a slow network: what that does not take at once waits in a backlog, so that
// neither the library's heartbeats nor whoever publishes is held up. A peer that
// is slow is not dead: only when nothing has moved in either direction for the
// time of silence, while something should, is the connection given up.
type socket struct {
	net.Conn
	stopDial func() bool  // ends the bound on the handshake
	silence  atomic.Int64 // a time.Duration
	moved    atomic.Int64 // when bytes last moved, in nanoseconds since start
	start    time.Time
	room     chan struct{} // has a value when the backlog has been written

	mu       sync.Mutex // guards what follows
	idle     *sync.Cond // told when busy ends
	busy     bool       // a goroutine writes the backlog
	backlog  []byte     // what comes behind what it writes
	spare    []byte     // memory for the next backlog
	accepted uint64     // bytes given to Write
	written  uint64     // of them, taken by the network
	failure  error      // of a read or a write, the first
}

func newSocket(c net.Conn, silence time.Duration) *socket {
	s := &socket{Conn: c, start: time.Now(), room: make(chan struct{}, 1)}
	s.idle = sync.NewCond(&s.mu)
	s.silence.Store(int64(silence))
	return s
}

// Deadlines of writes are the socket's own.
func (s *socket) SetDeadline(t time.Time) error    { return s.SetReadDeadline(t) }
func (s *socket) SetWriteDeadline(time.Time) error { return nil }

// Read reads, and notes the first failure: what the library says then is only
// that the connection is closed.
func (s *socket) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	if n > 0 {
		s.noteMove(time.Now())
	}
	if err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = s.silent(err)
		}
		s.failLocked(err)
	}
	return n, err
}

// Write hands p to the network, or to the backlog. It fails only when the
// connection has failed before: then the stream may be cut within a frame, and
// nothing but closing it helps.
func (s *socket) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failure != nil {
		return 0, s.failure
	}
	rest := p
	if !s.busy {
		n, err := s.writeLocked(p)
		if err != nil {
			return n, err
		}
		rest = p[n:]
	}
	s.accepted += uint64(len(p))
	if len(rest) == 0 {
		return len(p), nil
	}
	if len(s.backlog)+len(rest) > mostBacklog {
		s.failLocked(errors.New("the peer takes nothing, and too much waits for it"))
		return 0, s.failure
	}
	s.backlog = append(s.backlog, rest...)
	if !s.busy {
		s.busy = true
		go s.drain()
	}
	return len(p), nil
}

// writeLocked writes what the network takes quickly.
func (s *socket) writeLocked(p []byte) (n int, err error) {
	now := time.Now()
	if err = s.Conn.SetWriteDeadline(now.Add(quickly)); err == nil {
		n, err = s.Conn.Write(p)
	}
	s.written += uint64(n)
	if n > 0 {
		s.noteMove(now)
	}
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		s.failLocked(err)
		return n, err
	}
	return n, nil
}

// drain writes the backlog until there is none.
func (s *socket) drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.backlog) > 0 && s.failure == nil {
		buf := s.backlog
		s.backlog = s.spare[:0]
		s.mu.Unlock()
		n, err := s.writeSlowly(buf)
		s.mu.Lock()
		s.written += uint64(n)
		if err != nil {
			s.failLocked(err)
		}
		s.spare = buf[:0]
		if cap(s.spare) > 4*buffered {
			s.spare = nil
		}
	}
	s.busy = false
	s.idle.Broadcast()
	select {
	case s.room <- struct{}{}:
	default:
	}
}

// writeSlowly writes all of p, for as long as anything moves.
func (s *socket) writeSlowly(p []byte) (n int, err error) {
	for len(p) > 0 {
		silence := time.Duration(s.silence.Load())
		now := time.Now()
		if err := s.Conn.SetWriteDeadline(now.Add(min(time.Second, silence/4))); err != nil {
			return n, err
		}
		some, err := s.Conn.Write(p)
		n, p = n+some, p[some:]
		switch {
		case some > 0:
			s.noteMove(time.Now())
		case err == nil:
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return n, err
		case time.Since(s.start)-time.Duration(s.moved.Load()) > silence:
			return n, s.silent(err)
		}
	}
	return n, nil
}

func (s *socket) noteMove(at time.Time) { s.moved.Store(int64(at.Sub(s.start))) }

func (s *socket) silent(err error) error {
	return fmt.Errorf("nothing has moved on the connection for %v: %w", time.Duration(s.silence.Load()), err)
}

// fail notes a failure, the first, and closes the connection.
func (s *socket) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failLocked(err)
}

// failLocked is fail with the mutex held.
func (s *socket) failLocked(err error) {
	if s.failure == nil {
		s.failure = err
		s.Conn.Close()
	}
}

// failed returns why reading or writing has failed first, nil if it has not.
func (s *socket) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failure
}

// clear reports whether the network has taken all that was written. If not, room
// has a value once it has.
func (s *socket) clear() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.busy
}

// taken returns how many bytes the network has taken, of those given to Write.
func (s *socket) taken() (written, accepted uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.written, s.accepted
}

// Close closes the connection, and returns when nothing is written any more.
func (s *socket) Close() error {
	err := s.Conn.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failure == nil {
		s.failure = net.ErrClosed
	}
	for s.busy {
		s.idle.Wait()
	}
	return err
}
