//go:build !unix

package brokertest

import "errors"

func startNode() (*Broker, error) {
	return nil, errors.New("a private node of rabbitmq-server can't be started on this system; use LOGTAIL_TEST_BROKER=amqp://...")
}
