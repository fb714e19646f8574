package faults

import (
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/slogcast/slogcast/internal/brokertest"
)

// The ends of a link between this machine and a child's network. The addresses
// are from those for benchmarks (RFC 2544).
const (
	brokerLink, childLink       = "slogcast0", "slogcast1"
	brokerAddress, childAddress = "198.18.213.1", "198.18.213.2"
	linkNetwork                 = "198.18.213.0/30"
)

// linkDown takes the link between a producer and the broker down, at the
// broker's end and then at the producer's, and up again.
func (s *suite) linkDown(r *run) {
	makeLink(r.t)
	_, port, err := net.SplitHostPort(freeAddress(r.t))
	if err != nil {
		r.t.Fatal(err)
	}
	address := net.JoinHostPort(brokerAddress, port)
	s.reconfigure(r.t, brokertest.NodeConfig{Settings: []string{"listeners.tcp.link = " + address}})
	r.tail.awaitConnected()
	u, err := url.Parse(s.node.User(r.t, ".*", ".*", ".*")) // guest may come from loopback only
	if err != nil {
		r.t.Fatal(err)
	}
	u.Host = address
	c := r.startChild(childPaced, u.String(), "child behind a link", environment(rateVariable+"=1000"), ownNetwork)
	pid := strconv.Itoa(c.Process.Pid)
	ip(r.t, "link", "set", childLink, "netns", pid)
	within := func(args ...string) { command(r.t, "nsenter", append([]string{"-t", pid, "-n", "ip"}, args...)...) }
	within("address", "add", childAddress+"/30", "dev", childLink)
	within("link", "set", childLink, "up")
	c.confirming(soon)

	for _, end := range []struct {
		whose string
		set   func(state string)
	}{
		{"broker's", func(state string) { ip(r.t, "link", "set", brokerLink, state) }},
		{"producer's", func(state string) { within("link", "set", childLink, state) }},
	} {
		end.set("down")
		down := time.Now()
		if took := c.lost(2 * time.Minute); testing.Short() {
			r.measure("%s end down: found %s", end.whose, short(took))
		} else {
			r.within(end.whose+" end down: found", took, holeGoal)
		}
		c.skip(lasting(linkFor) - time.Since(down))
		end.set("up")
		c.skip(0)
		r.within("confirming after up", c.confirming(soon), dialGoal)
	}
	c.endClean()
	s.reconfigure(r.t, brokertest.NodeConfig{})
	r.tail.awaitConnected()
}

// lost waits until the child's Handler has noticed that its connection is gone.
func (p *process) lost(within time.Duration) time.Duration {
	p.run.t.Helper()
	return p.await("disconnected", within, func(one report) bool { return !one.Connected })
}

// skip reads reports for a time, at least those that have come.
func (p *process) skip(during time.Duration) {
	p.run.t.Helper()
	end := time.Now().Add(during)
	p.await("telling", during+soon, func(report) bool { return !time.Now().Before(end) && len(p.reports) == 0 })
}

// reconfigure starts the node anew with other settings.
func (s *suite) reconfigure(t testing.TB, cfg brokertest.NodeConfig) {
	t.Helper()
	s.node.Kill()
	if err := s.node.Configure(cfg); err != nil {
		t.Fatal(err)
	}
	s.again(t)
}

// makeLink makes the link, with both ends here, until the test ends.
func makeLink(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("needs Linux and root: network namespaces")
	}
	if out, err := exec.Command("unshare", "--net", "true").CombinedOutput(); err != nil {
		t.Skipf("needs network namespaces: unshare --net: %v\n%s", err, out)
	}
	// While the link is down nothing of it may leave by another.
	ip(t, "route", "add", "blackhole", linkNetwork, "metric", "4096")
	t.Cleanup(func() { ip(t, "route", "del", "blackhole", linkNetwork, "metric", "4096") })
	ip(t, "link", "add", brokerLink, "type", "veth", "peer", "name", childLink)
	t.Cleanup(func() {
		// It has gone with the child, where the other end was.
		if _, err := os.Stat(filepath.Join("/sys/class/net", brokerLink)); err == nil {
			ip(t, "link", "del", brokerLink)
		}
	})
	ip(t, "address", "add", brokerAddress+"/30", "dev", brokerLink)
	ip(t, "link", "set", brokerLink, "up")
}

func ip(t testing.TB, args ...string) {
	t.Helper()
	command(t, "ip", args...)
}

func command(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}
