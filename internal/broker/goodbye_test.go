package broker_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/slogcast/slogcast/internal/wire"
)

// awaitEOF reads until the peer has closed its half, and fails if it has reset
// the connection instead.
func (r *raw) awaitEOF() {
	r.t.Helper()
	for {
		_, err := r.in.ReadFrame()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			r.t.Fatalf("the connection ends with %v, want an orderly end", err)
		}
	}
}

// TestLastFrameArrives tests that a client that goes on sending gets the last
// word of the broker all the same. What it sends after that was the end of many
// goodbyes: a socket that is closed with unread input is reset.
func TestLastFrameArrives(t *testing.T) {
	more := bytes.Repeat(wire.AppendHeartbeat(nil), 20000)
	for name, first := range map[string]struct {
		send []byte
		last wire.MethodID
	}{
		"goodbye":      {wire.AppendMethod(nil, 0, &wire.ConnectionClose{Code: 200}), wire.ConnectionCloseOkID},
		"exception":    {wire.AppendMethod(nil, 0, &wire.ChannelOpen{}), wire.ConnectionCloseID},
		"not a frame":  {[]byte("\xff\xff\xff"), wire.ConnectionCloseID},
		"soft and end": {join(bytesOf(&wire.QueuePurge{Queue: "none"}), wire.AppendMethod(nil, 0, &wire.ConnectionClose{Code: 200})), wire.ConnectionCloseOkID},
	} {
		t.Run(name, func(t *testing.T) {
			s := listen(t, nil)
			for range 20 {
				r := dialRaw(t, s.URL())
				r.open(wire.MinFrameMax, 0)
				go r.nc.Write(join(first.send, more))
				for id := wire.MethodID(0); id != first.last; {
					f, err := r.frame()
					ok(t, err)
					id, _ = wire.PeekMethod(f.Payload)
				}
				r.nc.(*net.TCPConn).CloseWrite()
				r.awaitEOF()
			}
		})
	}
}

// TestLastBytesOfHandshakeArrive is the same for a client that is refused
// before it is a client.
func TestLastBytesOfHandshakeArrive(t *testing.T) {
	s := listen(t, nil)
	for range 20 {
		r := dialRaw(t, s.URL())
		r.write(bytes.Repeat([]byte("GET / HTTP/1.1\r\n"), 4000))
		got, err := io.ReadAll(r.nc)
		ok(t, err)
		want(t, "answer", string(got), wire.ProtocolHeader)
		r.nc.Close()
	}
}
