package brokertest

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// TestCluster shows that the nodes are one cluster, that a link can be cut alone,
// and that a node comes back after a kill.
func TestCluster(t *testing.T) {
	if os.Getenv("LOGTAIL_TEST_BROKER") != "rabbitmq" {
		t.Skip("three nodes take half a minute: runs with LOGTAIL_TEST_BROKER=rabbitmq alone")
	}
	NeedCluster(t)
	c := StartCluster(t, NodeConfig{})
	c.Nodes[0].Use(t, func(ch *amqp.Channel) {
		if _, err := ch.QueueDeclare("q", true, false, false, false, amqp.Table{"x-queue-type": "quorum"}); err != nil {
			t.Fatal(err)
		}
	})
	out, err := c.Nodes[2].Ctl("list_queues", "-q", "--no-table-headers", "members")
	if err != nil || strings.Count(out, "rabbit@") != clusterSize {
		t.Errorf("members of a quorum queue: %s, %v", out, err)
	}

	if err := c.Cut(0, 1); err != nil {
		t.Fatal(err)
	}
	for _, to := range []struct {
		from, to int
		reached  bool
	}{{0, 1, false}, {1, 0, false}, {0, 2, true}, {2, 1, true}} {
		if got := c.reaches(to.from, to.to); got != to.reached {
			t.Errorf("node %d reaches node %d: %v", to.from, to.to, got)
		}
	}
	for i, n := range c.Nodes {
		conn, err := net.DialTimeout("tcp", net.JoinHostPort(n.place.address, n.place.ports[0]), 5*time.Second)
		if err != nil {
			t.Fatalf("clients reach node %d: %v", i, err)
		}
		conn.Close()
	}
	if err := c.Heal(0, 1); err != nil {
		t.Fatal(err)
	}
	if !c.reaches(0, 1) || !c.reaches(1, 0) {
		t.Error("the link is still cut")
	}

	c.Nodes[1].Kill()
	if err := c.Nodes[1].Start(); err != nil {
		t.Fatal(err)
	}
	if err := c.Await(); err != nil {
		t.Fatal(err)
	}
}

// reaches reports whether a node's network can open a connection to another node.
func (c *Cluster) reaches(from, to int) bool {
	n := c.Nodes[from]
	dial := n.place.command("timeout", "1", "bash", "-c", "exec 3<>/dev/tcp/"+c.address(to)+"/"+n.place.ports[2])
	_, ended := dial.Run().(*exec.ExitError)
	return !ended
}
