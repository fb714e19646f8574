package broker

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/slogcast/slogcast/internal/wire"
)

// Stages of an incoming message.
const (
	expectMethod = iota // none is on its way
	expectHeader
	expectBody
)

// An incoming is the message a channel is receiving, in up to three kinds of
// frames.
type incoming struct {
	stage                int
	exchange, routingKey string // kept from one message to the next, see intern
	mandatory            bool
	properties           []byte // reused unless large
	body                 []byte
	bodySize             int
	held                 int64  // bytes of it that hold has counted
	refusal              error  // what the client gets once it has sent all
	toSkip               uint64 // bytes of a refused body that have not come
	pieces               bool   // body was copied from several frames, else it is in the frame
}

// intern returns b as a string, without allocating if it is the same as last
// time: most channels publish to one exchange with few keys.
func intern(last string, b []byte) string {
	if last == string(b) {
		return last
	}
	return string(b)
}

// errOutOfTurn is the exception for a frame that is not the one the channel
// waits for.
func (in *incoming) errOutOfTurn() error {
	switch in.stage {
	case expectHeader:
		return &exception{code: unexpectedFrame, method: wire.BasicPublishID,
			text: "expected content header for class 60, got non content header frame instead"}
	case expectBody:
		return &exception{code: unexpectedFrame, method: wire.BasicPublishID,
			text: "expected content body, got non content body frame instead"}
	}
	return errNotMethod()
}

// handlePublish begins a message.
func (ch *channel) handlePublish(payload []byte) error {
	m, err := wire.ParsePublish(payload)
	if err != nil {
		return errUndecodable(wire.BasicPublishID)
	}
	if m.Immediate {
		return raise(notImplemented, "immediate=true")
	}
	ch.exchange = intern(ch.exchange, m.Exchange)
	ch.routingKey = intern(ch.routingKey, m.RoutingKey)
	ch.mandatory = m.Mandatory
	ch.stage = expectHeader
	return nil
}

// handleHeader takes the properties. Of a body that is too large nothing is
// stored.
func (ch *channel) handleHeader(payload []byte) error {
	h, err := wire.ParseHeader(payload)
	if err != nil {
		return frameException(wire.Frame{Type: wire.FrameHeader}, wire.ErrFrameType)
	}
	if h.Class != basicClass {
		return &exception{code: unexpectedFrame, method: wire.BasicPublishID,
			text: "expected content header for class 60, got one for class " + strconv.Itoa(int(h.Class)) + " instead"}
	}
	if limit := ch.conn.srv.cfg.MaxBody; h.BodySize > uint64(limit) {
		ch.refuse(h.BodySize, "message size "+strconv.FormatUint(h.BodySize, 10)+" is larger than configured max size "+strconv.Itoa(limit))
		return nil
	}
	ch.properties = append(ch.properties[:0], h.Properties...)
	ch.body, ch.bodySize, ch.pieces = nil, int(h.BodySize), false
	ch.stage = expectBody
	if h.BodySize == 0 {
		return ch.finish()
	}
	if cap(ch.properties) > smallProperties {
		ch.hold()
	}
	return nil
}

// smallProperties is the size up to which properties are not worth counting
// while their body comes in, nor giving back after.
const smallProperties = 1 << 10

// refuse skips the rest of the body, of which so much has not come. Only then
// does the client get the reason, as from RabbitMQ: there are clients that never
// answer a channel.close that comes while they write a message.
func (ch *channel) refuse(left uint64, reason string) {
	ch.refusal = &exception{code: preconditionFailed, method: wire.BasicPublishID, text: reason}
	ch.toSkip = left
	ch.stage = expectBody
}

// skip drops a piece of a refused body.
func (ch *channel) skip(piece []byte) error {
	if uint64(len(piece)) > ch.toSkip {
		return ch.errOutOfTurn()
	}
	ch.toSkip -= uint64(len(piece))
	if ch.toSkip > 0 {
		return nil
	}
	err := ch.refusal
	ch.refusal, ch.stage = nil, expectMethod
	return err
}

