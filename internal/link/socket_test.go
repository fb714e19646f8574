package link

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

func TestSocketTellsWhyAWriteFailed(t *testing.T) {
	here, there := net.Pipe()
	defer there.Close()
	s := &socket{Conn: here, timeout: 10 * time.Millisecond}
	if _, err := s.Write([]byte("nobody reads this")); !errors.Is(err, os.ErrDeadlineExceeded) || s.failed() == nil {
		t.Errorf("got %v, then %v", err, s.failed())
	}
	if _, err := s.Read(make([]byte, 1)); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("the socket is not closed: %v", err)
	}
}
