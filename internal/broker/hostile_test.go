package broker_test

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/slogcast/slogcast/internal/broker"
	"github.com/slogcast/slogcast/internal/wire"
)

// servePipe connects a raw client to a server without a socket between them:
// what the client does not read, nobody buffers. The channel is closed when
// the server is done with the connection.
func servePipe(t testing.TB, s *broker.Server) (*raw, <-chan struct{}) {
	client, server := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.ServeConn(server)
	}()
	return newRaw(t, client), done
}

// checkAlive fails the test unless a well-behaved client is served.
func checkAlive(t *testing.T, s *broker.Server) {
	t.Helper()
	r, done := servePipe(t, s)
	r.nc.SetDeadline(time.Now().Add(timeout))
	r.open(wire.MinFrameMax, 0)
	r.send(1, &wire.QueueDeclare{Exclusive: true})
	q := expect[*wire.QueueDeclareOk](r).Queue
	r.write(join(bytesOf(&wire.BasicPublish{RoutingKey: q}), headerOf(60, 1, "\x00\x00"), frameOf(3, 1, 'm'),
		bytesOf(&wire.BasicGet{Queue: q, NoAck: true})))
	expect[*wire.BasicGetOk](r)
	for range 2 {
		if _, err := r.frame(); err != nil {
			t.Fatal(err)
		}
	}
	r.send(0, &wire.ConnectionClose{Code: 200})
	expect[*wire.Bare](r)
	receiveEnd(t, done)
}

// receiveEnd waits until c is closed.
func receiveEnd(t testing.TB, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(timeout):
		t.Fatal("the connection does not end")
	}
}

func TestWrongProtocolHeader(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		for _, header := range []string{"AMQP\x01\x01\x00\x0a", "AMQP\x00\x00\x09\x00", "GET / HTTP/1.1\r\n"} {
			r := dialRaw(t, url)
			r.write([]byte(header))
			var reply [8]byte
			if _, err := io.ReadFull(r.nc, reply[:]); err != nil {
				t.Fatalf("%q: %v", header, err)
			}
			if onRabbitMQ(t) {
				want(t, header, string(reply[:4]), "AMQP") // RabbitMQ 4 offers AMQP 1.0
			} else {
				want(t, header, string(reply[:]), wire.ProtocolHeader)
			}
			if n, err := r.nc.Read(reply[:]); err == nil {
				t.Errorf("%q: %d bytes more", header, n)
			}
		}
	})
}

func TestHandshakeErrors(t *testing.T) {
	capable := wire.Table{{Key: "authentication_failure_close", Value: true}}
	tuned := func(channelMax uint16, frameMax uint32) func(r *raw) {
		return func(r *raw) {
			r.start("\x00guest\x00guest", capable)
			expect[*wire.ConnectionTune](r)
			r.send(0, &wire.ConnectionTuneOk{ChannelMax: channelMax, FrameMax: frameMax}, &wire.ConnectionOpen{VirtualHost: "/"})
		}
	}
	for _, test := range []struct {
		name string
		do   func(*raw)
		want string
	}{
		{"wrong password", func(r *raw) { r.start("\x00guest\x00wrong", capable) }, "connection 403 ACCESS_REFUSED"},
		{"wrong password, client can't be told", func(r *raw) { r.start("\x00guest\x00wrong", nil) }, "end"},
		{"frame-max too small", tuned(16, 4095), "connection 530 NOT_ALLOWED"},
		{"frame-max too large", tuned(16, 1<<20), "connection 530 NOT_ALLOWED"},
		{"frame-max without limit", tuned(16, 0), "connection 530 NOT_ALLOWED"},
		{"channel-max without limit", tuned(0, 131072), "connection 530 NOT_ALLOWED"},
		{"channel-max too large", tuned(65535, 131072), "connection 530 NOT_ALLOWED"},
		{"unknown vhost", func(r *raw) {
			r.start("\x00guest\x00guest", capable)
			expect[*wire.ConnectionTune](r)
			r.send(0, &wire.ConnectionTuneOk{ChannelMax: 16, FrameMax: 131072}, &wire.ConnectionOpen{VirtualHost: "other"})
		}, "connection 530 NOT_ALLOWED"},
		{"unknown mechanism", func(r *raw) {
			r.write([]byte(wire.ProtocolHeader))
			expect[*wire.ConnectionStart](r)
			r.send(0, &wire.ConnectionStartOk{Mechanism: "EXTERNAL"})
		}, "connection 503 COMMAND_INVALID"},
		{"malformed PLAIN", func(r *raw) { r.start("guest", capable) }, "connection 502 SYNTAX_ERROR"},
		{"no start-ok", func(r *raw) {
			r.write([]byte(wire.ProtocolHeader))
			expect[*wire.ConnectionStart](r)
			r.send(0, &wire.ConnectionOpen{VirtualHost: "/"})
		}, "connection 504 CHANNEL_ERROR"},
	} {
		t.Run(strings.ReplaceAll(test.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			onBrokers(t, func(t *testing.T, url string) {
				r := dialRaw(t, url)
				test.do(r)
				got := codeOf(r.outcome())
				if got == "end" && onRabbitMQ(t) {
					return // RabbitMQ 3 waits three seconds and hangs up without a word
				}
				want(t, "outcome", got, test.want)
			})
		})
	}
}

