package link

import (
	"context"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slogcast/slogcast/internal/wire"
)

// libraryVersion is that of amqp091-go which this test was written for. What link
// relies on is not promised by the library: with another version read its changes of
// connection.go, channel.go and read.go, run this test, and then change it here.
const libraryVersion = "v1.16.0"

func TestLibraryIsTheOneThatIsReliedUpon(t *testing.T) {
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(mod), "github.com/rabbitmq/amqp091-go "+libraryVersion+"\n") {
		t.Errorf("go.mod has another version of amqp091-go than %s", libraryVersion)
	}
}

// peer is a broker that answers what the library asks, and keeps the frames that it
// gets. Frames are read strictly: whatever is not one fails the test.
type peer struct {
	t      *testing.T
	conn   net.Conn
	got    chan wire.Frame
	silent atomic.Bool // it sends no heartbeats
}

// servePeer accepts one connection and returns the endpoint of it.
func servePeer(t *testing.T) (*peer, Endpoint) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	endpoints, err := Parse("amqp://u:p@" + l.Addr().String() + "/?heartbeat=2")
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{t: t, got: make(chan wire.Frame, 1000)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(p.got)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		p.conn = conn
		p.serve()
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return p, endpoints[0]
}

func (p *peer) send(channel uint16, m wire.Method) {
	_, _ = p.conn.Write(wire.AppendMethod(nil, channel, m)) // the reader notices
}

// serve answers until the connection ends.
func (p *peer) serve() {
	r := wire.NewReader(p.conn, 1<<20)
	if h, err := r.ReadProtocolHeader(); err != nil || h != wire.ProtocolHeader {
		p.t.Errorf("got protocol header %q, %v", h, err)
		return
	}
	p.send(0, &wire.ConnectionStart{VersionMajor: 0, VersionMinor: 9, Mechanisms: []byte("PLAIN"), Locales: []byte("en_US")})
	for {
		f, err := r.ReadFrame()
		if err != nil {
			return
		}
		f.Payload = append([]byte(nil), f.Payload...)
		p.got <- f
		if f.Type == wire.FrameHeartbeat && !p.silent.Load() {
			_, _ = p.conn.Write(heartbeat) // the reader notices
		}
		if f.Type != wire.FrameMethod {
			continue
		}
		m, err := wire.ParseMethod(f.Payload)
		if err != nil {
			p.t.Errorf("got a method that can't be read: %v", err)
			return
		}
		switch m.(type) {
		case *wire.ConnectionStartOk:
			p.send(0, &wire.ConnectionTune{ChannelMax: 2047, FrameMax: 131072, Heartbeat: 2})
		case *wire.ConnectionOpen:
			p.send(0, &wire.ConnectionOpenOk{})
		case *wire.ChannelOpen:
			p.send(f.Channel, &wire.ChannelOpenOk{})
		case *wire.ConfirmSelect:
			p.send(f.Channel, &wire.Bare{Method: wire.ConfirmSelectOkID})
		case *wire.ChannelClose:
			p.send(f.Channel, &wire.Bare{Method: wire.ChannelCloseOkID})
		case *wire.ConnectionClose:
			p.send(0, &wire.Bare{Method: wire.ConnectionCloseOkID})
		}
	}
}

// next returns the next frame that fits.
func (p *peer) next(what string, fits func(wire.Frame) bool) wire.Frame {
	p.t.Helper()
	late := time.After(30 * time.Second)
	for {
		select {
		case f, ok := <-p.got:
			if !ok {
				p.t.Fatalf("the connection has ended before %s", what)
			}
			if fits(f) {
				return f
			}
		case <-late:
			p.t.Fatalf("no %s came", what)
		}
	}
}

func isMethod(id wire.MethodID) func(wire.Frame) bool {
	return func(f wire.Frame) bool {
		got, err := wire.PeekMethod(f.Payload)
		return err == nil && f.Type == wire.FrameMethod && got == id
	}
}

