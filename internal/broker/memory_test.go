package broker_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/slogcast/slogcast/internal/broker"
	"github.com/slogcast/slogcast/internal/wire"
)

// TestMemoryLimit fills the memory, and sees that publishers are told and
// held back while a consumer goes on and so lets them go on.
func TestMemoryLimit(t *testing.T) {
	const limit, n, size = 1 << 20, 4000, 1000
	s := listen(t, &broker.Config{Memory: limit})
	conn := must(amqp.Dial(s.URL()))(t)
	defer conn.Close()
	alarm := conn.NotifyBlocked(make(chan amqp.Blocking, 100))
	pub := must(conn.Channel())(t)
	q := must(pub.QueueDeclare("q", false, false, false, false, nil))(t).Name
	sent := make(chan error, 1)
	go func() {
		for range n {
			if err := pub.Publish("", q, false, false, amqp.Publishing{Body: []byte(strings.Repeat("x", size))}); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	if b := receive(t, alarm); !b.Active || b.Reason != "low on memory" {
		t.Errorf("got %+v, want an alarm that says low on memory", b)
	}
	st := s.Stats()
	if !st.Blocked || st.Bytes < limit || st.Bytes > limit+limit/4 {
		t.Errorf("got blocked %t with %d bytes, want true with little more than %d", st.Blocked, st.Bytes, limit)
	}

	// Another publisher is held back too, whether it is told or not; who does
	// not publish is not.
	other := must(amqp.Dial(s.URL()))(t)
	defer other.Close()
	ch := must(other.Channel())(t)
	want(t, "a queue is declared", tempQueue(t, ch, nil)[:8], "amq.gen-")
	ok(t, ch.Qos(10, 0, false))
	deliveries := must(ch.Consume(q, "", false, false, false, false, nil))(t)
	for range n {
		ok(t, receive(t, deliveries).Ack(false))
	}
	ok(t, receive(t, sent))
	for b := receive(t, alarm); b.Active; b = receive(t, alarm) {
	}
	await(t, func() bool { return s.Stats().Bytes == 0 })
	want(t, "blocked", s.Stats().Blocked, false)
}

// TestMemoryLimitCountsEmptyMessages tests that nobody gets around the limit
// with messages that have no body.
func TestMemoryLimitCountsEmptyMessages(t *testing.T) {
	s := listen(t, &broker.Config{Memory: 100 << 10})
	conn := must(amqp.Dial(s.URL()))(t)
	defer conn.Close()
	alarm := conn.NotifyBlocked(make(chan amqp.Blocking, 1))
	ch := must(conn.Channel())(t)
	q := tempQueue(t, ch, nil)
	for len(alarm) == 0 {
		ok(t, ch.Publish("", q, false, false, amqp.Publishing{}))
	}
	if n := s.Stats().Ready; n > 1024 {
		t.Errorf("%d messages in 100 KiB", n)
	}
	s.CloseConnections() // the client's own close is not read now
}

// TestSharedBodyCountsOnce tests that fanout costs no copies.
func TestSharedBodyCountsOnce(t *testing.T) {
	s := listen(t, nil)
	ch := openChannel(t, s.URL())
	const queues, size = 50, 10000
	var names []string
	for range queues {
		q := tempQueue(t, ch, nil)
		ok(t, ch.QueueBind(q, "", "amq.fanout", false, nil))
		names = append(names, q)
	}
	ok(t, ch.Publish("amq.fanout", "", false, false, amqp.Publishing{Body: make([]byte, size)}))
	ok(t, sync(ch))
	if n := s.Stats().Bytes; n < size || n > 2*size {
		t.Errorf("got %d bytes for one message of %d in %d queues", n, size, queues)
	}
	for _, q := range names {
		must(ch.QueuePurge(q, false))(t)
	}
	want(t, "bytes at the end", s.Stats().Bytes, 0)
}

// blockedPublisher returns a connection that is held back.
func blockedPublisher(t *testing.T, s *broker.Server) (*raw, <-chan struct{}) {
	r, done := servePipe(t, s)
	r.open(wire.MinFrameMax, 0)
	r.send(1, &wire.QueueDeclare{Queue: "q"})
	expect[*wire.QueueDeclareOk](r)
	r.write(join(bytesOf(&wire.BasicPublish{RoutingKey: "q"}), headerOf(60, 0, "\x00\x00")))
	expect[*wire.ConnectionBlocked](r)
	return r, done
}

// TestCloseWhileBlocked tests that a publisher that is held back can be closed.
func TestCloseWhileBlocked(t *testing.T) {
	s := listen(t, &broker.Config{Memory: 1})
	r, done := blockedPublisher(t, s)
	closed := make(chan error)
	go func() { closed <- s.Close() }()
	want(t, "code", expect[*wire.ConnectionClose](r).Code, 320)
	receiveEnd(t, done)
	ok(t, receive(t, closed))
}

// TestDropWhileBlocked tests that a publisher that is held back can be cut.
func TestDropWhileBlocked(t *testing.T) {
	s := listen(t, &broker.Config{Memory: 1})
	_, done := blockedPublisher(t, s)
	go s.DropConnections()
	receiveEnd(t, done)
}

// beginMessage sends a message in pieces of a frame each, but for the last.
func beginMessage(r *raw, channel uint16, size, pieces int) {
	b := wire.AppendMethod(nil, channel, &wire.BasicPublish{RoutingKey: "nowhere"})
	b = wire.AppendHeader(b, channel, wire.Header{Class: 60, BodySize: uint64(size), Properties: []byte{0, 0}})
	for range pieces {
		b = append(b, frameOf(wire.FrameBody, channel, make([]byte, wire.MinFrameMax-wire.FrameOverhead)...)...)
	}
	r.write(b)
}

// TestIncompleteMessagesCount tests that what came of a message counts until
// it is complete, its channel is closed or its connection is gone.
func TestIncompleteMessagesCount(t *testing.T) {
	s := listen(t, nil)
	const pieces = 20
	const size = pieces*(wire.MinFrameMax-wire.FrameOverhead) + 1
	for name, end := range map[string]func(r *raw){
		"complete":  func(r *raw) { r.write(frameOf(wire.FrameBody, 1, 'x')) },
		"hung up":   func(r *raw) { r.nc.Close() },
		"exception": func(r *raw) { r.send(0, &wire.ChannelOpen{}) },
		"closed":    func(r *raw) { r.send(0, &wire.ConnectionClose{Code: 200}) },
	} {
		t.Run(name, func(t *testing.T) {
			r := dialRaw(t, s.URL())
			r.open(wire.MinFrameMax, 0)
			beginMessage(r, 1, size, pieces)
			await(t, func() bool { return s.Stats().Bytes >= size-1 })
			end(r)
			await(t, func() bool { return s.Stats().Bytes == 0 })
		})
	}
}

// TestPropertiesWithoutBodyCount tests that large properties count while their
// body comes in.
func TestPropertiesWithoutBodyCount(t *testing.T) {
	const size = 100000
	s := listen(t, nil)
	r := dialRaw(t, s.URL())
	r.open(131072, 0)
	properties := "\x20\x00\x00\x01\x86\x9a\x01hS\x00\x01\x86\x93" + strings.Repeat("x", size-13)
	r.write(join(announce(), headerOf(60, 1, properties)))
	await(t, func() bool { return s.Stats().Bytes >= size })
	r.write(frameOf(wire.FrameBody, 1, 'x'))
	await(t, func() bool { return s.Stats().Bytes == 0 })
	r.send(1, &wire.BasicQos{})
	want(t, "outcome", r.outcome(), "ok")
}

// TestIncompleteMessagesAreRefused tests that a client gets no further than to
// half of the memory with messages it does not complete, and that this closes
// none of its other channels.
func TestIncompleteMessagesAreRefused(t *testing.T) {
	const limit = 1 << 20
	s := listen(t, &broker.Config{Memory: limit})
	r := dialRaw(t, s.URL())
	r.open(wire.MinFrameMax, 0)
	for id := uint16(2); id <= 16; id++ {
		r.send(id, &wire.ChannelOpen{})
		expect[*wire.ChannelOpenOk](r)
	}
	for id := uint16(2); id <= 16; id++ {
		beginMessage(r, id, limit, 20)
	}
	for left := limit - 20*(wire.MinFrameMax-wire.FrameOverhead); left > 0; {
		n := min(left, wire.MinFrameMax-wire.FrameOverhead)
		r.write(frameOf(wire.FrameBody, 16, make([]byte, n)...))
		left -= n
	}
	want(t, "outcome", codeOf(r.outcome()), "channel 406 PRECONDITION_FAILED")
	r.send(1, &wire.BasicQos{})
	await(t, func() bool { return r.outcome() == "ok" })
	if n := s.Stats().Bytes; n > limit/2 {
		t.Errorf("got %d bytes, want at most %d", n, limit/2)
	}
}

// TestMemoryLimitHoldsWithinBurst tests that messages that arrive together
// are not all taken when the first of them fill the memory, and that those
// that were taken are confirmed.
func TestMemoryLimitHoldsWithinBurst(t *testing.T) {
	const limit, queues = 1 << 20, 500
	s := listen(t, &broker.Config{Memory: limit})
	r := dialRaw(t, s.URL())
	r.open(wire.MinFrameMax, 0)
	for range queues {
		r.send(1, &wire.QueueDeclare{Exclusive: true, NoWait: true}, &wire.QueueBind{Exchange: "amq.fanout", NoWait: true})
	}
	r.send(1, &wire.ConfirmSelect{})
	expect[*wire.Bare](r)
	one := join(bytesOf(&wire.BasicPublish{Exchange: "amq.fanout"}), headerOf(60, 0, "\x00\x00"))
	go r.nc.Write(bytes.Repeat(one, 1000)) // the server stops reading
	ack := expect[*wire.BasicAck](r)
	expect[*wire.ConnectionBlocked](r)
	st := s.Stats()
	want(t, "confirmed", ack.DeliveryTag, st.Published)
	if most := int64(limit + limit/10); st.Bytes > most {
		t.Errorf("got %d bytes, want at most %d", st.Bytes, most)
	}
}

// A slowHandler hands each record about the memory to the test and waits for
// it to be taken.
type slowHandler struct {
	slog.Handler
	records chan string
}

func (h slowHandler) Handle(_ context.Context, r slog.Record) error {
	if strings.HasPrefix(r.Message, "broker: memory") {
		h.records <- r.Message
	}
	return nil
}

// TestLoggerDelaysNobody tests that clients are served while the Logger is
// told of the alarm.
func TestLoggerDelaysNobody(t *testing.T) {
	h := slowHandler{slog.NewTextHandler(io.Discard, nil), make(chan string)}
	s := listen(t, &broker.Config{Memory: 1, Logger: slog.New(h)})
	_, done := blockedPublisher(t, s)
	ch := openChannel(t, s.URL())
	want(t, "ready", ready(t, ch, "q"), 1)
	want(t, "on", receive(t, h.records), "broker: memory limit reached, publishers are blocked")
	must(ch.QueuePurge("q", false))(t)
	want(t, "ready", ready(t, ch, "q"), 0)
	want(t, "off", receive(t, h.records), "broker: memory limit no longer reached")
	go s.DropConnections()
	receiveEnd(t, done)
}
