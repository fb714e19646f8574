//go:build !unix

package brokertest

import (
	"errors"
	"os/exec"
)

func findServer() (dir string, err error) {
	return "", errors.New("a private node of rabbitmq-server can't be started on this system; use LOGTAIL_TEST_BROKER=amqp://...")
}

func newNode(NodeConfig) (*Node, error) {
	_, err := findServer()
	return nil, err
}

func prepareNode(place, NodeConfig) (*Node, error) { return newNode(NodeConfig{}) }

func ownGroup(*exec.Cmd) {}

// Kill is never called: there is no node.
func (n *Node) Kill() {}

// Stop is never called: there is no node.
func (n *Node) Stop() {}

// Continue is never called: there is no node.
func (n *Node) Continue() {}
