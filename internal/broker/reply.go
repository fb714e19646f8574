package broker

import (
	"strings"

	"github.com/slogcast/slogcast/internal/wire"
)

// Direct reply-to: a client consumes from the queue that is named replyTo, asks
// with that name as reply-to, and gets the answers without a queue of its own
// (RabbitMQ's "direct reply-to"). Here there is one all the same: it goes with
// its consumer, its name cannot be guessed, and it drops answers that its
// client does not read.
const replyTo = "amq.rabbitmq.reply-to"

// maxReplies is how many bytes of answers wait for a client.
const maxReplies = 4 << 20

// isReplyTo reports whether a name is replyTo or that of such a queue.
func isReplyTo(name string) bool {
	return name == replyTo || strings.HasPrefix(name, replyTo+".")
}

// replyQueueLocked makes the queue for the answers to a channel.
func (ch *channel) replyQueueLocked(m *wire.BasicConsume) (*queue, error) {
	s := ch.conn.srv
	switch {
	case !m.NoAck:
		return nil, raise(preconditionFailed, "reply consumer cannot acknowledge")
	case ch.replies != nil && !ch.replies.deleted:
		return nil, raise(preconditionFailed, "reply consumer already set")
	}
	args := queueArgs{kind: classic, ttl: noTTL, maxBytes: maxReplies, hasMaxBytes: true}
	q, err := s.addQueueLocked(replyTo+"."+randomID(), args)
	if err != nil {
		return nil, err
	}
	q.owner, q.autoDelete, q.replies = ch.conn, true, true
	ch.replies = q
	return q, nil
}

// declareReplyQueueLocked handles the declaration of a queue for answers, which
// asks whether somebody still waits for them.
func (ch *channel) declareReplyQueueLocked(m *wire.QueueDeclare) error {
	if m.Queue != replyTo && ch.conn.srv.queues[m.Queue] == nil {
		return raise(notFound, "no %s", queueName(m.Queue))
	}
	if !m.NoWait {
		ch.reply(&wire.QueueDeclareOk{Queue: m.Queue, Consumers: 1})
	}
	return nil
}

// setReplyTo puts the name of the channel's queue for answers where the message
// asks for it.
func (ch *channel) setReplyTo(msg *message, p wire.Properties) error {
	if string(p.ReplyTo) != replyTo {
		return nil
	}
	s := ch.conn.srv
	s.mu.Lock()
	defer s.unlock()
	if ch.replies == nil || ch.replies.deleted {
		return raise(preconditionFailed, "fast reply consumer does not exist")
	}
	msg.properties = wire.SetReplyTo(msg.properties, ch.replies.name)
	return nil
}
