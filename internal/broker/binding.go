package broker

import (
	"crypto/sha256"

	"github.com/slogcast/slogcast/internal/wire"
)

// A binding is what queue.bind and exchange.bind make. Two with different
// arguments are different bindings, even if the type of the exchange does not
// read them.
type binding struct {
	source    *exchange
	to        target
	key       string
	arguments string // their digest
}

// newBinding returns a binding that is not made yet.
func newBinding(source *exchange, to target, key string, args wire.Table) binding {
	return binding{source, to, key, digest(wire.AppendTable(nil, args))}
}

// digest returns what tells the arguments of bindings apart: themselves, or a
// hash that keeps a client from storing as much as it likes in them.
func digest(arguments []byte) string {
	if len(arguments) < sha256.Size {
		return string(arguments)
	}
	sum := sha256.Sum256(arguments)
	return string(sum[:])
}

// exists reports whether the binding was made.
func (b binding) exists() bool {
	_, ok := b.source.bindings[b]
	return ok
}

// addBindingLocked makes a binding, unless it is there already.
func (s *Server) addBindingLocked(b binding, args wire.Table) error {
	x := b.source
	if x.kind == headers {
		if err := checkHeadersBinding(args); err != nil {
			return err
		}
	}
	if b.exists() {
		return nil
	}
	if s.bindings >= s.cfg.MaxBindings {
		return raise(preconditionFailed, "cannot bind %s: binding limit (%d) is reached", b.to, s.cfg.MaxBindings)
	}
	if n := len(wire.AppendTable(nil, args)); x.kind == headers && n > maxBindingArguments {
		return raise(preconditionFailed, "cannot bind %s: %d bytes of arguments, more than %d", b.to, n, maxBindingArguments)
	}
	s.bindings++
	x.bindings[b] = struct{}{}
	b.to.bindings()[b] = struct{}{}
	x.matcher.add(b, args)
	return nil
}

// maxBindingArguments bounds what a binding of a headers exchange keeps, in
// bytes.
const maxBindingArguments = 4096

// removeBindingLocked removes a binding, if it is there. An auto-delete
// exchange goes with its last one.
func (s *Server) removeBindingLocked(b binding) {
	x := b.source
	if !b.exists() {
		return
	}
	s.bindings--
	delete(x.bindings, b)
	delete(b.to.bindings(), b)
	x.matcher.remove(b)
	if x.autoDelete && !x.deleted && len(x.bindings) == 0 {
		s.removeExchangeLocked(x)
	}
}

// bindLocked handles queue.bind.
func (ch *channel) bindLocked(m *wire.QueueBind) error {
	b, err := ch.queueBindingLocked(m.Queue, m.Exchange, m.RoutingKey, m.Arguments)
	if err == nil {
		err = ch.checkOwner(b.to.queue)
	}
	if err == nil {
		err = ch.conn.srv.addBindingLocked(b, m.Arguments)
	}
	if err != nil {
		return err
	}
	if !m.NoWait {
		ch.replyBare(wire.QueueBindOkID)
	}
	return nil
}

// unbindLocked handles queue.unbind. RabbitMQ has made it idempotent: a queue,
// exchange or binding that is not there is not an error.
func (ch *channel) unbindLocked(m *wire.QueueUnbind) error {
	b, err := ch.queueBindingLocked(m.Queue, m.Exchange, m.RoutingKey, m.Arguments)
	if e, ok := err.(*exception); ok && e.code != notFound {
		return err
	}
	if err == nil && b.exists() {
		if err := ch.checkOwner(b.to.queue); err != nil {
			return err
		}
		ch.conn.srv.removeBindingLocked(b)
	}
	ch.replyBare(wire.QueueUnbindOkID)
	return nil
}

// queueBindingLocked returns the binding a client names. An empty routing key
// with an empty queue name means the name of the queue.
func (ch *channel) queueBindingLocked(queue, exchange, key string, args wire.Table) (binding, error) {
	queue = oneLine(queue)
	name, err := ch.expand(queue)
	if err != nil {
		return binding{}, err
	}
	if queue == "" && key == "" {
		key = name
	}
	x, err := ch.sourceLocked(exchange)
	if err != nil {
		return binding{}, err
	}
	q := ch.conn.srv.queues[name]
	if q == nil {
		return binding{}, raise(notFound, "no %s", queueName(name))
	}
	return newBinding(x, target{queue: q}, key, args), nil
}

// sourceLocked returns an exchange to bind from.
func (ch *channel) sourceLocked(name string) (*exchange, error) {
	name = oneLine(name)
	if name == "" {
		return nil, raise(accessRefused, "operation not permitted on the default exchange")
	}
	x := ch.conn.srv.exchanges[name]
	if x == nil {
		return nil, errNoExchange(name)
	}
	return x, nil
}

// bindExchangeLocked handles exchange.bind.
func (ch *channel) bindExchangeLocked(m *wire.ExchangeBind) error {
	b, err := ch.exchangeBindingLocked(m.Destination, m.Source, m.RoutingKey, m.Arguments)
	if err != nil {
		return err
	}
	return ch.conn.srv.addBindingLocked(b, m.Arguments)
}

// unbindExchangeLocked handles exchange.unbind, which is as idempotent as
// queue.unbind.
func (ch *channel) unbindExchangeLocked(m *wire.ExchangeUnbind) error {
	b, err := ch.exchangeBindingLocked(m.Destination, m.Source, m.RoutingKey, m.Arguments)
	if e, ok := err.(*exception); ok && e.code == notFound {
		return nil
	}
	if err != nil {
		return err
	}
	ch.conn.srv.removeBindingLocked(b)
	return nil
}

func (ch *channel) exchangeBindingLocked(destination, source, key string, args wire.Table) (binding, error) {
	if oneLine(destination) == "" {
		return binding{}, raise(accessRefused, "operation not permitted on the default exchange")
	}
	x, err := ch.sourceLocked(source)
	if err != nil {
		return binding{}, err
	}
	to, err := ch.sourceLocked(destination)
	if err != nil {
		return binding{}, err
	}
	return newBinding(x, target{exchange: to}, key, args), nil
}
