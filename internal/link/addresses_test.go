package link

import (
	"context"
	"io"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/slogcast/slogcast/internal/brokertest"
)

// nameServer returns a resolver for which every name has these addresses of IPv4.
func nameServer(t *testing.T, addresses ...[4]byte) *net.Resolver {
	t.Helper()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	go func() {
		for query := make([]byte, 1500); ; {
			n, from, err := server.ReadFrom(query)
			if err != nil {
				return
			}
			// RFC 1035 section 4: a header of 12 bytes, and one question.
			end := 12
			for end < n && query[end] != 0 {
				end += 1 + int(query[end])
			}
			end += 5
			m := append([]byte(nil), query[:end]...)
			clear(m[6:12])
			m[2], m[3] = 0x81, 0x80
			if isA := m[end-3] == 1; isA {
				m[7] = byte(len(addresses))
				for _, a := range addresses {
					m = append(m, 0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, a[0], a[1], a[2], a[3])
				}
			}
			_, _ = server.WriteTo(m, from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", server.LocalAddr().String())
	}}
}

// Behind one name there may be several nodes, of which one hangs: it takes connections,
// and says nothing.
func TestNodeThatHangsBehindTheNameOfOthers(t *testing.T) {
	b := brokertest.Brokers(t)[0]
	u, err := url.Parse(b.URL)
	if err != nil {
		t.Fatal(err)
	}
	target := u.Host
	good, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer good.Close()
	_, port, _ := net.SplitHostPort(good.Addr().String())
	hung, err := net.Listen("tcp", "127.0.0.2:"+port)
	if err != nil {
		t.Skip("needs another loopback address:", err)
	}
	defer hung.Close()
	go func() {
		for {
			client, err := good.Accept()
			if err != nil {
				return
			}
			node, err := net.Dial("tcp", target)
			if err != nil {
				client.Close()
				return
			}
			go func() { _, _ = io.Copy(node, client); node.Close() }()
			go func() { _, _ = io.Copy(client, node); client.Close() }()
		}
	}()
	u.Host = net.JoinHostPort("nodes.test", port)
	endpoints, err := Parse(u.String())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	met := false
	err = Supervise(ctx, Config{
		Endpoints:   endpoints,
		DialTimeout: 500 * time.Millisecond,
		resolver:    nameServer(t, [4]byte{127, 0, 0, 2}, [4]byte{127, 0, 0, 1}),
	}, func(context.Context, *Conn) error {
		met = true
		return nil
	})
	if err != nil || !met {
		t.Errorf("got %v; the other address was not tried", err)
	}
}

// TestOthersThatAreOfNoUse has the address tried first again when the others can't be
// reached: they may take the time of a whole attempt.
func TestOthersThatAreOfNoUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	host := net.JoinHostPort("nodes.test", port)
	cfg := Config{failed: map[string]string{host: l.Addr().String()}, resolver: nameServer(t, [4]byte{127, 0, 0, 1}, [4]byte{127, 0, 0, 2})}
	conn, err := cfg.dial(t.Context(), "tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if conn.RemoteAddr().String() != l.Addr().String() || len(cfg.failed) > 0 {
		t.Errorf("connected to %v, tried last next time: %v", conn.RemoteAddr(), cfg.failed)
	}
}
