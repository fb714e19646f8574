package broker_test

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/slogcast/slogcast/internal/broker"
	"github.com/slogcast/slogcast/internal/wire"
)

// newStream declares a stream that is deleted with the test.
func newStream(t testing.TB, ch *amqp.Channel, url string, args amqp.Table) string {
	t.Helper()
	q := unique()
	all := amqp.Table{"x-queue-type": "stream"}
	for k, v := range args {
		all[k] = v
	}
	must(ch.QueueDeclare(q, true, false, false, false, all))(t)
	t.Cleanup(func() { openChannel(t, url).QueueDelete(q, false, false, false) })
	return q
}

// publishNumbers publishes the numbers from one to another, and waits for the
// confirms.
func publishNumbers(t testing.TB, ch *amqp.Channel, q string, from, to int) {
	t.Helper()
	publishNumbersTo(t, ch, "", q, from, to)
}

func publishNumbersTo(t testing.TB, ch *amqp.Channel, exchange, key string, from, to int) {
	t.Helper()
	ok(t, ch.Confirm(false))
	var last *amqp.DeferredConfirmation
	for i := from; i < to; i++ {
		c, err := ch.PublishWithDeferredConfirm(exchange, key, false, false, amqp.Publishing{Body: []byte(strconv.Itoa(i)), Headers: amqp.Table{"h": "kept"}})
		ok(t, err)
		last = c
	}
	select {
	case <-last.Done():
	case <-time.After(timeout):
		t.Fatal("no confirms")
	}
}

// readFrom starts a consumer at an offset; nil is none.
func readFrom(t testing.TB, url, q string, prefetch int, offset any) (*amqp.Channel, <-chan amqp.Delivery) {
	t.Helper()
	ch := openChannel(t, url)
	ok(t, ch.Qos(prefetch, 0, false))
	var args amqp.Table
	if offset != nil {
		args = amqp.Table{"x-stream-offset": offset}
	}
	return ch, must(ch.Consume(q, "", false, false, false, false, args))(t)
}

// readNumbers takes deliveries from one number to another, checks that each has
// its offset, and acknowledges them.
func readNumbers(t *testing.T, c <-chan amqp.Delivery, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		d := receive(t, c)
		want(t, "body", string(d.Body), strconv.Itoa(i))
		want(t, "offset", d.Headers["x-stream-offset"], any(int64(i)))
		want(t, "header", d.Headers["h"], any("kept"))
		want(t, "redelivered", d.Redelivered, false)
		ok(t, d.Ack(false))
	}
}

// TestStream tests that consumers read without taking, each from its offset,
// and go on with what comes.
func TestStream(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		ch := openChannel(t, url)
		q := newStream(t, ch, url, nil)
		publishNumbers(t, ch, q, 0, 300)
		for range 2 {
			_, c := readFrom(t, url, q, 10, "first")
			readNumbers(t, c, 0, 300)
		}
		_, middle := readFrom(t, url, q, 7, int32(123))
		readNumbers(t, middle, 123, 300)
		_, next := readFrom(t, url, q, 7, nil)
		_, alsoNext := readFrom(t, url, q, 7, "next")
		_, later := readFrom(t, url, q, 7, int64(310))
		publishNumbers(t, ch, q, 300, 320)
		readNumbers(t, middle, 300, 320)
		readNumbers(t, next, 300, 320)
		readNumbers(t, alsoNext, 300, 320)
		readNumbers(t, later, 310, 320)
		_, last := readFrom(t, url, q, 500, "last")
		d := receive(t, last) // where a chunk begins, which may hold some
		if n, _ := strconv.Atoi(string(d.Body)); n < 300 {
			t.Errorf("last begins with %d", n)
		}
	})
}

// TestStreamSince tests offsets that are times. A broker may begin somewhat
// earlier, at a chunk, and never later.
func TestStreamSince(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		ch := openChannel(t, url)
		q := newStream(t, ch, url, nil)
		publishNumbers(t, ch, q, 0, 10)
		for _, offset := range []any{"1h", "1Y", time.Now().Add(-time.Hour)} {
			_, c := readFrom(t, url, q, 100, offset)
			readNumbers(t, c, 0, 10)
		}
		_, c := readFrom(t, url, q, 100, time.Now().Add(time.Hour))
		publishNumbers(t, ch, q, 10, 11)
		if onRabbitMQ(t) {
			return // it may begin with the last chunk
		}
		readNumbers(t, c, 10, 11)
	})
}