// handleBody takes a piece of the body.
func (ch *channel) handleBody(piece []byte) error {
	if ch.refusal != nil {
		return ch.skip(piece)
	}
	if len(piece) > ch.bodySize-len(ch.body) {
		return ch.errOutOfTurn()
	}
	if len(piece) == ch.bodySize {
		// The usual case: finish copies the whole message at once.
		ch.body, ch.pieces = piece, false
		return ch.finish()
	}
	ch.body, ch.pieces = ch.extend(piece), true
	switch ch.hold(); {
	case ch.refusal != nil:
		return ch.skip(nil) // it may have been the last piece
	case len(ch.body) == ch.bodySize:
		return ch.finish()
	}
	return nil
}

// extend returns the body with a piece more. It grows by what has arrived, not
// by what was announced, and ends with room for exactly that.
func (in *incoming) extend(piece []byte) []byte {
	if n := len(in.body) + len(piece); n > cap(in.body) {
		larger := make([]byte, len(in.body), min(max(2*cap(in.body), n), in.bodySize))
		copy(larger, in.body)
		in.body = larger
	}
	return append(in.body, piece...)
}

// hold counts what the channel keeps of a message that is not complete, or
// refuses the message.
//
// All such messages together may take half of the memory. If they could fill
// it their connections would be held, so that the rest of them never came, and
// no consumer could free any of it.
func (ch *channel) hold() {
	s := ch.conn.srv
	s.mu.Lock()
	defer s.unlock()
	n := int64(cap(ch.body)) - ch.held
	if cap(ch.properties) > smallProperties {
		n += int64(cap(ch.properties))
	}
	if s.memory.incoming+n > s.cfg.Memory/2 {
		ch.refuse(uint64(ch.bodySize-len(ch.body)), "no memory to receive a message of size "+strconv.Itoa(ch.bodySize))
		ch.dropIncomingLocked()
		return
	}
	ch.held += n
	s.memory.incoming += n
	s.countLocked(n)
	ch.conn.published = true
}

// dropIncomingLocked gives back what hold has counted.
func (ch *channel) dropIncomingLocked() {
	s := ch.conn.srv
	ch.body, ch.properties = nil, nil
	s.memory.incoming -= ch.held
	s.countLocked(-ch.held)
	ch.held = 0
}

// finish publishes the message that is complete.
func (ch *channel) finish() error {
	ch.stage = expectMethod
	msg, err := ch.newMessage()
	ch.body = nil
	if cap(ch.properties) > smallProperties {
		ch.properties = nil
	}
	if s := ch.conn.srv; ch.held > 0 {
		s.mu.Lock()
		ch.dropIncomingLocked()
		s.unlock()
	}
	if err == nil {
		err = ch.publish(msg)
	}
	if e, ok := err.(*exception); ok {
		e.method = wire.BasicPublishID
	}
	return err
}

// newMessage makes a message of what came in.
func (ch *channel) newMessage() (*message, error) {
	p, err := wire.ParseProperties(ch.properties)
	if err != nil {
		return nil, raise(syntaxError, "cannot decode the properties")
	}
	if p.HasUserID && string(p.UserID) != ch.conn.user {
		return nil, raise(preconditionFailed, "user_id property set to '%s' but authenticated user was '%s'", p.UserID, ch.conn.user)
	}
	msg := &message{exchange: ch.exchange, routingKey: ch.routingKey, priority: p.Priority, ttl: noTTL}
	if p.HasExpiration {
		ms, problem := parseExpiration(string(p.Expiration))
		if problem != "" {
			return nil, raise(preconditionFailed, "invalid expiration '%s': %s", p.Expiration, problem)
		}
		msg.ttl = milliseconds(ms)
	}
	ch.takeContent(msg)
	if err := msg.takeRoutes(p.Headers); err != nil {
		return nil, err
	}
	return msg, ch.setReplyTo(msg, p)
}

