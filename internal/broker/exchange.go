package broker

import (
	"fmt"
	"slices"
	"strings"

	"github.com/slogcast/slogcast/internal/wire"
)

// Exchange types.
const (
	direct = "direct"
	fanout = "fanout"
)

// An exchange routes messages to queues. All fields are guarded by Server.mu;
// those above the blank line never change, but for autoDelete when it is deleted.
type exchange struct {
	name                          string
	kind                          string
	durable, autoDelete, internal bool

	bindings map[binding]struct{}
	routes   map[string][]route // by routeKey; a queue occurs once in each
}

// A binding is what queue.bind makes. Two with different arguments are
// different bindings, even if these types of exchange do not read them.
type binding struct {
	exchange  *exchange
	queue     *queue
	key       string
	arguments string // their digest
}

// exists reports whether the binding was made.
func (b binding) exists() bool {
	_, ok := b.exchange.bindings[b]
	return ok
}

// A route counts the bindings that lead to a queue under one key.
type route struct {
	queue    *queue
	bindings int
}

// predeclared returns the exchanges every broker has.
func predeclared() map[string]*exchange {
	xs := make(map[string]*exchange)
	for name, kind := range map[string]string{"": direct, "amq.direct": direct, "amq.fanout": fanout} {
		xs[name] = newExchange(name, kind)
		xs[name].durable = true
	}
	return xs
}

func newExchange(name, kind string) *exchange {
	return &exchange{
		name: name, kind: kind,
		bindings: make(map[binding]struct{}),
		routes:   make(map[string][]route),
	}
}

// String names the exchange as RabbitMQ's error texts do.
func (x *exchange) String() string { return exchangeName(x.name) }

func exchangeName(name string) string {
	if name == "" {
		return "default exchange"
	}
	return fmt.Sprintf("exchange '%s' in vhost '/'", name)
}

// routeKey returns the key of routes for a routing key: a fanout ignores it.
func (x *exchange) routeKey(key string) string {
	if x.kind == fanout {
		return ""
	}
	return key
}

// addBindingLocked adds a binding, unless it is there already.
func (s *Server) addBindingLocked(b binding) error {
	x := b.exchange
	if b.exists() {
		return nil
	}
	if s.bindings >= s.cfg.MaxBindings {
		return raise(preconditionFailed, "cannot bind %s: binding limit (%d) is reached", b.queue, s.cfg.MaxBindings)
	}
	s.bindings++
	x.bindings[b] = struct{}{}
	b.queue.bindings[b] = struct{}{}
	key := x.routeKey(b.key)
	routes := x.routes[key]
	i := slices.IndexFunc(routes, func(r route) bool { return r.queue == b.queue })
	if i < 0 {
		x.routes[key] = append(routes, route{b.queue, 1})
	} else {
		routes[i].bindings++
	}
	return nil
}

// removeBindingLocked removes a binding, if it is there. An auto-delete
// exchange goes with its last one.
func (s *Server) removeBindingLocked(b binding) {
	x := b.exchange
	if !b.exists() {
		return
	}
	s.bindings--
	delete(x.bindings, b)
	delete(b.queue.bindings, b)
	key := x.routeKey(b.key)
	routes := x.routes[key]
	i := slices.IndexFunc(routes, func(r route) bool { return r.queue == b.queue })
	routes[i].bindings--
	if routes[i].bindings == 0 {
		routes = slices.Delete(routes, i, i+1)
		x.routes[key] = routes
	}
	if len(routes) == 0 {
		delete(x.routes, key)
	}
	if x.autoDelete && len(x.bindings) == 0 {
		delete(s.exchanges, x.name)
	}
}

// handleExchange handles the methods of class exchange.
func (ch *channel) handleExchange(m wire.Method) error {
	s := ch.conn.srv
	s.mu.Lock()
	defer s.mu.Unlock()
	switch m := m.(type) {
	case *wire.ExchangeDeclare:
		m.Exchange = oneLine(m.Exchange)
		if err := s.declareExchangeLocked(m); err != nil {
			return err
		}
		if !m.NoWait {
			ch.replyBare(wire.ExchangeDeclareOkID)
		}
		return nil
	case *wire.ExchangeDelete:
		m.Exchange = oneLine(m.Exchange)
		if err := s.deleteExchangeLocked(m); err != nil {
			return err
		}
		if !m.NoWait {
			ch.replyBare(wire.ExchangeDeleteOkID)
		}
		return nil
	case *wire.ExchangeBind, *wire.ExchangeUnbind:
		return raise(notImplemented, "bindings between exchanges")
	}
	return raise(commandInvalid, "unimplemented method")
}

