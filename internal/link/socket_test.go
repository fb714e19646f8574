package link

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

func TestSocketGivesUpWhenNothingMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		defer there.Close()
		s := newSocket(here, 10*time.Second)
		start := time.Now()
		if n, err := s.Write([]byte("nobody reads this")); n != 17 || err != nil {
			t.Errorf("got %d, %v: a write waits for nobody", n, err)
		}
		if waited := time.Since(start); waited > quickly {
			t.Errorf("the write has waited %v", waited)
		}
		_, err := s.Read(make([]byte, 1))
		if !errors.Is(err, io.ErrClosedPipe) || !errors.Is(s.failed(), os.ErrDeadlineExceeded) {
			t.Errorf("got %v, then %v", err, s.failed())
		}
		if waited := time.Since(start); waited < 10*time.Second || waited > 13*time.Second {
			t.Errorf("given up after %v", waited)
		}
		if _, err := s.Write([]byte("x")); err == nil {
			t.Error("a write after the failure has worked")
		}
	})
}

// A peer that reads a byte each second, and one that reads nothing but sends, are
// slow and alive.
func TestSlowIsNotDead(t *testing.T) {
	for name, peer := range map[string]func(net.Conn){
		"slow reader": func(c net.Conn) {
			var b [1]byte
			for range time.Tick(time.Second) {
				if _, err := c.Read(b[:]); err != nil {
					return
				}
			}
		},
		"reads nothing, and sends": func(c net.Conn) {
			for range time.Tick(5 * time.Second) {
				if _, err := c.Write([]byte("heartbeat")); err != nil {
					return
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				here, there := net.Pipe()
				s := newSocket(here, 10*time.Second)
				go peer(there)
				go io.Copy(io.Discard, s)
				if _, err := s.Write(bytes.Repeat([]byte("x"), 1000)); err != nil {
					t.Fatal(err)
				}
				<-time.After(10 * time.Minute)
				if err := s.failed(); err != nil {
					t.Errorf("given up: %v", err)
				}
				s.Close()
				there.Close()
				<-time.After(10 * time.Second)
			})
		})
	}
}

// What is written comes in order, whatever the peer's pace, and is counted.
func TestSocketWritesInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		s := newSocket(here, 10*time.Second)
		var want []byte
		for i := range 300 {
			part := bytes.Repeat([]byte{byte(i)}, i)
			want = append(want, part...)
			if _, err := s.Write(part); err != nil {
				t.Fatal(err)
			}
		}
		if s.clear() {
			t.Error("all is written, and nobody has read")
		}
		got := make([]byte, len(want))
		if _, err := io.ReadFull(there, got); err != nil || !bytes.Equal(got, want) {
			t.Errorf("got %d bytes, %v", len(got), err)
		}
		<-s.room
		if written, accepted := s.taken(); written != accepted || written != uint64(len(want)) {
			t.Errorf("written %d of %d", written, accepted)
		}
		s.Close()
		there.Close()
	})
}