// TestStreamCredit tests that prefetch bounds what is on its way, and that an
// acknowledgement is credit and no more.
func TestStreamCredit(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		ch := openChannel(t, url)
		q := newStream(t, ch, url, nil)
		publishNumbers(t, ch, q, 0, 100)
		reader, c := readFrom(t, url, q, 5, "first")
		var d amqp.Delivery
		for range 5 {
			d = receive(t, c)
		}
		ok(t, sync(reader))
		select {
		case d := <-c:
			if !onRabbitMQ(t) { // which gives the rest of a chunk, too
				t.Fatalf("got %s beyond the prefetch", d.Body)
			}
			want(t, "more of the chunk", string(d.Body), "5")
			ok(t, d.Ack(true))
			readNumbers(t, c, 6, 100)
		default:
			ok(t, d.Ack(true))
			readNumbers(t, c, 5, 100)
		}
		// Who leaves without acknowledging gives nothing back.
		ok(t, reader.Close())
		_, again := readFrom(t, url, q, 100, "first")
		readNumbers(t, again, 0, 100)
	})
}

func TestStreamRefusals(t *testing.T) {
	consume := func(noAck bool, prefetch int, global bool, args amqp.Table) func(ch *amqp.Channel, q string) error {
		return func(ch *amqp.Channel, q string) error {
			if prefetch > 0 {
				if err := ch.Qos(prefetch, 0, global); err != nil {
					return err
				}
			}
			_, err := ch.Consume(q, "", noAck, false, false, false, args)
			return err
		}
	}
	for _, test := range []struct {
		name string
		do   func(ch *amqp.Channel, q string) error
		want string
	}{
		{"no prefetch", consume(false, 0, false, nil), "channel 406 PRECONDITION_FAILED - consumer prefetch count is not set for 'queue 'Q' in vhost '/''"},
		{"no ack", consume(true, 1, false, nil), "connection 540 NOT_IMPLEMENTED - automatic acknowledgement not supported by stream queues queue 'Q' in vhost '/'"},
		{"wrong offset", consume(false, 1, false, amqp.Table{"x-stream-offset": "1x"}), "channel 406 PRECONDITION_FAILED - invalid arg 'x-stream-offset' for queue 'Q' in vhost '/': {invalid_stream_offset_arg,{longstr,<<\"1x\">>}}"},
		{"priority", consume(false, 1, false, amqp.Table{"x-priority": 1}), "channel 406 PRECONDITION_FAILED - invalid arg 'x-priority' for queue 'Q' in vhost '/' of queue type rabbit_stream_queue"},
		{"get", func(ch *amqp.Channel, q string) error { _, _, err := ch.Get(q, false); return err }, "connection 540 NOT_IMPLEMENTED - basic.get not supported by stream queues queue 'Q' in vhost '/'"},
		{"purge", func(ch *amqp.Channel, q string) error { _, err := ch.QueuePurge(q, false); return err }, "connection 540 NOT_IMPLEMENTED - queue.purge not supported by stream queues queue 'Q' in vhost '/'"},
	} {
		t.Run(strings.ReplaceAll(test.name, " ", "_"), func(t *testing.T) {
			onBrokers(t, func(t *testing.T, url string) {
				q := newStream(t, openChannel(t, url), url, nil)
				publishNumbers(t, openChannel(t, url), q, 0, 1)
				conn := must(amqp.Dial(url))(t)
				defer conn.Close()
				ch := must(conn.Channel())(t)
				closed := ch.NotifyClose(make(chan *amqp.Error, 1))
				err := test.do(ch, q)
				if err == amqp.ErrClosed {
					err = receive(t, closed)
				}
				got, wanted := strings.ReplaceAll(outcome(conn, err), q, "Q"), test.want
				if isSeries(conn, "4.") {
					got, wanted = codeOf(got), codeOf(wanted)
				}
				want(t, "outcome", got, wanted)
			})
		})
	}
}

