package link

import (
	"errors"
	"fmt"
	"regexp"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Types of exchanges that are treated in ways of their own.
const (
	Fanout = amqp.ExchangeFanout
	Direct = amqp.ExchangeDirect
)

// inequivalent is how RabbitMQ says that an exchange exists otherwise.
var inequivalent = regexp.MustCompile(`inequivalent arg '(\w+)'.* but current is '?([^' ]*)`)

// inequivalentQueue is the same of a queue.
var inequivalentQueue = regexp.MustCompile(`inequivalent arg`)

// DeclareFanout makes sure of a fanout exchange, durable unless transient. One that exists with
// another durability is used as it is: the RabbitMQ tutorials differ among
// languages. One of another type is an Error that names both. A user who may
// not declare is let go on, as long as the exchange exists.
//
// Each step has a channel of its own, since the broker answers a refusal by
// closing the channel (AMQP 0-9-1 section 2.2.7).
func (c *Conn) DeclareFanout(name string, transient bool) error {
	err := c.onChannel(func(ch *amqp.Channel) error {
		return ch.ExchangeDeclare(name, amqp.ExchangeFanout, !transient, false, false, false, nil)
	})
	refusal, ok := errors.AsType[*amqp.Error](err)
	if !ok {
		return err
	}
	switch refusal.Code {
	case amqp.PreconditionFailed:
		if m := inequivalent.FindStringSubmatch(refusal.Reason); m != nil && m[1] == "type" {
			return &Error{
				Problem: fmt.Sprintf("exchange %q on %s is of type %s, not fanout", name, c.Endpoint, plain(m[2])),
				Hint:    "name another exchange, or delete that one",
				Fatal:   true,
				err:     err,
			}
		}
		return nil
	case amqp.AccessRefused:
		if reserved(refusal) {
			return &Error{
				Problem: fmt.Sprintf("exchange %q on %s does not exist, and names that begin with amq. are the broker's own", name, c.Endpoint),
				Hint:    "name another exchange",
				Fatal:   true,
				err:     err,
			}
		}
		return c.checkExchange(name)
	}
	return err
}

// UseExchange makes sure that there is an exchange to bind to, of whatever type,
// and returns its type, or "" when the user may not know. One that is missing is
// created, as DeclareFanout does.
func (c *Conn) UseExchange(name string, transient bool) (kind string, created bool, err error) {
	err = c.onChannel(func(ch *amqp.Channel) error {
		return ch.ExchangeDeclarePassive(name, amqp.ExchangeFanout, true, false, false, false, nil)
	})
	refusal, ok := errors.AsType[*amqp.Error](err)
	switch {
	case ok && refusal.Code == amqp.NotFound:
		err = c.DeclareFanout(name, transient)
		return amqp.ExchangeFanout, err == nil, err
	case ok && refusal.Code == amqp.AccessRefused:
		return "", false, nil
	case err != nil:
		return "", false, err
	}
	// A broker tells the type only to who declares another.
	err = c.onChannel(func(ch *amqp.Channel) error {
		return ch.ExchangeDeclare(name, amqp.ExchangeFanout, true, false, false, false, nil)
	})
	refusal, ok = errors.AsType[*amqp.Error](err)
	switch {
	case ok && refusal.Code == amqp.PreconditionFailed:
		if m := inequivalent.FindStringSubmatch(refusal.Reason); m != nil && m[1] == "type" {
			return m[2], false, nil
		}
	case ok && refusal.Code == amqp.AccessRefused:
		return "", false, nil
	case err != nil:
		return "", false, err
	}
	return amqp.ExchangeFanout, false, nil
}

// FindExchange makes sure that there is an exchange, and creates none.
func (c *Conn) FindExchange(name string) error {
	return c.find(name, "does not exist", "name another exchange, or have it created")
}

// checkExchange looks whether an exchange that the user may not create exists.
func (c *Conn) checkExchange(name string) error {
	return c.find(name, fmt.Sprintf("does not exist, and %s may not create it", c.Endpoint.Who()),
		"have it declared as a durable fanout by a user with the configure permission")
}

// find returns an Error with what is wrong and what to do when there is no such
// exchange. A broker that refuses even to say so (RabbitMQ 4.2.6 and later, without
// permissions) leaves it open.
func (c *Conn) find(name, wrong, hint string) error {
	err := c.onChannel(func(ch *amqp.Channel) error {
		return ch.ExchangeDeclarePassive(name, amqp.ExchangeFanout, true, false, false, false, nil)
	})
	refusal, ok := errors.AsType[*amqp.Error](err)
	switch {
	case ok && refusal.Code == amqp.NotFound:
		return &Error{Problem: fmt.Sprintf("exchange %q on %s %s", name, c.Endpoint, wrong), Hint: hint, Fatal: true, err: err}
	case ok && refusal.Code == amqp.AccessRefused:
		return nil
	}
	return err
}

// onChannel runs do, which waits for the broker, on a channel that is thrown away
// afterwards.
func (c *Conn) onChannel(do func(*amqp.Channel) error) error {
	return c.withChannel(func(ch *amqp.Channel) error {
		return c.ask(func() error { return do(ch) })
	})
}

// withChannel is onChannel where do bounds what it waits for.
func (c *Conn) withChannel(do func(*amqp.Channel) error) error {
	ch, err := c.openChannel()
	if err != nil {
		return err
	}
	defer func() { _ = c.ask(ch.Close) }() // it may be closed
	return do(ch)
}

func (c *Conn) openChannel() (ch *amqp.Channel, err error) {
	err = c.ask(func() error {
		ch, err = c.conn.Channel()
		return err
	})
	return ch, err
}
