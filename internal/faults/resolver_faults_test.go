package faults

import (
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// What a nameServer answers.
const (
	noSuchName int32 = iota
	failing
	silent
	loopback // 127.0.0.1
)

// nameServer is a DNS server that gives every question the same answer.
type nameServer struct {
	conn    net.PacketConn
	answer  atomic.Int32
	serving sync.WaitGroup
}

// nameServerAddress is a loopback address of its own, since resolv.conf can
// name no port.
const nameServerAddress = "127.0.53.25"

func startNameServer(r *run) *nameServer {
	r.t.Helper()
	conn, err := net.ListenPacket("udp", nameServerAddress+":53")
	if err != nil {
		r.t.Skipf("needs a name server's port: %v", err)
	}
	n := &nameServer{conn: conn}
	n.serving.Go(n.serve)
	end := sync.OnceFunc(func() {
		conn.Close()
		n.serving.Wait()
	})
	r.closers = append(r.closers, end)
	r.t.Cleanup(end)
	return n
}

func (n *nameServer) serve() {
	for buf := make([]byte, 1500); ; {
		size, from, err := n.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		if reply := reply(buf[:size], n.answer.Load()); reply != nil {
			_, _ = n.conn.WriteTo(reply, from)
		}
	}
}

// reply returns the message that answers a query (RFC 1035 section 4), nil for
// none.
func reply(query []byte, answer int32) []byte {
	end := 12 // of the header; then there is one question
	for end < len(query) && query[end] != 0 {
		end += 1 + int(query[end])
	}
	end += 5 // the root, type and class
	if answer == silent || end > len(query) {
		return nil
	}
	m := append([]byte(nil), query[:end]...)
	clear(m[6:12])          // no records beyond the question
	m[2], m[3] = 0x81, 0x80 // a response; recursion desired and available
	switch isA := query[end-3] == 1; {
	case answer == noSuchName:
		m[3] |= 3
	case answer == failing:
		m[3] |= 2
	case isA:
		m[7] = 1                                                            // one answer:
		m = append(m, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 1) // of that name, type A, class IN, for 0 s
	}
	return m
}

// names has a producer's name server not know the broker, fail, answer nothing,
// and know it at last.
func (s *suite) names(r *run) {
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		r.t.Skip("needs Linux and root: mount namespaces")
	}
	if out, err := exec.Command("unshare", "--mount", "true").CombinedOutput(); err != nil {
		r.t.Skipf("needs mount namespaces: unshare --mount: %v\n%s", err, out)
	}
	n := startNameServer(r)
	file := filepath.Join(r.t.TempDir(), "resolv.conf")
	if err := os.WriteFile(file, []byte("nameserver "+nameServerAddress+"\n"), 0o644); err != nil {
		r.t.Fatal(err)
	}
	u, err := url.Parse(s.node.URL)
	if err != nil {
		r.t.Fatal(err)
	}
	u.Host = net.JoinHostPort("broker.invalid", u.Port())
	c := r.startChild(childPaced, u.String(), "child without names", ownMounts,
		environment(resolverVariable+"="+file, rateVariable+"=1000", "GODEBUG=netdns=go"))
	for _, is := range []struct {
		what   string
		answer int32
		says   string
	}{
		{"unknown name", noSuchName, `host "broker.invalid" not found`},
		{"failing name server", failing, `host "broker.invalid" can't be looked up: server misbehaving`},
		{"silent name server", silent, `host "broker.invalid" can't be looked up: i/o timeout`},
	} {
		n.answer.Store(is.answer)
		changed := time.Now()
		c.await("refused: "+is.what, patience, func(one report) bool { return strings.Contains(one.LastError, is.says) })
		r.within(is.what+": error after", time.Since(changed), dialGoal)
	}
	n.answer.Store(loopback)
	r.within("confirming after answers", c.confirming(patience), dialGoal)
	c.endClean()
}
