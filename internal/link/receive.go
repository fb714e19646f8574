package link

import amqp "github.com/rabbitmq/amqp091-go"

// What a Consumer asks of the broker on its channel. Each call blocks until the
// broker has answered, and fails when the channel or the connection ends, or a peer
// does not answer.

// Args are arguments of a queue or a consumer: x-max-length, say.
type Args map[string]any

// DeclareTemporary declares a queue of this connection alone, which goes with it, and
// returns the name that the broker has given it.
func (in *Consumer) DeclareTemporary(args Args) (name string, err error) {
	// Exclusive without auto-delete: the queue goes with the connection, not with
	// the consumer.
	err = in.conn.ask(func() error {
		q, err := in.library.QueueDeclare("", false, false, true, false, amqp.Table(args))
		name = q.Name
		return err
	})
	return name, err
}

// Bind binds the queue to the exchange.
func (in *Consumer) Bind(queue, key, exchange string) error {
	return in.conn.ask(func() error { return in.library.QueueBind(queue, key, exchange, false, nil) })
}

// Unbind undoes Bind.
func (in *Consumer) Unbind(queue, key, exchange string) error {
	return in.conn.ask(func() error { return in.library.QueueUnbind(queue, key, exchange, nil) })
}

// Look returns how many messages wait in the queue, and how many receive from it. A
// queue that does not exist ends the channel.
func (in *Consumer) Look(queue string, temporary bool) (messages, consumers int, err error) {
	err = in.conn.ask(func() error {
		q, err := in.library.QueueDeclarePassive(queue, !temporary, false, temporary, false, nil)
		messages, consumers = q.Messages, q.Consumers
		return err
	})
	return messages, consumers, err
}

// Start starts a consumer of the queue, with acknowledgements, that is handed so many
// messages before they are acknowledged. It may be started again, with another tag,
// after Cancel.
func (in *Consumer) Start(queue, tag string, exclusive bool, prefetch int, args Args) error {
	in.mu.Lock()
	in.half = max(1, prefetch/2)
	in.mu.Unlock()
	return in.conn.ask(func() error {
		if err := in.library.Qos(prefetch, 0, false); err != nil {
			return err
		}
		ended, err := in.library.Consume(queue, tag, false, exclusive, false, false, amqp.Table(args))
		if err != nil {
			return err // what came over another before may still be taken
		}
		in.ended = ended
		return nil
	})
}

// Cancel ends the consumer. What is under way still comes.
func (in *Consumer) Cancel(tag string) error {
	return in.conn.ask(func() error { return in.library.Cancel(tag, false) })
}

// Ack acknowledges all messages up to the one with the tag. It does not wait.
func (in *Consumer) Ack(tag uint64) error { return in.library.Ack(tag, true) }

// Closed is closed, after the reason where there is one, when the channel has ended.
func (in *Consumer) Closed() <-chan error { return in.closed }
