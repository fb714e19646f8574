package broker_test

import (
	"bytes"
	"runtime"
	"strconv"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/slogcast/slogcast/internal/broker"
	"github.com/slogcast/slogcast/internal/wire"
)

// liveHeap returns the bytes that are in use.
func liveHeap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// stopped returns a client that consumes from a queue of its own, bound to
// amq.fanout, and reads nothing any more.
func stopped(t testing.TB, s *broker.Server, args wire.Table, noAck bool, prefetch uint16) *raw {
	r := dialRaw(t, s.URL())
	r.open(131072, 0)
	q := unique()
	r.send(1, &wire.QueueDeclare{Queue: q, Exclusive: true, Arguments: args}, &wire.QueueBind{Queue: q, Exchange: "amq.fanout", NoWait: true},
		&wire.BasicQos{PrefetchCount: prefetch})
	expect[*wire.QueueDeclareOk](r)
	expect[*wire.Bare](r)
	r.send(1, &wire.BasicConsume{Queue: q, NoAck: noAck})
	expect[*wire.BasicConsumeOk](r)
	return r
}

// TestConsumersThatDoNotReadShareBodies tests that large messages cost what
// they are, and not that for each consumer that they wait for.
func TestConsumersThatDoNotReadShareBodies(t *testing.T) {
	const consumers, messages, size = 60, 4, 4 << 20
	s := listen(t, nil)
	for i := range consumers {
		stopped(t, s, nil, i%2 == 0, 0)
	}
	ch := openChannel(t, s.URL())
	ok(t, ch.Confirm(false))
	before := liveHeap()
	for range messages {
		c, err := ch.PublishWithDeferredConfirm("amq.fanout", "", false, false, amqp.Publishing{Body: make([]byte, size)})
		ok(t, err)
		<-c.Done()
	}
	if n := liveHeap() - before; n > 2*messages*size {
		t.Errorf("%d messages of %d bytes hold %d bytes", messages, size, n)
	}
	if n := s.Stats().Bytes; n < size || n > messages*size+1<<20 {
		t.Errorf("%d messages of %d bytes count as %d bytes", messages, size, n)
	}
	s.DropConnections()
	want(t, "bytes at the end", s.Stats().Bytes, 0)
}

// TestSharedBodiesCount tests that what only an outbox holds counts, until it
// is sent or given up.
func TestSharedBodiesCount(t *testing.T) {
	const size = 1 << 20
	s := listen(t, &broker.Config{OutboxLimit: 8 << 20})
	client, _ := servePipe(t, s)
	client.open(131072, 0)
	client.send(1, &wire.QueueDeclare{Queue: "q", NoWait: true}, &wire.BasicConsume{Queue: "q", NoAck: true})
	expect[*wire.BasicConsumeOk](client)
	ch := openChannel(t, s.URL())
	for range 4 {
		publish(t, ch, "q", strings.Repeat("x", size))
	}
	ok(t, sync(ch))
	want(t, "ready", s.Stats().Ready, 0)
	if n := s.Stats().Bytes; n < 4*size {
		t.Errorf("four bodies of %d bytes on their way count as %d", size, n)
	}
	for range 4 {
		expect[*wire.BasicDeliver](client)
		f, err := client.frame()
		ok(t, err)
		h, err := wire.ParseHeader(f.Payload)
		ok(t, err)
		for got := uint64(0); got < h.BodySize; got += uint64(len(f.Payload)) {
			f, err = client.frame()
			ok(t, err)
			if len(bytes.Trim(f.Payload, "x")) > 0 {
				t.Fatal("the body has changed")
			}
		}
	}
	await(t, func() bool { return s.Stats().Bytes == 0 })
}

// TestStoppedTailsHoldNobodyBack tests that publishers go on while those who
// do not read have queues that may drop, whatever was delivered to them.
func TestStoppedTailsHoldNobodyBack(t *testing.T) {
	const limit, size, n = 8 << 20, 100 << 10, 400
	tail := wire.Table{{Key: "x-max-length", Value: int32(100000)}, {Key: "x-max-length-bytes", Value: int32(4 << 20)}}
	s := listen(t, &broker.Config{Memory: limit})
	for range 3 {
		stopped(t, s, tail, false, 0)
	}
	// One that reads, and never acknowledges.
	reader := openChannel(t, s.URL())
	q := tempQueue(t, reader, amqp.Table{"x-max-length-bytes": 4 << 20})
	ok(t, reader.QueueBind(q, "", "amq.fanout", false, nil))
	deliveries := must(reader.Consume(q, "", false, false, false, false, nil))(t)
	got := make(chan int, 1)
	go func() {
		count := 0
		for d := range deliveries {
			if count++; string(bytes.TrimSpace(d.Body)) == strconv.Itoa(n-1) {
				break
			}
		}
		got <- count
	}()
	ch := openChannel(t, s.URL())
	ok(t, ch.Confirm(false))
	for i := range n {
		body := append(bytes.Repeat([]byte(" "), size), strconv.Itoa(i)...)
		c, err := ch.PublishWithDeferredConfirm("amq.fanout", "", false, false, amqp.Publishing{Body: body})
		ok(t, err)
		<-c.Done()
		if st := s.Stats(); st.Blocked || st.Bytes > limit+limit/8 {
			t.Fatalf("after %d messages: %+v", i, st)
		}
	}
	// Nor does it hold back who reads. The last message may have been dropped,
	// too: then another is the last.
	count := 0
	await(t, func() bool {
		select {
		case count = <-got:
			return true
		default:
			publish(t, ch, q, strconv.Itoa(n-1))
			return false
		}
	})
	if count < n/10 {
		t.Errorf("who reads got %d of %d", count, n)
	}
	ok(t, reader.Close()) // what it had goes back, as far as it is there
	s.DropConnections()
	want(t, "bytes at the end", s.Stats().Bytes, 0)
}