func TestSilentClientsKeepNobodyOut(t *testing.T) {
	s := listen(t, nil)
	for range 200 {
		dialRaw(t, s.URL())
	}
	ok(t, must(amqp.Dial(s.URL()))(t).Close())
}

// TestConsumerThatDoesNotRead tests that such a consumer costs an outbox, and
// gets everything once it reads.
func TestConsumerThatDoesNotRead(t *testing.T) {
	s := listen(t, &broker.Config{OutboxLimit: 64 << 10})
	ch := openChannel(t, s.URL())
	must(ch.QueueDeclare("q", false, false, false, false, nil))(t)
	r, _ := servePipe(t, s)
	r.nc.SetDeadline(time.Now().Add(timeout))
	r.open(131072, 0)
	r.send(1, &wire.BasicConsume{Queue: "q", NoAck: true})
	expect[*wire.BasicConsumeOk](r)

	const n = 2000
	for range n {
		publish(t, ch, "q", strings.Repeat("x", 1024))
	}
	left := ready(t, ch, "q")
	if left < n-4*64 {
		t.Errorf("%d messages left in the queue, want no more than some 100 delivered", left)
	}
	for range n {
		expect[*wire.BasicDeliver](r)
		for range 2 {
			if _, err := r.frame(); err != nil {
				t.Fatal(err)
			}
		}
	}
	want(t, "ready", ready(t, ch, "q"), 0)
}

// TestClientThatDoesNotReadReplies tests that a client that asks on and on is
// not read either.
func TestClientThatDoesNotReadReplies(t *testing.T) {
	s := listen(t, &broker.Config{OutboxLimit: 4 << 10, WriteTimeout: 50 * time.Millisecond})
	r, done := servePipe(t, s)
	r.open(131072, 0)
	flood := bytes.Repeat(bytesOf(&wire.BasicQos{}), 100)
	var sent int
	for {
		n, err := r.nc.Write(flood)
		sent += n
		if err != nil {
			break
		}
	}
	receiveEnd(t, done)
	if most := 256 << 10; sent > most {
		t.Errorf("%d bytes were read from a client that reads nothing, want less than %d", sent, most)
	}
	checkAlive(t, s)
}

// TestManyConsumersOnOneChannel tests that acknowledging does not take a time
// that grows with the square of the consumers, under a lock all clients need.
func TestManyConsumersOnOneChannel(t *testing.T) {
	const consumers, messages = 4000, 200
	r := dialRaw(t, listen(t, nil).URL())
	r.open(wire.MinFrameMax, 0)
	queueWith(r, "q", nil)
	r.send(1, &wire.BasicQos{PrefetchCount: 1, Global: true})
	expect[*wire.Bare](r)
	r.write(bytes.Repeat(join(bytesOf(&wire.BasicPublish{RoutingKey: "q"}), headerOf(60, 0, "\x00\x00")), messages))
	for range consumers {
		r.send(1, &wire.BasicConsume{Queue: "q", NoWait: true})
	}
	for range messages {
		d := expect[*wire.BasicDeliver](r)
		must(r.frame())(t) // its header
		r.send(1, &wire.BasicAck{DeliveryTag: d.DeliveryTag})
	}
}

func TestBodyTooLarge(t *testing.T) {
	s := listen(t, &broker.Config{MaxBody: 1000})
	conn := must(amqp.Dial(s.URL()))(t)
	defer conn.Close()
	ch := must(conn.Channel())(t)
	q := tempQueue(t, ch, nil)
	publish(t, ch, q, strings.Repeat("x", 1000))
	want(t, "ready", ready(t, ch, q), 1)
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	publish(t, ch, q, strings.Repeat("x", 1001))
	want(t, "outcome", outcome(conn, receive(t, closed)),
		"channel 406 PRECONDITION_FAILED - message size 1001 is larger than configured max size 1000")
	want(t, "ready", ready(t, must(conn.Channel())(t), q), 1)
}

// TestRefusalComesAfterTheMessage tests that a body that is too large is skipped
// to its end before the client is told: there are clients that never answer a
// channel.close that comes while they write (aio-pika 8.2 hung in 1 of 7 tests).
func TestRefusalComesAfterTheMessage(t *testing.T) {
	r := dialRaw(t, listen(t, &broker.Config{MaxBody: 1000}).URL())
	r.open(131072, 0)
	r.send(2, &wire.ChannelOpen{})
	expect[*wire.ChannelOpenOk](r)
	r.write(join(announce(), headerOf(60, 1002, "\x00\x00"), frameOf(wire.FrameBody, 1, make([]byte, 1001)...)))
	r.send(2, &wire.BasicQos{})
	expect[*wire.Bare](r) // and not a channel.close
	r.write(frameOf(wire.FrameBody, 1, 'x'))
	want(t, "refusal", expect[*wire.ChannelClose](r).Text, "PRECONDITION_FAILED - message size 1002 is larger than configured max size 1000")
	r.send(1, &wire.Bare{Method: wire.ChannelCloseOkID}, &wire.ChannelOpen{})
	expect[*wire.ChannelOpenOk](r)
	r.write(join(announce(), headerOf(60, 1<<62, "\x00\x00"), frameOf(wire.FrameBody, 1, make([]byte, 2000)...), bytesOf(&wire.BasicQos{})))
	want(t, "method in between", codeOf(r.outcome()), "connection 505 UNEXPECTED_FRAME")
}

