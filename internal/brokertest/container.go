package brokertest

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/exec"
	"github.com/testcontainers/testcontainers-go/wait"
)

// dockerAnswers reports whether a Docker engine is there.
func dockerAnswers() bool {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	provider, err := testcontainers.NewDockerProvider()
	if err != nil {
		return false
	}
	defer provider.Close()
	return provider.Health(ctx) == nil
}

// startContainer starts RabbitMQ in Docker.
func startContainer() (*Broker, error) {
	ctx := context.Background()
	boot, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	c, err := testcontainers.GenericContainer(boot, testcontainers.GenericContainerRequest{
		ContainerRequest: testcontainers.ContainerRequest{
			Image:        cmp.Or(os.Getenv("LOGTAIL_TEST_IMAGE"), "rabbitmq:4"),
			ExposedPorts: []string{"5672/tcp"},
			WaitingFor:   wait.ForLog("Server startup complete").WithStartupTimeout(3 * time.Minute),
		},
		Started: true,
	})
	stop := func() {
		if err := testcontainers.TerminateContainer(c); err != nil {
			fmt.Fprintf(os.Stderr, "end the container: %v\n", err)
		}
	}
	if err != nil {
		if c != nil {
			stop()
		}
		return nil, fmt.Errorf("start a container: %w", err)
	}
	b := &Broker{stop: stop}
	b.Ctl = func(args ...string) (string, error) {
		code, out, err := c.Exec(ctx, append([]string{"rabbitmqctl"}, args...), exec.Multiplexed())
		if err != nil {
			return "", err
		}
		text, err := io.ReadAll(out)
		if err == nil && code != 0 {
			err = fmt.Errorf("exit code %d", code)
		}
		return string(text), err
	}
	address, err := c.PortEndpoint(boot, "5672/tcp", "")
	if err == nil {
		b.URL = "amqp://guest:guest@" + address + "/"
		err = waitFor(boot, b.identify)
	}
	if err != nil {
		stop()
		return nil, fmt.Errorf("reach the container: %w", err)
	}
	return b, nil
}
