package broker

import (
	"fmt"
	"strings"

	"github.com/slogcast/slogcast/internal/wire"
)

// Exchange types.
const (
	direct  = "direct"
	fanout  = "fanout"
	topic   = "topic"
	headers = "headers"
)

// An exchange routes messages to queues and other exchanges. All fields are
// guarded by Server.mu; those above the blank line never change.
type exchange struct {
	name, kind           string
	autoDelete, internal bool
	alternate            string // gets what has no other way to go
	hasAlternate         bool

	matcher  matcher              // nil for the default exchange
	bindings map[binding]struct{} // from here
	inbound  map[binding]struct{} // to here
	round    uint64               // of the router's last visit
	deleted  bool
}

// predeclared returns the exchanges every broker has.
func predeclared() map[string]*exchange {
	xs := make(map[string]*exchange)
	for name, kind := range map[string]string{
		"": direct, "amq.direct": direct, "amq.fanout": fanout, "amq.topic": topic, "amq.headers": headers, "amq.match": headers,
		"amq.rabbitmq.trace": topic,
	} {
		xs[name] = newExchange(name, kind)
	}
	xs["amq.rabbitmq.trace"].internal = true
	return xs
}

// newExchange returns an exchange of a type that newMatcher knows.
func newExchange(name, kind string) *exchange {
	return &exchange{
		name: name, kind: kind, matcher: newMatcher(kind),
		bindings: make(map[binding]struct{}),
		inbound:  make(map[binding]struct{}),
	}
}

// newMatcher returns the matcher of a type of exchange, or nil for one that
// does not exist.
func newMatcher(kind string) matcher {
	switch kind {
	case direct:
		return make(directMatcher)
	case fanout:
		return new(fanoutMatcher)
	case topic:
		return new(topicMatcher)
	case headers:
		return new(headersMatcher)
	}
	return nil
}

// String names the exchange as RabbitMQ's error texts do.
func (x *exchange) String() string { return exchangeName(x.name) }

func exchangeName(name string) string {
	if name == "" {
		return "default exchange"
	}
	return fmt.Sprintf("exchange '%s' in vhost '/'", name)
}

// handleExchange handles the methods of class exchange.
func (ch *channel) handleExchange(m wire.Method) error {
	s := ch.conn.srv
	s.mu.Lock()
	defer s.unlock()
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
	case *wire.ExchangeBind:
		if err := ch.bindExchangeLocked(m); err != nil {
			return err
		}
		if !m.NoWait {
			ch.replyBare(wire.ExchangeBindOkID)
		}
		return nil
	case *wire.ExchangeUnbind:
		if err := ch.unbindExchangeLocked(m); err != nil {
			return err
		}
		if !m.NoWait {
			ch.replyBare(wire.ExchangeUnbindOkID)
		}
		return nil
	}
	return raise(commandInvalid, "unimplemented method")
}

func (s *Server) declareExchangeLocked(m *wire.ExchangeDeclare) error {
	if m.Exchange == "" {
		return raise(accessRefused, "operation not permitted on the default exchange")
	}
	x := s.exchanges[m.Exchange]
	if m.Passive {
		if x == nil {
			return raise(notFound, "no %s", exchangeName(m.Exchange))
		}
		return nil
	}
	switch {
	case m.Type == "":
		return raise(commandInvalid, "invalid exchange type ''")
	case newMatcher(m.Type) == nil:
		return raise(commandInvalid, "unknown exchange type '%s'", m.Type)
	}
	if x != nil {
		return x.checkEquivalent(m)
	}
	if strings.HasPrefix(m.Exchange, "amq.") {
		return raise(accessRefused, "exchange name '%s' contains reserved prefix 'amq.*'", m.Exchange)
	}
	alternate, hasAlternate := m.Arguments.Get("alternate-exchange")
	name, isString := alternate.(string)
	if hasAlternate && !isString {
		return raise(preconditionFailed, "invalid type '%s' for arg 'alternate-exchange' in %s", typeName(alternate), exchangeName(m.Exchange))
	}
	if len(s.exchanges) >= s.cfg.MaxExchanges {
		return raise(preconditionFailed, "cannot declare %s: exchange limit of %d is reached", exchangeName(m.Exchange), s.cfg.MaxExchanges)
	}
	x = newExchange(m.Exchange, m.Type)
	x.autoDelete, x.internal = m.AutoDelete, m.Internal
	x.alternate, x.hasAlternate = name, hasAlternate
	s.exchanges[x.name] = x
	return nil
}

// errNoExchange is the exception for the use of an exchange that is not there.
func errNoExchange(name string) error {
	return raise(notFound, "no %s", exchangeName(name))
}

// checkEquivalent compares a declaration with the exchange that is there.
// Durability is no difference: nothing here is durable.
func (x *exchange) checkEquivalent(m *wire.ExchangeDeclare) error {
	if x.kind != m.Type {
		return inequivalent("type", x.String(), m.Type, x.kind)
	}
	if x.autoDelete != m.AutoDelete {
		return inequivalent("auto_delete", x.String(), m.AutoDelete, x.autoDelete)
	}
	if x.internal != m.Internal {
		return inequivalent("internal", x.String(), m.Internal, x.internal)
	}
	var current any
	if x.hasAlternate {
		current = x.alternate
	}
	received, _ := m.Arguments.Get("alternate-exchange")
	if received != current {
		return inequivalentArg("alternate-exchange", x.String(), received, current)
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
		s.removeExchangeLocked(x)
		return nil
	}
}

// removeExchangeLocked removes an exchange and the bindings from and to it.
func (s *Server) removeExchangeLocked(x *exchange) {
	x.deleted = true
	delete(s.exchanges, x.name)
	for b := range x.bindings {
		s.removeBindingLocked(b)
	}
	for b := range x.inbound {
		s.removeBindingLocked(b)
	}
}
