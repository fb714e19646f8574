package broker

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/slogcast/slogcast/internal/wire"
)

// handleQueue handles the methods of class queue.
func (ch *channel) handleQueue(m wire.Method) error {
	s := ch.conn.srv
	defer ch.tellNotice() // after the lock is given back
	s.mu.Lock()
	defer s.unlock()
	switch m := m.(type) {
	case *wire.QueueDeclare:
		m.Queue = oneLine(m.Queue)
		return ch.declareQueueLocked(m)
	case *wire.QueueBind:
		return ch.bindLocked(m)
	case *wire.QueueUnbind:
		return ch.unbindLocked(m)
	case *wire.QueuePurge:
		q, err := ch.queueLocked(m.Queue)
		if err != nil {
			return err
		}
		if q.args.stream {
			return raise(notImplemented, "queue.purge not supported by stream queues %s", q)
		}
		n := q.purgeLocked()
		q.scheduleLocked()
		if !m.NoWait {
			ch.reply(&wire.QueuePurgeOk{Messages: uint32(n)})
		}
		return nil
	case *wire.QueueDelete:
		return ch.deleteQueueLocked(m)
	}
	return raise(commandInvalid, "unimplemented method")
}

// tellNotice logs what came up under the lock.
func (ch *channel) tellNotice() {
	if ch.notice != "" {
		ch.conn.srv.cfg.Logger.Warn(ch.notice, "peer", ch.conn.nc.RemoteAddr().String())
		ch.notice = ""
	}
}

// oneLine removes line ends, as RabbitMQ does from the names of what is
// declared, bound or deleted, and not elsewhere.
func oneLine(name string) string {
	return strings.NewReplacer("\r", "", "\n", "").Replace(name)
}

// expand returns the name a client means: an empty one is the queue that was
// declared last on the channel.
func (ch *channel) expand(name string) (string, error) {
	if name == "" && ch.last == "" {
		return "", raise(notFound, "no previously declared queue")
	}
	if name == "" {
		return ch.last, nil
	}
	return name, nil
}

// queueLocked returns a queue that is there and that the client may use.
func (ch *channel) queueLocked(name string) (*queue, error) {
	name, err := ch.expand(name)
	if err != nil {
		return nil, err
	}
	q := ch.conn.srv.queues[name]
	if q == nil {
		return nil, raise(notFound, "no %s", queueName(name))
	}
	return q, ch.checkOwner(q)
}

// checkOwner refuses the exclusive queue of another connection.
func (ch *channel) checkOwner(q *queue) error {
	if q.owner == nil || q.owner == ch.conn {
		return nil
	}
	return locked(q)
}

func locked(q *queue) error {
	return raise(resourceLocked, "cannot obtain exclusive access to locked %s. It could be originally declared on another connection or the exclusive property value does not match that of the original declaration.", q)
}

func (ch *channel) declareQueueLocked(m *wire.QueueDeclare) error {
	s := ch.conn.srv
	if isReplyTo(m.Queue) {
		return ch.declareReplyQueueLocked(m)
	}
	var q *queue
	var err error
	switch {
	case m.Passive && s.queues[m.Queue] == nil:
		err = raise(notFound, "no %s", queueName(m.Queue))
	case m.Passive:
		q = s.queues[m.Queue]
		err = ch.checkOwner(q)
	case m.Queue == "":
		q, err = ch.newQueueLocked("", m)
	case strings.HasPrefix(m.Queue, "amq."):
		err = raise(accessRefused, "queue name '%s' contains reserved prefix 'amq.*'", m.Queue)
	case s.queues[m.Queue] != nil:
		q = s.queues[m.Queue]
		err = ch.checkEquivalent(q, m)
	default:
		q, err = ch.newQueueLocked(m.Queue, m)
	}
	if err != nil {
		return err
	}
	ch.last = q.name
	q.lastUse = s.now()
	q.scheduleLocked()
	if !m.NoWait {
		ch.reply(&wire.QueueDeclareOk{Queue: q.name, Messages: uint32(q.count()), Consumers: uint32(len(q.consumers))})
	}
	return nil
}

// freeNameLocked makes a name in the form of RabbitMQ's.
func (s *Server) freeNameLocked() string { return "amq.gen-" + randomID() }

// randomID returns 128 random bits in 22 characters.
func randomID() string {
	var b [16]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func (ch *channel) newQueueLocked(name string, m *wire.QueueDeclare) (*queue, error) {
	args, err := parseQueueArgs(name, m.Arguments)
	if err == nil {
		err = args.kind.checkDeclaration(name, m)
	}
	if err != nil {
		return nil, err
	}
	if name == "" {
		name = ch.conn.srv.freeNameLocked()
	}
	q, err := ch.conn.srv.addQueueLocked(name, args)
	if err != nil {
		return nil, err
	}
	q.autoDelete = m.AutoDelete
	if m.Exclusive {
		q.owner = ch.conn
	}
	if args.kind == quorum {
		ch.notice = fmt.Sprintf("broker: quorum queue %q is taken as a plain one: in the memory of this process, without replicas", name)
	}
	return q, nil
}

// addQueueLocked makes a queue whose name is free.
func (s *Server) addQueueLocked(name string, args queueArgs) (*queue, error) {
	if len(s.queues) >= s.cfg.MaxQueues {
		return nil, raise(preconditionFailed, "cannot declare %s: queue limit in vhost '/' (%d) is reached", queueName(name), s.cfg.MaxQueues)
	}
	q := newQueue(s, name)
	q.args = args
	s.queues[name] = q
	return q, nil
}

// checkEquivalent compares a declaration with the queue that is there.
// Durability is no difference: nothing here is durable.
func (ch *channel) checkEquivalent(q *queue, m *wire.QueueDeclare) error {
	if m.Exclusive && q.owner != ch.conn || !m.Exclusive && q.owner != nil {
		return locked(q)
	}
	if q.autoDelete != m.AutoDelete {
		return inequivalent("auto_delete", q.String(), m.AutoDelete, q.autoDelete)
	}
	return q.args.checkEquivalent(q.String(), m.Arguments)
}

func (ch *channel) deleteQueueLocked(m *wire.QueueDelete) error {
	name, err := ch.expand(oneLine(m.Queue))
	if err != nil {
		return err
	}
	s := ch.conn.srv
	n := 0
	if q := s.queues[name]; q != nil { // RabbitMQ has made deletion idempotent
		switch err := ch.checkOwner(q); {
		case err != nil:
			return err
		case q.args.stream:
			// Neither IfUnused nor IfEmpty keeps a stream, in RabbitMQ either.
		case q.args.kind == quorum && m.IfUnused:
			return errConditional(q, "if-unused")
		case q.args.kind == quorum && m.IfEmpty:
			return errConditional(q, "if-empty")
		case m.IfUnused && len(q.consumers) > 0:
			return raise(preconditionFailed, "%s in use", q)
		case m.IfEmpty && q.count() > 0:
			return raise(preconditionFailed, "%s not empty", q)
		}
		n = s.deleteQueueLocked(q)
	}
	if !m.NoWait {
		ch.reply(&wire.QueueDeleteOk{Messages: uint32(n)})
	}
	return nil
}

// errConditional is the exception for a deletion of a quorum queue that hangs on
// something.
func errConditional(q *queue, flag string) error {
	return raise(notImplemented, "cannot delete %s. queue.delete operations with %s flag set are not supported by quorum queues", q, flag)
}
