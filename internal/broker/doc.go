// Package broker is an AMQP 0-9-1 broker in this process, for one machine:
// development, demonstrations, tests, a single host. It behaves as RabbitMQ
// 3.10 does, with the same reply codes and texts, so that whoever outgrows one
// machine points the same URL at RabbitMQ and changes nothing else.
//
//	s, err := broker.Listen(nil) // 127.0.0.1:5672, guest:guest
//	defer s.Close()
//
// # What it has
//
// Direct, fanout, topic and headers exchanges, the predeclared ones among them;
// bindings of queues and of exchanges, with cycles; alternate exchanges; the
// headers CC and BCC.
//
// Named, server-named, exclusive and auto-delete queues; x-max-length,
// x-max-length-bytes, x-overflow, x-expires, x-message-ttl and the expiration
// property; x-max-priority; x-single-active-consumer; dead-lettering with
// x-death. A quorum queue is taken as a plain one, and Config.Logger told; it
// counts deliveries in x-delivery-count and keeps to x-delivery-limit. What comes
// back to it goes to its place, where RabbitMQ 3.10 puts it at the end.
//
// Streams, with x-max-age and x-max-length-bytes, which are read from an
// x-stream-offset of any kind. Old records go one by one, not by segments, and
// each is a chunk of its own: reading begins at the offset or time that was
// asked for.
//
// Publishing with mandatory returns and confirms; consuming with prefetch for a
// consumer or a channel and with priorities; get, ack, nack, reject, recover,
// and requeue to the original position; consumer cancel notification; direct
// reply-to; connection.blocked; heartbeats; PLAIN and AMQPLAIN; TLS.
//
// # What it promises
//
// Memory is bounded by [Config]. Nothing a client sends or omits to send harms
// another connection. A consumer that does not read costs one outbox, in which
// large bodies are shared with all others; what it does not take stays in its
// queue, under the limits of that queue. When memory is short, the oldest
// records of streams go first, then the oldest messages of queues that drop
// from the head, delivered ones included; only then are publishers blocked.
// Guessing of passwords is slow, and told.
//
// # What it does not have
//
// Nothing is kept on disk: everything is gone after [Server.Close]. So
// durability is no difference: an exchange or queue may be declared again with
// another one, where RabbitMQ answers 406. There is one user, without
// permissions to set, and one virtual host, "/".
//
// These are refused with 540 NOT_IMPLEMENTED: transactions (class tx),
// immediate publishing, channel.flow with active=false, basic.recover with
// requeue=false, and prefetch sizes. A body of more than Config.MaxBody is refused
// with 406, once it has come; RabbitMQ 3.10 has a larger bound.
//
// These are accepted and mean nothing: no-local, delivery-mode, x-queue-mode,
// x-queue-version, x-queue-master-locator, x-queue-leader-locator, replicas and
// group sizes, x-max-in-memory-length and -bytes, x-dead-letter-strategy,
// x-credit, x-cancel-on-ha-failover, x-consumer-timeout (no consumer is timed out),
// x-stream-max-segment-size-bytes. Plugins, policies, the management API and
// other protocols are not there.
//
// # Goroutines
//
//	accept -> serve (one a connection: reads, handles) -> Server.mu -> outbox.run (one a connection: writes)
//	runTimers: what is due in queues        reportAlarms: what Config.Logger is told of memory
package broker