// RabbitMQ 4 takes a reject for an answer, and goes on.
func TestStreamReject(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		q := newStream(t, openChannel(t, url), url, nil)
		publishNumbers(t, openChannel(t, url), q, 0, 2)
		conn := must(amqp.Dial(url))(t)
		defer conn.Close()
		ch := must(conn.Channel())(t)
		closed := ch.NotifyClose(make(chan *amqp.Error, 1))
		ok(t, ch.Qos(1, 0, false))
		c := must(ch.Consume(q, "", false, false, false, false, amqp.Table{"x-stream-offset": "first"}))(t)
		ok(t, receive(t, c).Reject(true))
		if isSeries(conn, "4.") {
			want(t, "offset of the next", receive(t, c).Headers["x-stream-offset"], any(int64(1)))
			return
		}
		want(t, "outcome", strings.ReplaceAll(outcome(conn, receive(t, closed)), q, "Q"),
			"connection 540 NOT_IMPLEMENTED - basic.nack and basic.reject not supported by stream queues queue 'Q' in vhost '/'")
	})
}

// TestStreamBySize tests that old records go when there are too many, that a
// reader whose records are gone goes on with those there are, and that the
// offsets tell.
func TestStreamBySize(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		ch := openChannel(t, url)
		q := newStream(t, ch, url, amqp.Table{"x-max-length-bytes": 100_000, "x-stream-max-segment-size-bytes": 10_000})
		_, behind := readFrom(t, url, q, 1, "first")
		ok(t, ch.Confirm(false))
		for i := range 1000 {
			c, err := ch.PublishWithDeferredConfirm("", q, false, false, amqp.Publishing{Body: []byte(fmt.Sprintf("%-1000d", i))})
			ok(t, err)
			if i%50 == 49 {
				<-c.Done()
			}
		}
		d := receive(t, behind)
		want(t, "before", d.Headers["x-stream-offset"], any(int64(0)))
		if !onRabbitMQ(t) {
			ok(t, d.Ack(false))
			d = receive(t, behind)
			want(t, "overtaken", d.Headers["x-stream-offset"], any(int64(900)))
		}
		await(t, func() bool {
			ch, c := readFrom(t, url, q, 1, "first")
			defer ch.Close()
			first, _ := receive(t, c).Headers["x-stream-offset"].(int64)
			return first > 500
		})
	})
}

// TestStreamByAge tests that records go when they are too old, without anybody
// asking.
func TestStreamByAge(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *broker.Server) {
		r, done := servePipe(t, s)
		r.open(wire.MinFrameMax, 0)
		go io.Copy(io.Discard, r.nc)
		r.send(1, &wire.QueueDeclare{Queue: "q", Durable: true, NoWait: true, Arguments: wire.Table{{Key: "x-queue-type", Value: "stream"}, {Key: "x-max-age", Value: "1h"}}})
		for range 4 {
			r.write(join(bytesOf(&wire.BasicPublish{RoutingKey: "q"}), headerOf(60, 0, "\x00\x00")))
			pass(20 * time.Minute)
		}
		// At 0, 20, 40 and 60 minutes; it is 80 now.
		want(t, "after 80 minutes", s.Stats().Ready, 3)
		pass(time.Hour)
		want(t, "after 140 minutes", s.Stats().Ready, 0)
		want(t, "bytes", s.Stats().Bytes, 0)
		r.nc.Close()
		<-done
	})
}

// TestStreamOfStream tests that the offset a message had elsewhere is not taken
// for its offset here.
func TestStreamOfStream(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		ch := openChannel(t, url)
		q := newStream(t, ch, url, nil)
		ok(t, ch.Publish("", q, false, false, amqp.Publishing{Headers: amqp.Table{"x-stream-offset": int64(77), "h": "kept"}}))
		_, c := readFrom(t, url, q, 1, "first")
		d := receive(t, c)
		want(t, "headers", fmt.Sprint(d.Headers), "map[h:kept x-stream-offset:0]")
	})
}

// TestStreamGivesWay tests that streams shrink, and publishers go on, when
// memory is short.
func TestStreamGivesWay(t *testing.T) {
	const limit = 4 << 20
	s := listen(t, &broker.Config{Memory: limit})
	ch := openChannel(t, s.URL())
	q := newStream(t, ch, s.URL(), nil)
	plain := tempQueue(t, ch, nil)
	const n = 20000
	publish(t, ch, plain, "stays")
	publishNumbers(t, ch, q, 0, n)
	st := s.Stats()
	if st.Blocked || st.Bytes > limit || st.Bytes < limit/2 {
		t.Errorf("got %+v", st)
	}
	want(t, "of the queue", ready(t, ch, plain), 1)
	_, c := readFrom(t, s.URL(), q, 1, "first")
	first, _ := receive(t, c).Headers["x-stream-offset"].(int64)
	want(t, "oldest", int(first), n-(st.Ready-1))
}