// TestContract holds what link relies upon of the library.
func TestContract(t *testing.T) {
	p, to := servePeer(t)
	c, err := Dial(t.Context(), Config{Name: "contract"}, to)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		c.Close(ctx)
	}()
	// start-ok has a table of capabilities, to which one can be added.
	f := p.next("connection.start-ok", isMethod(wire.ConnectionStartOkID))
	m, err := wire.ParseMethod(f.Payload)
	if err != nil {
		t.Fatal(err)
	}
	capabilities, _ := m.(*wire.ConnectionStartOk).ClientProperties.Get("capabilities")
	if table, ok := capabilities.(wire.Table); !ok || !table.Bool("authentication_failure_close") || !table.Bool("connection.blocked") || !table.Bool("publisher_confirms") {
		t.Errorf("got capabilities %v", capabilities)
	}

	// The channel that was opened last is the one that Channel returns, and
	// what it asks goes over that.
	for range 3 {
		out, err := c.Publisher("logs", true)
		if err != nil {
			t.Fatal(err)
		}
		selected := p.next("confirm.select", isMethod(wire.ConfirmSelectID))
		if selected.Channel != out.channel {
			t.Errorf("the library asks over channel %d, and the Publisher writes to %d", selected.Channel, out.channel)
		}
		out.Publish("key", []byte{0, 0}, [][]byte{[]byte("message")})
		if done, err := out.Flush(); !done || err != nil {
			t.Fatalf("got %v, %v", done, err)
		}
		p.next("basic.publish", isMethod(wire.BasicPublishID))
	}

	// Idle, it sends heartbeats by itself, each half of the interval.
	for range 2 {
		p.next("heartbeat", func(f wire.Frame) bool { return f.Type == wire.FrameHeartbeat })
	}

	// It answers the broker's end of a channel, and tells of it; nothing is published
	// behind that.
	out, err := c.Publisher("logs", true)
	if err != nil {
		t.Fatal(err)
	}
	p.send(out.channel, &wire.ChannelClose{Code: 404, Text: "NOT_FOUND - test"})
	p.next("channel.close-ok", isMethod(wire.ChannelCloseOkID))
	if reason := <-out.Closed(); reason == nil || !strings.Contains(reason.Error(), "NOT_FOUND - test") {
		t.Errorf("got %v", reason)
	}
	out.Publish("key", []byte{0, 0}, [][]byte{[]byte("message")})
	if _, err := out.Flush(); err != ErrEnded {
		t.Errorf("got %v, want %v", err, ErrEnded)
	}

	// A peer that sends nothing for one and a half of the heartbeat is given up, and
	// that is told.
	p.silent.Store(true)
	if reason := <-c.Lost(); reason == nil {
		t.Error("no reason")
	}
	if err := c.failed(); err == nil || !strings.Contains(err.Error(), "nothing has moved on the connection for 3s") {
		t.Errorf("got %v", err)
	}
}

// A peer that lives, as its heartbeats tell, and does not answer is given up.
func TestWhoDoesNotAnswerIsGivenUp(t *testing.T) {
	p, to := servePeer(t)
	c, err := Dial(t.Context(), Config{}, to)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	in, err := c.Consumer()
	if err != nil {
		t.Fatal(err)
	}
	_, err = in.DeclareTemporary(nil)
	if failed := c.failed(); err == nil || failed == nil || !strings.Contains(failed.Error(), "the broker has not answered for 5s") {
		t.Errorf("got %v, %v", err, failed)
	}
	p.next("queue.declare", isMethod(wire.QueueDeclareID))
}

// A message that comes back to who publishes is not asked for: its body, which may
// have no end, is not gathered.
func TestABodyThatNobodyAskedForIsNotGathered(t *testing.T) {
	p, to := servePeer(t)
	c, err := Dial(t.Context(), Config{}, to)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	out, err := c.Publisher("logs", true)
	if err != nil {
		t.Fatal(err)
	}
	p.send(out.channel, &wire.BasicReturn{Code: 312, Text: "NO_ROUTE"})
	_, _ = p.conn.Write(wire.AppendHeader(nil, out.channel, wire.Header{Class: 60, BodySize: 1 << 62, Properties: []byte{0, 0}}))
	if reason := <-c.Lost(); reason == nil {
		t.Error("no reason")
	}
	if err := c.failed(); err == nil || !strings.Contains(err.Error(), "a body of 4611686018427387904 bytes that nobody has asked for") {
		t.Errorf("got %v", err)
	}
}