// FuzzServeConn sends any bytes, before the handshake or on an open channel.
// The server must survive, let go of the connection, and serve others.
func FuzzServeConn(f *testing.F) {
	f.Add([]byte(wire.ProtocolHeader), false)
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), false)
	f.Add(join([]byte(wire.ProtocolHeader), wire.AppendMethod(nil, 0, &wire.ConnectionStartOk{Mechanism: "PLAIN", Response: []byte("\x00guest\x00guest")}),
		wire.AppendMethod(nil, 0, &wire.ConnectionTuneOk{ChannelMax: 9, FrameMax: 4096}), wire.AppendMethod(nil, 0, &wire.ConnectionOpen{VirtualHost: "/"})), false)
	f.Add(join(announce(), headerOf(60, 4, "\x00\x00"), frameOf(3, 1, 'a', 'b')), true)
	f.Add(bytesOf(&wire.QueueDeclare{Queue: "q", Arguments: wire.Table{{Key: "x-max-length", Value: int32(1)}}},
		&wire.QueueBind{Queue: "q", Exchange: "amq.fanout"}, &wire.BasicConsume{Queue: "q"}, &wire.BasicQos{PrefetchCount: 1},
		&wire.BasicNack{DeliveryTag: 1, Multiple: true, Requeue: true}, &wire.QueueDelete{Queue: "q"}), true)
	f.Add(join(bytesOf(&wire.QueueDeclare{Exclusive: true}, &wire.ConfirmSelect{}, &wire.BasicConsume{}), announce(),
		headerOf(60, 0, "\x01\x00\x0210"), bytesOf(&wire.BasicRecover{Requeue: true}, &wire.ChannelClose{})), true)
	stream := wire.Table{{Key: "x-queue-type", Value: "stream"}}
	f.Add(join(bytesOf(&wire.QueueDeclare{Queue: "s", Durable: true, Arguments: stream}, &wire.ExchangeDeclare{Exchange: "t", Type: "topic"},
		&wire.ExchangeBind{Destination: "t", Source: "amq.topic", RoutingKey: "#.a.*"}, &wire.QueueBind{Queue: "s", Exchange: "t", RoutingKey: "#"},
		&wire.BasicQos{PrefetchCount: 2}, &wire.BasicConsume{Queue: "s", Arguments: wire.Table{{Key: "x-stream-offset", Value: "first"}}},
		&wire.BasicPublish{Exchange: "amq.topic", RoutingKey: "b.a.c"}), headerOf(60, 0, "\x00\x00"), bytesOf(&wire.BasicAck{DeliveryTag: 1})), true)
	f.Add(join(bytesOf(&wire.QueueDeclare{Queue: "d", Arguments: wire.Table{
		{Key: "x-dead-letter-exchange", Value: ""}, {Key: "x-dead-letter-routing-key", Value: "d"}, {Key: "x-max-length", Value: int32(1)}, {Key: "x-max-priority", Value: int32(2)},
	}}, &wire.BasicConsume{Queue: "amq.rabbitmq.reply-to", NoAck: true}, &wire.BasicPublish{RoutingKey: "d"}),
		headerOf(60, 0, "\x20\x00\x00\x00\x00\x0c\x02CCA\x00\x00\x00\x02S\x00"), bytesOf(&wire.BasicGet{Queue: "d"}, &wire.BasicReject{DeliveryTag: 1})), true)
	f.Fuzz(func(t *testing.T, input []byte, opened bool) {
		if len(input) > 64<<10 {
			return // enough to reach a limit for all, which would fail checkAlive
		}
		s := broker.NewServer(nil)
		defer s.Close()
		r, done := servePipe(t, s)
		r.nc.SetDeadline(time.Now().Add(timeout))
		if opened {
			r.open(wire.MinFrameMax, 0)
		}
		read := make(chan struct{})
		go func() {
			defer close(read)
			io.Copy(io.Discard, r.nc)
		}()
		r.nc.Write(input) // the server may hang up at any time
		r.nc.Close()
		receiveEnd(t, done)
		receiveEnd(t, read)
		checkAlive(t, s)
		if st := s.Stats(); st.Connections != 0 || st.Unacked != 0 || st.Consumers != 0 || st.Bytes < 0 {
			t.Fatalf("left behind: %+v", st)
		}
	})
}