// takeContent gives msg what came in, with one allocation.
func (ch *channel) takeContent(msg *message) {
	if ch.pieces {
		msg.properties, msg.body = slices.Clone(ch.properties), ch.body
		return
	}
	n := len(ch.properties)
	content := make([]byte, n+len(ch.body))
	copy(content, ch.properties)
	copy(content[n:], ch.body)
	msg.properties, msg.body = content[:n:n], content[n:]
}

// takeRoutes reads the headers CC and BCC (RabbitMQ's "sender-selected
// distribution"), and removes the latter.
func (m *message) takeRoutes(raw []byte) error {
	cc, bcc := wire.HasField(raw, "CC"), wire.HasField(raw, "BCC")
	if !cc && !bcc {
		return nil
	}
	t, err := wire.ParseTable(raw)
	if err != nil {
		return raise(syntaxError, "cannot decode the headers")
	}
	for _, key := range []string{"CC", "BCC"} {
		v, there := t.Get(key)
		list, isArray := v.([]any)
		if there && !isArray {
			return raise(preconditionFailed, "invalid message: {unacceptable_type_in_header,\"%s\",%s}", key, typeName(v))
		}
		for _, v := range list {
			if s, isString := v.(string); isString {
				m.more = append(m.more, s)
			}
		}
	}
	if bcc {
		t = slices.DeleteFunc(t, func(f wire.Field) bool { return f.Key == "BCC" })
		m.properties = wire.SetHeaders(m.properties, t)
	}
	return nil
}

// parseExpiration returns the milliseconds, or what is wrong with them.
func parseExpiration(s string) (ms int64, problem string) {
	rest := strings.TrimLeft(strings.TrimLeft(s, "+-"), "0123456789")
	number := strings.TrimSuffix(s, rest)
	ms, err := strconv.ParseInt(number, 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return 0, "{value_too_large," + number + "}"
	case err != nil:
		return 0, "no_integer"
	case rest != "":
		return 0, fmt.Sprintf("{leftover_string,%q}", rest)
	case ms < 0:
		return 0, "{value_negative," + s + "}"
	case ms > maxTTL:
		return 0, "{value_too_large," + s + "}"
	}
	return ms, ""
}

// publish routes a message and confirms it.
func (ch *channel) publish(msg *message) error {
	s := ch.conn.srv
	s.mu.Lock()
	routed, rejected, err := s.publishLocked(msg)
	if err == nil && !routed && ch.mandatory {
		shares := ch.conn.out.sendContent(ch.id, &wire.BasicReturn{
			Code: noRoute, Text: codeName(noRoute), Exchange: msg.exchange, RoutingKey: msg.routingKey,
		}, content{msg, queueHeader{}, ch.conn.frameMax})
		if shares {
			s.retainLocked(msg)
		}
	}
	s.unlock()
	if err != nil {
		return err
	}
	ch.conn.published = true
	if ch.confirming {
		ch.confirm(rejected)
	}
	return nil
}

// publishLocked puts msg in every queue it is routed to. It reports whether
// there was one, and whether one of them refused the message for being full.
func (s *Server) publishLocked(msg *message) (routed, rejected bool, err error) {
	x := s.exchanges[msg.exchange]
	switch {
	case x == nil:
		return false, false, errNoExchange(msg.exchange)
	case x.internal:
		return false, false, raise(accessRefused, "cannot publish to internal exchange '%s' in vhost '/'", msg.exchange)
	}
	s.totals.published++
	for _, q := range s.routeLocked(x, msg) {
		if !s.enqueueLocked(q, msg) {
			rejected = true
		}
		routed = routed || !q.replies
	}
	if !routed {
		s.totals.unroutable++
	}
	return routed, rejected, nil
}
