// Package faults is the fault suite: it breaks the network, the broker and the
// reader under a handler and a tail that are at work, and accounts for every
// record. It has tests only.
//
// Every run logs numbered records. A durable queue, bound at the broker itself
// and not through what is broken, holds what the broker took: the truth about
// what is lost. A sink.Tail shows what a reader is shown. Whatever the fault,
// these hold (see finish):
//
//   - What was given to Handle is confirmed, dropped with a cause, or unknown;
//     after a clean Close nothing is unknown.
//   - What was confirmed is in the queue, as it was logged, and nothing else is.
//   - The tail shows a record once, or tells that it is missing. What it has told
//     so it may still show, where the broker is killed again and again.
//   - First sightings come in the order of the sequence numbers.
//   - Goroutines and file descriptors are back within 5 s of Close.
//
// The quick part runs with go test ./... and breaks the network only. The full
// part kills, stops and alarms a private RabbitMQ, takes about 40 minutes, and
// asserts times as well:
//
//	go test ./internal/faults -run Full -full -v -timeout 90m -table FILE
//
// On Linux, and for root, it breaks a cluster of three nodes, too (FullCluster alone:
// 20 minutes): a quorum queue counts there, and two tails watch. Its rows go to
// FILE.cluster.
//
// With -short as well, faults last a tenth of their time. In the table, wire
// duplicates are records that came again, under the same message-id, and gap
// told are those that the tail said it misses.
package faults
