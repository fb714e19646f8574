package broker_test

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/slogcast/slogcast/internal/wire"
)

// A raw client sends and receives frames as they are.
type raw struct {
	t  testing.TB
	nc net.Conn
	in *wire.Reader
}

// newRaw returns a client on nc that has sent nothing yet.
func newRaw(t testing.TB, nc net.Conn) *raw {
	t.Cleanup(func() { nc.Close() })
	return &raw{t, nc, wire.NewReader(nc, 1<<20)}
}

// dialRaw connects to a broker and says nothing.
func dialRaw(t testing.TB, brokerURL string) *raw {
	t.Helper()
	u := must(url.Parse(brokerURL))(t)
	r := newRaw(t, must(net.Dial("tcp", u.Host))(t))
	r.nc.SetDeadline(time.Now().Add(timeout))
	return r
}

// write sends bytes.
func (r *raw) write(b []byte) {
	r.t.Helper()
	if _, err := r.nc.Write(b); err != nil {
		r.t.Fatal(err)
	}
}

// send sends methods on a channel.
func (r *raw) send(channel uint16, ms ...wire.Method) {
	r.t.Helper()
	var b []byte
	for _, m := range ms {
		b = wire.AppendMethod(b, channel, m)
	}
	r.write(b)
}

// frame receives the next frame that is not a heartbeat.
func (r *raw) frame() (wire.Frame, error) {
	for {
		f, err := r.in.ReadFrame()
		if err != nil || f.Type != wire.FrameHeartbeat {
			return f, err
		}
	}
}

// expect receives a method of the type M.
func expect[M wire.Method](r *raw) M {
	r.t.Helper()
	f, err := r.frame()
	if err != nil {
		r.t.Fatal(err)
	}
	m, err := wire.ParseMethod(f.Payload)
	if err != nil {
		r.t.Fatal(err)
	}
	got, is := m.(M)
	if !is {
		r.t.Fatalf("got %T %+v, want %T", m, m, got)
	}
	return got
}

// start goes through the handshake up to connection.start-ok.
func (r *raw) start(response string, capabilities wire.Table) {
	r.t.Helper()
	r.write([]byte(wire.ProtocolHeader))
	expect[*wire.ConnectionStart](r)
	r.send(0, &wire.ConnectionStartOk{
		ClientProperties: wire.Table{{Key: "capabilities", Value: capabilities}},
		Mechanism:        "PLAIN", Response: []byte(response), Locale: "en_US",
	})
}

// open goes through the handshake with the limits and heartbeat given, and
// opens channel 1.
func (r *raw) open(frameMax uint32, heartbeat uint16) {
	r.t.Helper()
	r.start("\x00guest\x00guest", wire.Table{
		{Key: "connection.blocked", Value: true},
		{Key: "consumer_cancel_notify", Value: true},
		{Key: "authentication_failure_close", Value: true},
	})
	tune := expect[*wire.ConnectionTune](r)
	r.send(0, &wire.ConnectionTuneOk{ChannelMax: min(tune.ChannelMax, 16), FrameMax: frameMax, Heartbeat: heartbeat},
		&wire.ConnectionOpen{VirtualHost: "/"})
	expect[*wire.ConnectionOpenOk](r)
	r.send(1, &wire.ChannelOpen{})
	expect[*wire.ChannelOpenOk](r)
}

// outcome describes what the broker answers: the first method that closes
// something, the answer to a basic.qos, or the end of the connection.
func (r *raw) outcome() string {
	for {
		f, err := r.frame()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return "nothing"
		}
		if err != nil {
			return "end" // or reset: the peer may not have read all
		}
		if f.Type != wire.FrameMethod {
			continue
		}
		m, err := wire.ParseMethod(f.Payload)
		if err != nil {
			return err.Error()
		}
		switch m := m.(type) {
		case *wire.ConnectionClose:
			return fmt.Sprintf("connection %d %s (%d.%d)", m.Code, m.Text, m.Class, m.Method)
		case *wire.ChannelClose:
			return fmt.Sprintf("channel %d %s (%d.%d)", m.Code, m.Text, m.Class, m.Method)
		case *wire.Bare:
			if m.Method == wire.BasicQosOkID {
				return "ok"
			}
		}
	}
}
