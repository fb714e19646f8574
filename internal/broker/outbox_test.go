package broker_test

import (
	"errors"
	"net"
	"sync/atomic"
	"testing"

	"github.com/slogcast/slogcast/internal/wire"
)

// A stuckConn is a connection that can't be written to once it is broken, and
// whose Close lasts until the test lets it end: its reader learns of the end
// late.
type stuckConn struct {
	net.Conn
	broken  atomic.Bool
	closing chan struct{} // receives a value for each Close
	end     chan struct{} // closed when Close may return
}

func (c *stuckConn) Write(p []byte) (int, error) {
	if c.broken.Load() {
		return 0, errors.New("broken")
	}
	return c.Conn.Write(p)
}

func (c *stuckConn) Close() error {
	c.closing <- struct{}{}
	<-c.end
	return c.Conn.Close()
}

// TestBrokenConsumerLeavesQueue tests that a consumer without acknowledgements
// gets nothing more once its socket has failed, even before the connection is
// gone.
func TestBrokenConsumerLeavesQueue(t *testing.T) {
	s := listen(t, nil)
	ch := openChannel(t, s.URL())
	must(ch.QueueDeclare("q", false, false, false, false, nil))(t)
	client, server := net.Pipe()
	nc := &stuckConn{Conn: server, closing: make(chan struct{}, 2), end: make(chan struct{})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.ServeConn(nc)
	}()
	r := newRaw(t, client)
	r.open(wire.MinFrameMax, 0)
	r.send(1, &wire.BasicConsume{Queue: "q", NoAck: true})
	expect[*wire.BasicConsumeOk](r)

	nc.broken.Store(true)
	publish(t, ch, "q", "lost on the way")
	receive(t, nc.closing)
	const n = 100
	for range n {
		publish(t, ch, "q", "kept")
	}
	want(t, "ready", ready(t, ch, "q"), n)
	close(nc.end)
	receiveEnd(t, done)
	want(t, "ready at the end", ready(t, ch, "q"), n)
}
