package broker

import (
	"slices"
	"time"

	"github.com/slogcast/slogcast/internal/wire"
)

// Why a message ends in a queue, in RabbitMQ's words.
const (
	rejected = "rejected"
	expired  = "expired"
	tooMany  = "maxlen"
	tooOften = "delivery_limit"
)

// A death is a message that has ended in a queue with a dead letter exchange,
// and waits for Server.unlock to send it on. It is still counted.
type death struct {
	queue  string
	args   *queueArgs // of the queue, which may be gone
	msg    *message
	reason string
}

// endLocked ends an entry that was popped or never got in: it is sent on, or
// forgotten.
func (q *queue) endLocked(e entry, reason string) {
	if !q.args.deadLetters || e.msg == nil {
		q.discardLocked(e)
		return
	}
	q.srv.dead = append(q.srv.dead, death{q.name, &q.args, e.msg, reason})
}

// buryLocked sends on what has ended, and what ends because of that.
func (s *Server) buryLocked() {
	if len(s.dead) == 0 {
		return
	}
	for i := 0; i < len(s.dead); i++ {
		d := s.dead[i]
		s.dead[i] = death{}
		s.sendOnLocked(d)
		s.releaseLocked(d.msg)
	}
	s.dead = s.dead[:0]
	if wasteful(0, cap(s.dead)) {
		s.dead = nil
	}
}

// sendOnLocked publishes a dead letter. Without its exchange, or with headers
// that leave no room for its story, it is dropped.
func (s *Server) sendOnLocked(d death) {
	x := s.exchanges[d.args.deadLetterExchange]
	letter, deaths := d.letter()
	if x == nil || letter == nil {
		return
	}
	for _, q := range s.routeLocked(x, letter) {
		if d.reason == rejected || !inCycle(q.name, deaths) {
			s.enqueueLocked(q, letter)
		}
	}
}

// letter returns the message that goes on, and its deaths. It has no time to
// live, so that it does not end where it comes to.
func (d *death) letter() (*message, []any) {
	p, err := wire.ParseProperties(d.msg.properties)
	if err != nil {
		return nil, nil
	}
	var t wire.Table
	if p.Headers != nil {
		if t, err = wire.ParseTable(p.Headers); err != nil {
			return nil, nil
		}
	}
	t, deaths := d.tell(t, p)
	letter := &message{
		exchange: d.args.deadLetterExchange, routingKey: d.msg.routingKey, more: d.msg.more,
		body: d.msg.body, priority: d.msg.priority, ttl: noTTL,
	}
	if d.args.hasDeadLetterKey {
		letter.routingKey, letter.more = d.args.deadLetterKey, nil
		t = slices.DeleteFunc(t, func(f wire.Field) bool { return f.Key == "CC" })
	}
	letter.properties = wire.SetHeaders(wire.WithoutExpiration(d.msg.properties), t)
	if p, err = wire.ParseProperties(letter.properties); err != nil {
		return nil, nil
	}
	if _, err := wire.ParseTable(p.Headers); err != nil {
		return nil, nil // too long a story
	}
	return letter, deaths
}

// tell adds a death to headers: the latest goes first, and one with the same
// queue and reason counts up (RabbitMQ's "x-death").
func (d *death) tell(t wire.Table, p wire.Properties) (wire.Table, []any) {
	v, there := t.Get("x-death")
	old, isArray := v.([]any)
	latest := d.event(t, p)
	if !there {
		t = setField(t, "x-first-death-reason", d.reason)
		t = setField(t, "x-first-death-queue", d.queue)
		t = setField(t, "x-first-death-exchange", d.msg.exchange)
	}
	deaths := make([]any, 1, len(old)+1)
	for _, v := range old {
		event, isTable := v.(wire.Table)
		reason, _ := event.Get("reason")
		queue, _ := event.Get("queue")
		if !isArray || !isTable || queue != d.queue || reason != d.reason {
			deaths = append(deaths, v)
			continue
		}
		n, _ := event.Get("count")
		count, _ := n.(int64)
		latest = setField(slices.Clone(event), "count", count+1)
	}
	deaths[0] = latest
	return setField(t, "x-death", deaths), deaths
}

// event describes the death. Of the keys it tells those that a receiver may
// know: not those of BCC.
func (d *death) event(headers wire.Table, p wire.Properties) wire.Table {
	keys := []any{d.msg.routingKey}
	cc, _ := headers.Get("CC")
	list, _ := cc.([]any)
	for _, v := range list {
		if key, isString := v.(string); isString {
			keys = append(keys, key)
		}
	}
	event := wire.Table{
		{Key: "count", Value: int64(1)},
		{Key: "reason", Value: d.reason},
		{Key: "queue", Value: d.queue},
		{Key: "time", Value: wire.Timestamp(time.Now().Unix())},
		{Key: "exchange", Value: d.msg.exchange},
		{Key: "routing-keys", Value: keys},
	}
	if p.HasExpiration {
		event = append(event, wire.Field{Key: "original-expiration", Value: string(p.Expiration)})
	}
	return event
}

// setField returns t with another value of a field, at its place or at the end.
func setField(t wire.Table, key string, value any) wire.Table {
	for i := range t {
		if t[i].Key == key {
			t[i].Value = value
			return t
		}
	}
	return append(t, wire.Field{Key: key, Value: value})
}

// inCycle reports whether a letter has died in the queue before, and since then
// nowhere because a client rejected it: it would go round for ever.
func inCycle(queue string, deaths []any) bool {
	for _, v := range deaths {
		event, _ := v.(wire.Table)
		if reason, _ := event.Get("reason"); reason == rejected {
			return false
		}
		if name, _ := event.Get("queue"); name == queue {
			return true
		}
	}
	return false
}