func (s *Server) declareExchangeLocked(m *wire.ExchangeDeclare) error {
	if m.Exchange == "" {
		return raise(accessRefused, "operation not permitted on the default exchange")
	}
	x := s.exchanges[m.Exchange]
	if slices.Contains(unsupportedExchanges, m.Exchange) {
		return errUnsupported(m.Exchange)
	}
	if m.Passive {
		if x == nil {
			return raise(notFound, "no %s", exchangeName(m.Exchange))
		}
		return nil
	}
	if err := checkExchangeType(m.Type); err != nil {
		return err
	}
	if x != nil {
		return x.checkEquivalent(m)
	}
	if strings.HasPrefix(m.Exchange, "amq.") {
		return raise(accessRefused, "exchange name '%s' contains reserved prefix 'amq.*'", m.Exchange)
	}
	if _, ok := m.Arguments.Get("alternate-exchange"); ok {
		return raise(notImplemented, "alternate-exchange")
	}
	if m.Type != direct && m.Type != fanout {
		return raise(notImplemented, "exchange type '%s': this broker has direct and fanout", m.Type)
	}
	if len(s.exchanges) >= s.cfg.MaxExchanges {
		return raise(preconditionFailed, "cannot declare %s: exchange limit of %d is reached", exchangeName(m.Exchange), s.cfg.MaxExchanges)
	}
	x = newExchange(m.Exchange, m.Type)
	x.durable, x.autoDelete, x.internal = m.Durable, m.AutoDelete, m.Internal
	s.exchanges[x.name] = x
	return nil
}

// unsupportedExchanges are those every RabbitMQ has and this broker has not.
var unsupportedExchanges = []string{"amq.topic", "amq.headers", "amq.match"}

func errUnsupported(exchange string) error {
	return raise(notImplemented, "%s: this broker has direct and fanout", exchangeName(exchange))
}

// errNoExchange is the exception for the use of an exchange that is not there.
func errNoExchange(name string) error {
	if slices.Contains(unsupportedExchanges, name) {
		return errUnsupported(name)
	}
	return raise(notFound, "no %s", exchangeName(name))
}

// checkExchangeType tells types no broker has from those RabbitMQ has.
func checkExchangeType(kind string) error {
	switch kind {
	case direct, fanout, "topic", "headers":
		return nil
	}
	return raise(commandInvalid, "unknown exchange type '%s'", kind)
}

// checkEquivalent compares a declaration with the exchange that is there.
func (x *exchange) checkEquivalent(m *wire.ExchangeDeclare) error {
	if x.kind != m.Type {
		return inequivalent("type", x.String(), m.Type, x.kind)
	}
	if x.durable != m.Durable {
		return inequivalent("durable", x.String(), m.Durable, x.durable)
	}
	if x.autoDelete != m.AutoDelete {
		return inequivalent("auto_delete", x.String(), m.AutoDelete, x.autoDelete)
	}
	if x.internal != m.Internal {
		return inequivalent("internal", x.String(), m.Internal, x.internal)
	}
	if v, ok := m.Arguments.Get("alternate-exchange"); ok {
		return inequivalentArg("alternate-exchange", x.String(), v, nil)
	}
	return nil
}

func inequivalent(arg, where string, received, current any) error {
	return raise(preconditionFailed, "inequivalent arg '%s' for %s: received '%v' but current is '%v'", arg, where, received, current)
}

func (s *Server) deleteExchangeLocked(m *wire.ExchangeDelete) error {
	switch x := s.exchanges[m.Exchange]; {
	case m.Exchange == "":
		return raise(accessRefused, "operation not permitted on the default exchange")
	case strings.HasPrefix(m.Exchange, "amq."):
		return raise(accessRefused, "deletion of system %s not allowed", exchangeName(m.Exchange))
	case x == nil:
		return nil // RabbitMQ has made deletion idempotent
	case m.IfUnused && len(x.bindings) > 0:
		return raise(preconditionFailed, "%s in use", x)
	default:
		x.autoDelete = false // it goes now, not with its last binding
		for b := range x.bindings {
			s.removeBindingLocked(b)
		}
		delete(s.exchanges, x.name)
		return nil
	}
}
