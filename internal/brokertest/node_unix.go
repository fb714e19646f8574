//go:build unix

package brokertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
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

// startNode starts a private node of the installed rabbitmq-server, with its
// own name, ports, data and Erlang port mapper, on loopback.
func startNode() (*Broker, error) {
	dir, err := findServer()
	if err != nil {
		return nil, err
	}
	home, err := os.MkdirTemp("", "slogcast-node-")
	if err != nil {
		return nil, err
	}
	ports, err := freePorts(3)
	if err != nil {
		return nil, err
	}
	env := append(os.Environ(),
		"HOME="+home,
		"RABBITMQ_NODENAME=slogcast@localhost",
		"RABBITMQ_NODE_IP_ADDRESS=127.0.0.1",
		"RABBITMQ_NODE_PORT="+ports[0],
		"RABBITMQ_DIST_PORT="+ports[1],
		"ERL_EPMD_PORT="+ports[2],
		"ERL_EPMD_ADDRESS=127.0.0.1",
		"RABBITMQ_MNESIA_BASE="+filepath.Join(home, "mnesia"),
		"RABBITMQ_LOG_BASE="+filepath.Join(home, "log"),
		"RABBITMQ_ENABLED_PLUGINS_FILE="+filepath.Join(home, "enabled_plugins"),
		"RABBITMQ_CONFIG_FILE="+filepath.Join(home, "rabbitmq"),
	)
	var output bytes.Buffer
	server := exec.Command(filepath.Join(dir, "rabbitmq-server"))
	server.Env, server.Dir = env, home
	server.Stdout, server.Stderr = &output, &output
	server.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := server.Start(); err != nil {
		return nil, fmt.Errorf("start rabbitmq-server: %w", err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Wait() // it is killed
	}()
	stop := func() {
		// The whole group: the script has started the virtual machine.
		_ = syscall.Kill(-server.Process.Pid, syscall.SIGKILL)
		<-ended
		epmd := exec.Command("epmd", "-port", ports[2], "-kill")
		epmd.Env = append(env, "ERL_EPMD_RELAXED_COMMAND_CHECK=true")
		_ = epmd.Run()
		os.RemoveAll(home)
	}
	b := &Broker{URL: "amqp://guest:guest@127.0.0.1:" + ports[0] + "/", stop: stop}
	b.Ctl = func(args ...string) (string, error) {
		ctl := exec.Command(filepath.Join(dir, "rabbitmqctl"), args...)
		ctl.Env = env
		out, err := ctl.CombinedOutput()
		return string(out), err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	err = waitFor(ctx, func() error {
		select {
		case <-ended:
			cancel()
			return errors.New("it ended")
		default:
			return b.identify()
		}
	})
	if err != nil {
		stop()
		return nil, fmt.Errorf("rabbitmq-server does not start: %w\n%s", err, output.Bytes())
	}
	return b, nil
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
