package brokertest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// Cluster is three private nodes that are one cluster. Each is in a network
// namespace of its own. A link joins each two of them, and each one to the
// clients, so that any link between nodes can be cut while all others work:
//
//	        node 0
//	       /  |   \
//	 link /   |    \ link
//	     /  client  \
//	    /  /      \  \
//	node 1 -------- node 2
//	          link
//
// A node's address is on its loopback interface, and its name has the address:
// no name server is asked.
type Cluster struct {
	Nodes [clusterSize]*Node

	networks []string // what they are called
	links    []string // the clients' ends
	subnet   string   // the first three bytes of all addresses
}

const clusterSize = 3

// Every node has its own addresses, so that all may have the same ports.
var clusterPorts = []string{"5672", "25672", "4369"}

// NeedCluster skips a test that needs a cluster, where none can be had.
func NeedCluster(t testing.TB) {
	t.Helper()
	NeedNode(t)
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("needs network namespaces for a cluster: Linux and root")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("needs network namespaces for a cluster: the command ip, of iproute2")
	}
}

// StartCluster starts a cluster that no other test uses. All nodes have the
// settings of cfg. It ends with t.
func StartCluster(t testing.TB, cfg NodeConfig) *Cluster {
	t.Helper()
	c := &Cluster{subnet: fmt.Sprintf("198.18.%d.", os.Getpid()%256)} // for tests of networks: RFC 2544
	t.Cleanup(c.remove)
	err := c.wire()
	if err == nil {
		err = c.start(cfg)
	}
	if err != nil {
		t.Fatalf("no cluster: %v", err)
	}
	return c
}

// URLs returns the URLs of all nodes, in the form that handler and sink take.
func (c *Cluster) URLs() string {
	var all []string
	for _, n := range c.Nodes {
		all = append(all, n.URL)
	}
	return strings.Join(all, ",")
}

// client is the number of the clients among the addresses and links.
const client = clusterSize

func (c *Cluster) address(of int) string { return fmt.Sprintf("%s%d", c.subnet, of+1) }

// device is the name of the interface to a node, or to the clients.
func device(to int) string { return fmt.Sprintf("to%d", to) }

// wire makes the namespaces and the links.
func (c *Cluster) wire() error {
	for i := range clusterSize {
		network := fmt.Sprintf("slogcast-%d-%d", os.Getpid(), i)
		link := fmt.Sprintf("sc%d-%d", os.Getpid(), i)
		c.networks, c.links = append(c.networks, network), append(c.links, link)
		own, clients := c.address(i)+"/32", c.address(client)+"/32"
		err := ip(
			"netns add "+network,
			"-n "+network+" link set lo up",
			"-n "+network+" address add "+own+" dev lo",
			"link add "+link+" type veth peer name "+device(client)+" netns "+network,
			"address add "+clients+" dev "+link,
			"link set "+link+" up",
			"-n "+network+" link set "+device(client)+" up",
			"route add "+own+" dev "+link+" src "+c.address(client),
			"-n "+network+" route add "+clients+" dev "+device(client)+" src "+c.address(i),
		)
		for j := range i {
			err = errors.Join(err, ip(fmt.Sprintf("link add %s netns %s type veth peer name %s netns %s", device(j), network, device(i), c.networks[j])), c.join(i, j), c.join(j, i))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// join makes one end of a link between nodes ready.
func (c *Cluster) join(from, to int) error {
	in := "-n " + c.networks[from]
	return ip(
		in+" link set "+device(to)+" up",
		in+" route add "+c.address(to)+"/32 dev "+device(to)+" src "+c.address(from),
	)
}

// ip runs ip for each line of arguments.
func ip(lines ...string) error {
	for _, line := range lines {
		if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", line, err, out)
		}
	}
	return nil
}

// start starts the nodes, which find each other.
func (c *Cluster) start(cfg NodeConfig) error {
	cfg.Settings = append([]string{"loopback_users = none", "cluster_formation.peer_discovery_backend = classic_config"}, cfg.Settings...)
	for i := range clusterSize {
		cfg.Settings = append(cfg.Settings, fmt.Sprintf("cluster_formation.classic_config.nodes.%d = rabbit@%s", i+1, c.address(i)))
	}
	cookie := uuid.NewString()
	for i := range c.Nodes {
		n, err := prepareNode(place{
			name:    "rabbit@" + c.address(i),
			address: c.address(i),
			ports:   clusterPorts,
			enter:   []string{"ip", "netns", "exec", c.networks[i]},
			cookie:  cookie,
		}, cfg)
		if err != nil {
			return err
		}
		c.Nodes[i] = n
		if err := n.launch(); err != nil {
			return err
		}
	}
	return c.Await()
}

// Await waits until every node takes connections and sees all others.
func (c *Cluster) Await() error {
	for _, n := range c.Nodes {
		if err := n.await(); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	return waitFor(ctx, c.Whole)
}

// Whole returns why the nodes are not one cluster, nil when they are. It takes
// some seconds.
func (c *Cluster) Whole() error {
	for _, n := range c.Nodes {
		out, err := n.Ctl("eval", "length(rabbit_nodes:all_running()).")
		if err == nil && strings.TrimSpace(out) != fmt.Sprint(clusterSize) {
			err = errors.New("not all nodes run")
		}
		if err != nil {
			return fmt.Errorf("%s: %w: %s", n.place.name, err, out)
		}
	}
	return nil
}

// Cut lets all vanish that two nodes send each other, as a switch does that has
// failed: neither end notices by itself. Clients reach both.
func (c *Cluster) Cut(a, b int) error {
	return errors.Join(c.mislead(a, b), c.mislead(b, a))
}

// mislead has a node send what is for another to an address that nobody has.
func (c *Cluster) mislead(from, to int) error {
	return ip(fmt.Sprintf("-n %s neighbour replace %s lladdr 02:00:00:00:00:00 dev %s nud permanent", c.networks[from], c.address(to), device(to)))
}

// Heal undoes Cut.
func (c *Cluster) Heal(a, b int) error {
	return errors.Join(
		ip(fmt.Sprintf("-n %s neighbour delete %s dev %s", c.networks[a], c.address(b), device(b))),
		ip(fmt.Sprintf("-n %s neighbour delete %s dev %s", c.networks[b], c.address(a), device(a))),
	)
}

// remove ends the nodes, and deletes namespaces and links.
func (c *Cluster) remove() {
	for _, n := range c.Nodes {
		if n != nil {
			n.stop()
		}
	}
	for _, link := range c.links {
		_ = ip("link delete " + link)
	}
	for _, network := range c.networks {
		_ = ip("netns delete " + network)
	}
}
