// Package handler is a [slog.Handler] that broadcasts records over RabbitMQ.
//
//	h, err := handler.New("amqp://app:secret@mq.example/", nil)
//	if err != nil {
//		return err // a bad URL or option, never a broker that is away
//	}
//	defer h.Close(ctx)
//	slog.SetDefault(slog.New(h))
//
// Each record becomes one message on a fanout exchange, with the bytes that
// [slog.NewJSONHandler] would have written as its body. Any number of receivers
// get it: logtail, which shows or archives it, or a program in any language.
//
// # The promise
//
//   - It never hurts the program. Handle encodes the record, copies it into a
//     bounded buffer and returns. It does not wait for the network, whatever the
//     broker does, unless the Block policy asks it to; it does not panic, whatever
//     functions of the program's do; its memory is bounded by Options.Buffer.
//   - It never loses a record in silence. A record is confirmed by the broker, or
//     counted as dropped with a cause; Stats tells at any time, and Close says
//     what was left. Every record carries a sequence number, dropped ones take
//     theirs along, so that receivers see the gap.
//   - Records leave in the order in which Handle was called, as far as that was
//     in order. After a lost connection what was not confirmed is sent again,
//     under the same message-id: receivers that look at it see each record once.
//
// # How it works
//
//	Handle ─ encoder ─ inbox ┐                 what is waiting has a rank
//	Handle ─ encoder ─ inbox ┴─ buffer ──────┬─ session ─ link ─ broker
//	                              │  records  │  window    (no answer yet)
//	                              │ come back ┘
//	                              └ dropped ─ fallback ─ Options.Fallback
//	                                          status ─── Options.OnError
//
// Goroutines: one publishes (publisher, which has a session for each connection and
// owns its window), one hands dropped records to the Fallback, one tells the program
// of errors. Handle runs in its caller's; it shares the buffer with them, under a
// mutex that nobody holds for long. The state of a record is in one place at a time:
// in the buffer while it waits, in the session's window while it is on its way, and
// in counts afterwards. The buffer counts the bytes of all.
//
// # What it does not promise
//
// A confirmed record is with the broker. Whether anybody receives it depends on
// who listens: a fanout exchange without queues drops what it gets. Records that
// are in the buffer when the program crashes are lost; there is no spool on disk.
//
// Where slog.JSONHandler would write what is not JSON, Handler writes JSON: when
// ReplaceAttr deletes all of a group (it leaves a comma out) and for a time
// beyond the year 9999 (it writes two strings). Groups nested more than 1000
// deep are cut.
package handler
