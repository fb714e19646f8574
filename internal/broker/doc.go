// Package broker is an AMQP 0-9-1 broker in this process, for one machine:
// development, demonstrations, tests, a single host. It behaves as RabbitMQ is
// documented to, with the same reply codes and texts, so that whoever outgrows
// one machine points the same URL at RabbitMQ and changes nothing else.
//
//	s, err := broker.Listen(nil) // 127.0.0.1:5672, guest:guest
//	defer s.Close()
//
// # What it has
//
// Direct, fanout and default exchanges; named, server-named, exclusive and
// auto-delete queues; publishing with mandatory returns and confirms;
// consuming with prefetch for a consumer or a channel; get, ack, nack, reject
// and requeue to the original position; x-max-length, x-max-length-bytes,
// x-overflow, x-expires, x-message-ttl and the expiration property; consumer
// cancel notification, connection.blocked, heartbeats.
//
// # What it promises
//
// Memory is bounded by [Config]. Nothing a client sends or omits to send harms
// another connection. A consumer that does not read costs one outbox; what it
// does not take stays in its queue, under the limits of that queue.
//
// # What it does not have
//
// Nothing is kept on disk: durable queues and exchanges are remembered as such
// and are gone after [Server.Close] like all others. There is one user, and
// one virtual host, "/".
//
// These are refused with 540 NOT_IMPLEMENTED: topic and headers exchanges,
// bindings between exchanges, alternate exchanges, transactions, immediate
// publishing, channel.flow with active=false, basic.recover with
// requeue=false, prefetch sizes, dead-lettering, priorities of messages and of
// consumers, single active consumers, consumer timeouts, quorum queues and
// streams, and direct reply-to.
//
// Ignored, as in RabbitMQ or for want of a meaning in memory: no-local,
// delivery-mode, x-queue-mode and x-queue-version. The headers CC and BCC do not route.
package broker
