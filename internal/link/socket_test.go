package link

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// countingConn notes each write.
type countingConn struct {
	net.Conn
	writes [][]byte
}

func (c *countingConn) SetWriteDeadline(time.Time) error { return nil }
func (c *countingConn) Write(p []byte) (int, error) {
	c.writes = append(c.writes, bytes.Clone(p))
	return len(p), nil
}

func TestCorkedWritesGoTogether(t *testing.T) {
	c := &countingConn{}
	s := newSocket(c, time.Second, nil)
	write := func(n int) {
		t.Helper()
		if wrote, err := s.Write(bytes.Repeat([]byte{byte(len(c.writes))}, n)); wrote != n || err != nil {
			t.Fatalf("wrote %d of %d, %v", wrote, n, err)
		}
	}
	want := func(sizes ...int) {
		t.Helper()
		if len(c.writes) != len(sizes) {
			t.Fatalf("got %d writes, want %v", len(c.writes), sizes)
		}
		for i, n := range sizes {
			if len(c.writes[i]) != n {
				t.Errorf("write %d has %d bytes, want %v", i, len(c.writes[i]), sizes)
			}
		}
		c.writes = nil
	}
	write(10)
	want(10)
	s.cork()
	write(10)
	write(20)
	want()
	if err := s.uncork(); err != nil {
		t.Fatal(err)
	}
	want(30)
	write(5)
	want(5)
	s.cork()
	write(buffered - 1)
	write(2) // what is held goes first
	write(3)
	want(buffered-1, 2)
	_ = s.uncork()
	want(3)
	_ = s.uncork()
	want()
}

func TestUncorkTellsWhyAWriteFailed(t *testing.T) {
	here, there := net.Pipe()
	defer there.Close()
	s := newSocket(here, 10*time.Millisecond, nil)
	s.cork()
	if _, err := s.Write([]byte("nobody reads this")); err != nil {
		t.Fatal(err)
	}
	if err := s.uncork(); !errors.Is(err, os.ErrDeadlineExceeded) || s.failed() == nil {
		t.Errorf("got %v, then %v", err, s.failed())
	}
	if _, err := s.Read(make([]byte, 1)); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("the socket is not closed: %v", err)
	}
}
