package broker

import (
	"slices"

	"github.com/slogcast/slogcast/internal/wire"
)

// A target is what a binding leads to: a queue or an exchange.
type target struct {
	queue    *queue
	exchange *exchange
}

// String names the target as RabbitMQ's error texts do.
func (t target) String() string {
	if t.queue != nil {
		return t.queue.String()
	}
	return t.exchange.String()
}

// bindings returns those that lead to the target.
func (t target) bindings() map[binding]struct{} {
	if t.queue != nil {
		return t.queue.bindings
	}
	return t.exchange.inbound
}

// A matcher finds the targets of messages for one type of exchange.
type matcher interface {
	add(b binding, args wire.Table)
	remove(b binding)
	match(msg *message, to *router) // calls to.visit for each target
}

// routes are targets, and how many bindings lead to each.
type routes []struct {
	target
	bindings int
}

func (rs *routes) add(t target) {
	for i := range *rs {
		if (*rs)[i].target == t {
			(*rs)[i].bindings++
			return
		}
	}
	*rs = append(*rs, struct {
		target
		bindings int
	}{t, 1})
}

func (rs *routes) remove(t target) {
	for i := range *rs {
		if (*rs)[i].target != t {
			continue
		}
		if (*rs)[i].bindings--; (*rs)[i].bindings == 0 {
			*rs = slices.Delete(*rs, i, i+1)
		}
		return
	}
}

// A router walks from exchange to exchange with one message at a time. It
// belongs to the Server, so that routing allocates nothing; guarded by
// Server.mu.
type router struct {
	round     uint64 // of the message; marks what was visited
	visits    int    // targets that the exchange of the moment has led to
	queues    []*queue
	exchanges []*exchange
	headers   map[string]any // of the message, once a headers exchange has asked
}

// visit notes a target, once a message.
func (r *router) visit(t target) {
	r.visits++
	if q := t.queue; q != nil {
		if q.round != r.round {
			q.round = r.round
			r.queues = append(r.queues, q)
		}
	} else if x := t.exchange; x.round != r.round {
		x.round = r.round
		r.exchanges = append(r.exchanges, x)
	}
}

// routeLocked returns the queues that msg reaches from x, each once however
// many ways lead there. The slice is valid until the next call.
func (s *Server) routeLocked(x *exchange, msg *message) []*queue {
	r := &s.router
	r.round++
	r.headers = nil
	r.queues, r.exchanges = r.queues[:0], r.exchanges[:0]
	r.visit(target{exchange: x})
	for i := 0; i < len(r.exchanges); i++ {
		x := r.exchanges[i]
		r.visits = 0
		if x.name == "" {
			s.matchNamesLocked(msg)
			continue
		}
		x.matcher.match(msg, r)
		if r.visits == 0 && x.hasAlternate {
			if alternate := s.exchanges[x.alternate]; alternate != nil {
				r.visit(target{exchange: alternate})
			}
		}
	}
	return r.queues
}

// matchNamesLocked routes for the default exchange, to which every queue is
// bound with its name.
func (s *Server) matchNamesLocked(msg *message) {
	for key := range msg.keys {
		if q := s.queues[key]; q != nil {
			s.router.visit(target{queue: q})
		}
	}
}

// directMatcher is that of a direct exchange: the keys are equal.
type directMatcher map[string]routes

func (m directMatcher) add(b binding, _ wire.Table) {
	rs := m[b.key]
	rs.add(b.to)
	m[b.key] = rs
}

func (m directMatcher) remove(b binding) {
	rs := m[b.key]
	if rs.remove(b.to); len(rs) == 0 {
		delete(m, b.key)
		return
	}
	m[b.key] = rs
}

func (m directMatcher) match(msg *message, to *router) {
	for key := range msg.keys {
		for _, r := range m[key] {
			to.visit(r.target)
		}
	}
}

// fanoutMatcher is that of a fanout: everything matches.
type fanoutMatcher struct{ routes }

func (m *fanoutMatcher) add(b binding, _ wire.Table) { m.routes.add(b.to) }
func (m *fanoutMatcher) remove(b binding)            { m.routes.remove(b.to) }

func (m *fanoutMatcher) match(_ *message, to *router) {
	for _, r := range m.routes {
		to.visit(r.target)
	}
}
