package link

import (
	"context"
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"
)

// DeclareQueue makes sure of a durable queue. One that exists with other arguments
// is used as it is; differs is what the broker says of them, quoted, or "". A user
// who may not declare is let go on, as long as the queue exists. Each step has a
// channel of its own; see DeclareFanout.
func (c *Conn) DeclareQueue(name string, args Args) (differs string, err error) {
	err = c.onChannel(func(ch *amqp.Channel) error {
		_, err := ch.QueueDeclare(name, true, false, false, false, amqp.Table(args))
		return err
	})
	refusal, ok := errors.AsType[*amqp.Error](err)
	switch {
	case ok && refusal.Code == amqp.PreconditionFailed && inequivalentQueue.MatchString(refusal.Reason):
		return fmt.Sprintf("%q", refusal.Reason), nil
	case ok && refusal.Code == amqp.AccessRefused:
		if exists, probeErr := c.QueueExists(name); exists || probeErr != nil {
			return "", probeErr
		}
	}
	return "", err
}

// QueueExists looks for a durable queue. Where the broker refuses even that
// (RabbitMQ 4.2.6 and later, without permissions), it is taken to exist.
func (c *Conn) QueueExists(name string) (bool, error) {
	err := c.onChannel(func(ch *amqp.Channel) error {
		_, err := ch.QueueDeclarePassive(name, true, false, false, false, nil)
		return err
	})
	refusal, ok := errors.AsType[*amqp.Error](err)
	switch {
	case err == nil, ok && refusal.Code == amqp.AccessRefused:
		return true, nil
	case ok && refusal.Code == amqp.NotFound:
		return false, nil
	}
	return false, err
}

// KnownAt reports whether another node of this cluster knows the queue, which belongs
// to this connection. An error says that it can't be told.
func (c *Conn) KnownAt(ctx context.Context, cfg Config, to Endpoint, queue string) (bool, error) {
	other, err := Dial(ctx, cfg, to)
	if err != nil {
		return false, err
	}
	stop := context.AfterFunc(ctx, other.Abort)
	defer stop()
	defer func() {
		bye, cancel := context.WithTimeout(ctx, closeTimeout)
		defer cancel()
		other.Close(bye)
	}()
	if name := c.cluster(); name == "" || name != other.cluster() {
		return false, errors.New("not of the same cluster")
	}
	known, err := other.QueueExists(queue)
	if refusal, ok := errors.AsType[*amqp.Error](err); ok && refusal.Code == amqp.ResourceLocked {
		return true, nil // by us
	}
	return known, err
}

// cluster returns the name of the broker's cluster, "" if it does not say.
func (c *Conn) cluster() string {
	name, _ := c.conn.Properties["cluster_name"].(string)
	return name
}

// DeleteQueue deletes the queue, with what is in it.
func (c *Conn) DeleteQueue(name string) error {
	return c.onChannel(func(ch *amqp.Channel) error {
		_, err := ch.QueueDelete(name, false, false, false)
		return err
	})
}

// Unmendable returns an Error that no retry mends, with its cause.
func Unmendable(problem, hint string, cause error) *Error {
	return &Error{Problem: problem, Hint: hint, Fatal: true, err: cause}
}
