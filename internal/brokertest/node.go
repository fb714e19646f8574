package brokertest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Node is a private node of an installed rabbitmq-server: its own name, ports,
// data and Erlang port mapper, on loopback. A test may kill it, stop it, and
// start it again with the data it had.
type Node struct {
	*Broker

	dir    string // of the server's scripts
	home   string // of everything that the node writes
	place  place
	env    []string
	server *exec.Cmd
	ended  chan struct{} // closed when server has ended
}

// place is where a node runs, and who it is there.
type place struct {
	name    string   // of the node: slogcast@localhost
	address string   // that it listens on
	ports   []string // of AMQP, Erlang's distribution, and Erlang's port mapper
	enter   []string // the command that takes another into the place's network namespace; may be empty
	cookie  string   // Erlang's secret, which the nodes of a cluster share; if empty, the node makes one
}

// command returns a command that runs there.
func (p place) command(name string, args ...string) *exec.Cmd {
	words := append(slices.Clip(p.enter), append([]string{name}, args...)...)
	return exec.Command(words[0], words[1:]...)
}

// NodeConfig is what a node has beside the defaults.
type NodeConfig struct {
	// Settings are lines of rabbitmq.conf.
	Settings []string

	// Plugins are enabled.
	Plugins []string
}

// NeedNode skips a test that needs a node of its own, where this run is to meet
// other brokers alone or rabbitmq-server is not installed.
func NeedNode(t testing.TB) {
	t.Helper()
	want := os.Getenv("LOGTAIL_TEST_BROKER")
	if want == "embedded" || strings.HasPrefix(want, "amqp") {
		t.Skip("needs a private node of rabbitmq-server; LOGTAIL_TEST_BROKER asks for another broker")
	}
	if _, err := findServer(); err != nil && want != "rabbitmq" {
		t.Skipf("needs a private node: %v", err)
	}
}

// StartNode starts a node that no other test uses. It ends with t.
func StartNode(t testing.TB, cfg NodeConfig) *Node {
	t.Helper()
	n, err := newNode(cfg)
	if err != nil {
		t.Fatalf("no private node: %v", err)
	}
	t.Cleanup(n.stop)
	return n
}

// Configure gives the node other settings and plugins, from the next Start on.
func (n *Node) Configure(cfg NodeConfig) error {
	settings := "listeners.tcp.own = " + n.place.address + ":" + n.place.ports[0] + "\n" + strings.Join(cfg.Settings, "\n") + "\n"
	if err := os.WriteFile(filepath.Join(n.home, "rabbitmq.conf"), []byte(settings), 0o600); err != nil {
		return err
	}
	plugins := "[" + strings.Join(cfg.Plugins, ",") + "].\n"
	return os.WriteFile(filepath.Join(n.home, "enabled_plugins"), []byte(plugins), 0o600)
}

// Start starts the node again after Kill, and waits until it takes connections.
func (n *Node) Start() error {
	if err := n.launch(); err != nil {
		return err
	}
	return n.await()
}

// launch starts the node, and waits for nothing.
func (n *Node) launch() error {
	output, err := os.Create(filepath.Join(n.home, "output"))
	if err != nil {
		return err
	}
	defer output.Close()
	server := n.place.command(filepath.Join(n.dir, "rabbitmq-server"))
	server.Env, server.Dir = n.env, n.home
	server.Stdout, server.Stderr = output, output
	ownGroup(server)
	if err := server.Start(); err != nil {
		return fmt.Errorf("start rabbitmq-server: %w", err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Wait() // it is killed
	}()
	n.server, n.ended = server, ended
	return nil
}

// await waits until the node takes connections.
func (n *Node) await() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	err := waitFor(ctx, func() error {
		select {
		case <-n.ended:
			cancel()
			return errors.New("it ended")
		default:
			return n.identify()
		}
	})
	if err != nil {
		output, _ := os.ReadFile(filepath.Join(n.home, "output"))
		return fmt.Errorf("rabbitmq-server does not start: %w\n%s", err, output)
	}
	return nil
}

// remove ends the node and deletes its data.
func (n *Node) remove() {
	n.Kill()
	epmd := n.place.command("epmd", "-port", n.place.ports[2], "-kill")
	epmd.Env = n.env
	_ = epmd.Run()
	os.RemoveAll(n.home)
}

// ctl runs rabbitmqctl on the node.
func (n *Node) ctl(args ...string) (string, error) {
	ctl := n.place.command(filepath.Join(n.dir, "rabbitmqctl"), args...)
	ctl.Env = n.env
	out, err := ctl.CombinedOutput()
	return string(out), err
}
