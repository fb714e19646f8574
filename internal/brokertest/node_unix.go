//go:build unix

package brokertest

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// serverDirs is where packages keep the scripts that do not change user, as
// Debian's in PATH do.
var serverDirs = []string{"/usr/lib/rabbitmq/bin", "/opt/homebrew/sbin", "/usr/local/sbin"}

func findServer() (dir string, err error) {
	for _, dir := range serverDirs {
		if _, err := os.Stat(filepath.Join(dir, "rabbitmq-server")); err == nil {
			return dir, nil
		}
	}
	path, err := exec.LookPath("rabbitmq-server")
	if err != nil {
		return "", errors.New("rabbitmq-server is not installed")
	}
	return filepath.Dir(path), nil
}

// newNode starts a private node of the installed rabbitmq-server, with its own
// name, ports, data and Erlang port mapper, on loopback.
func newNode(cfg NodeConfig) (*Node, error) {
	ports, err := freePorts(3)
	if err != nil {
		return nil, err
	}
	n, err := prepareNode(place{name: "slogcast@localhost", address: "127.0.0.1", ports: ports}, cfg)
	if err != nil {
		return nil, err
	}
	if err := n.Start(); err != nil {
		n.stop()
		return nil, err
	}
	return n, nil
}

// prepareNode makes everything that a node needs, and does not start it.
func prepareNode(where place, cfg NodeConfig) (*Node, error) {
	dir, err := findServer()
	if err != nil {
		return nil, err
	}
	home, err := os.MkdirTemp("", "slogcast-node-")
	if err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	close(ended)
	n := &Node{dir: dir, home: home, place: where, ended: ended}
	n.env = append(os.Environ(),
		"HOME="+home,
		"RABBITMQ_NODENAME="+where.name,
		"RABBITMQ_DIST_PORT="+where.ports[1],
		"ERL_EPMD_PORT="+where.ports[2],
		"ERL_EPMD_ADDRESS="+where.address,
		"ERL_EPMD_RELAXED_COMMAND_CHECK=true", // or remove could not end the port mapper
		"RABBITMQ_MNESIA_BASE="+filepath.Join(home, "mnesia"),
		"RABBITMQ_LOG_BASE="+filepath.Join(home, "log"),
		"RABBITMQ_ENABLED_PLUGINS_FILE="+filepath.Join(home, "enabled_plugins"),
		"RABBITMQ_CONFIG_FILE="+filepath.Join(home, "rabbitmq.conf"),
	)
	if _, host, _ := strings.Cut(where.name, "@"); strings.Contains(host, ".") {
		n.env = append(n.env, "RABBITMQ_USE_LONGNAME=true")
	}
	n.Broker = &Broker{URL: "amqp://guest:guest@" + net.JoinHostPort(where.address, where.ports[0]) + "/", Ctl: n.ctl, stop: n.remove}
	err = n.Configure(cfg)
	if err == nil && where.cookie != "" {
		err = os.WriteFile(filepath.Join(home, ".erlang.cookie"), []byte(where.cookie), 0o400)
	}
	if err != nil {
		os.RemoveAll(home)
		return nil, err
	}
	return n, nil
}

// ownGroup puts the server into a process group: the script starts the virtual
// machine, and that others.
func ownGroup(server *exec.Cmd) { server.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// Kill ends the node at once, as kill -9 does. Its data stay for Start.
func (n *Node) Kill() {
	n.signal(syscall.SIGKILL)
	<-n.ended
}

// Stop stops the node, as kill -STOP does: it answers nothing, while the kernel
// goes on taking what fits into its socket buffers.
func (n *Node) Stop() { n.signal(syscall.SIGSTOP) }

// Continue undoes Stop.
func (n *Node) Continue() { n.signal(syscall.SIGCONT) }

func (n *Node) signal(s syscall.Signal) {
	select {
	case <-n.ended: // and its group may have another owner
	default:
		_ = syscall.Kill(-n.server.Process.Pid, s)
	}
}

// freePorts returns n loopback ports that nothing listens on.
func freePorts(n int) (ports []string, err error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		ports = append(ports, strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
	}
	return ports, nil
}
