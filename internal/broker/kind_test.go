package broker_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
)

// declaration is a queue.declare.
type declaration struct {
	durable, autoDelete, exclusive bool
	args                           amqp.Table
}

func (d declaration) declare(ch *amqp.Channel, name string) error {
	_, err := ch.QueueDeclare(name, d.durable, d.autoDelete, d.exclusive, false, d.args)
	return err
}

// TestQueueKinds compares what may be said of each kind of queue, also of one
// that exists.
func TestQueueKinds(t *testing.T) {
	type table = amqp.Table
	lasting := func(args table) declaration { return declaration{durable: true, args: args} }
	brief := func(args table) declaration { return declaration{autoDelete: true, exclusive: true, args: args} }
	stream, quorum := table{"x-queue-type": "stream"}, table{"x-queue-type": "quorum"}
	with := func(t table, key string, v any) table {
		c := table{key: v}
		for k, v := range t {
			c[k] = v
		}
		return c
	}
	for _, test := range []struct {
		name   string
		queues []declaration
		want   string
	}{
		{"stream", []declaration{lasting(stream), lasting(stream)}, "ok"},
		{"stream not durable", []declaration{{args: stream}}, "channel 406 PRECONDITION_FAILED - invalid property 'non-durable' for queue 'Q' in vhost '/'"},
		{"stream exclusive", []declaration{{durable: true, exclusive: true, args: stream}}, "channel 406 PRECONDITION_FAILED - invalid property 'exclusive-owner' for queue 'Q' in vhost '/'"},
		{"stream auto-delete", []declaration{{durable: true, autoDelete: true, args: stream}}, "channel 406 PRECONDITION_FAILED - invalid property 'auto-delete' for queue 'Q' in vhost '/'"},
		{"stream max-age", []declaration{lasting(with(stream, "x-max-age", "7D"))}, "ok"},
		{"stream bad max-age", []declaration{lasting(with(stream, "x-max-age", "7d"))}, "channel 406 PRECONDITION_FAILED - invalid arg 'x-max-age' for queue 'Q' in vhost '/': invalid_max_age"},
		{"stream max-age of no time", []declaration{lasting(with(stream, "x-max-age", "0s"))}, "channel 406 PRECONDITION_FAILED - invalid arg 'x-max-age' for queue 'Q' in vhost '/': invalid_max_age"},
		{"stream max-age number", []declaration{lasting(with(stream, "x-max-age", 7))}, "channel 406 PRECONDITION_FAILED - invalid arg 'x-max-age' for queue 'Q' in vhost '/': {unacceptable_type,signedint}"},
		{"stream segment", []declaration{lasting(with(stream, "x-stream-max-segment-size-bytes", 1000000))}, "ok"},
		{"stream large segment", []declaration{lasting(with(stream, "x-stream-max-segment-size-bytes", int64(3000000001)))}, "channel 406 PRECONDITION_FAILED - Exceeded max value for x-stream-max-segment-size-bytes"},
		{"stream max-length", []declaration{lasting(with(stream, "x-max-length", 10))}, "channel 406 PRECONDITION_FAILED - invalid arg 'x-max-length' for queue 'Q' in vhost '/' of queue type rabbit_stream_queue"},
		{"stream other size", []declaration{lasting(with(stream, "x-max-length-bytes", 10)), lasting(with(stream, "x-max-length-bytes", 11))}, "channel 406 PRECONDITION_FAILED - inequivalent arg 'x-max-length-bytes' for queue 'Q' in vhost '/': received '11' but current is '10'"},
		{"stream other age", []declaration{lasting(with(stream, "x-max-age", "7D")), lasting(stream)}, "channel 406 PRECONDITION_FAILED - inequivalent arg 'x-max-age' for queue 'Q' in vhost '/': received none but current is the value '7D' of type 'longstr'"},
		{"quorum", []declaration{lasting(quorum), lasting(quorum)}, "ok"},
		{"quorum not durable", []declaration{{args: quorum}}, "channel 406 PRECONDITION_FAILED - invalid property 'non-durable' for queue 'Q' in vhost '/'"},
		{"quorum priorities", []declaration{lasting(with(quorum, "x-max-priority", 10))}, "channel 406 PRECONDITION_FAILED - invalid arg 'x-max-priority' for queue 'Q' in vhost '/' of queue type rabbit_quorum_queue"},
		{"quorum then classic", []declaration{lasting(quorum), lasting(nil)}, "channel 406 PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue 'Q' in vhost '/': received none but current is the value 'quorum' of type 'longstr'"},
		{"classic then stream", []declaration{lasting(nil), lasting(stream)}, "channel 406 PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue 'Q' in vhost '/': received the value 'stream' of type 'longstr' but current is none"},
		{"classic max-age", []declaration{brief(table{"x-max-age": "1D"})}, "channel 406 PRECONDITION_FAILED - invalid arg 'x-max-age' for queue 'Q' in vhost '/' of queue type rabbit_classic_queue"},
		{"dead letters", []declaration{brief(table{"x-dead-letter-exchange": "nowhere"})}, "ok"},
		{"dead letters number", []declaration{brief(table{"x-dead-letter-exchange": 1})}, "channel 406 PRECONDITION_FAILED - invalid type 'signedint' for arg 'x-dead-letter-exchange' in queue 'Q' in vhost '/'"},
		{"dead letter key alone", []declaration{brief(table{"x-dead-letter-routing-key": "k"})}, "channel 406 PRECONDITION_FAILED - invalid arg 'x-dead-letter-routing-key' for queue 'Q' in vhost '/': routing_key_but_no_dlx_defined"},
		{"dead letter key number", []declaration{brief(table{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": 1})}, "channel 406 PRECONDITION_FAILED - invalid arg 'x-dead-letter-routing-key' for queue 'Q' in vhost '/': {unacceptable_type,signedint}"},
		{"dead letter overflow", []declaration{brief(table{"x-overflow": "reject-publish-dlx"})}, "ok"},
		{"priorities", []declaration{brief(table{"x-max-priority": 255})}, "ok"},
		{"too many priorities", []declaration{brief(table{"x-max-priority": 256})}, "channel 406 PRECONDITION_FAILED - invalid arg 'x-max-priority' for queue 'Q' in vhost '/': {max_value_exceeded,256}"},
		{"single active consumer", []declaration{brief(table{"x-single-active-consumer": true})}, "ok"},
		{"single active consumer number", []declaration{brief(table{"x-single-active-consumer": 1})}, "channel 406 PRECONDITION_FAILED - invalid arg 'x-single-active-consumer' for queue 'Q' in vhost '/': {unacceptable_type,signedint}"},
		{"unknown argument", []declaration{brief(table{"x-unknown": 1})}, "ok"},
	} {
		t.Run(strings.ReplaceAll(test.name, " ", "_"), func(t *testing.T) {
			onBrokers(t, func(t *testing.T, url string) {
				conn := must(amqp.Dial(url))(t)
				defer conn.Close()
				ch := must(conn.Channel())(t)
				closed := ch.NotifyClose(make(chan *amqp.Error, 1))
				q := unique()
				defer openChannel(t, url).QueueDelete(q, false, false, false)
				var err error
				for _, d := range test.queues {
					if err = d.declare(ch, q); err != nil {
						break
					}
				}
				if errors.Is(err, amqp.ErrClosed) {
					err = receive(t, closed)
				}
				got, wanted := strings.ReplaceAll(outcome(conn, err), q, "Q"), test.want
				if isSeries(conn, "4.") {
					got, wanted = codeOf(got), codeOf(wanted)
				}
				if got != wanted {
					t.Errorf("got %s\nwant %s", got, wanted)
				}
			})
		})
	}
}

// TestServerNamedStream tests that a stream needs a name.
func TestServerNamedStream(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		err := declaration{durable: true, args: amqp.Table{"x-queue-type": "stream"}}.declare(openChannel(t, url), "")
		var e *amqp.Error
		if !errors.As(err, &e) || e.Reason != "PRECONDITION_FAILED - Cannot declare a server-named queue for type rabbit_stream_queue" {
			t.Errorf("got %v", err)
		}
	})
}

// TestDurabilityIsNoDifference tests that programs that disagree about it share
// an exchange or a queue, whoever comes first: nothing is durable here.
func TestDurabilityIsNoDifference(t *testing.T) {
	s := listen(t, nil)
	for _, first := range []bool{true, false} {
		ch := openChannel(t, s.URL())
		x, q := unique(), unique()
		for _, durable := range []bool{first, !first} {
			ok(t, ch.ExchangeDeclare(x, "fanout", durable, false, false, false, nil))
			must(ch.QueueDeclare(q, durable, false, false, false, nil))(t)
		}
	}
}

func TestMaxPriority(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		ch := openChannel(t, url)
		q := tempQueue(t, ch, amqp.Table{"x-max-priority": 3})
		for i, priority := range []uint8{0, 2, 9, 3, 2, 0} {
			ok(t, ch.Publish("", q, false, false, amqp.Publishing{Priority: priority, Body: []byte{'a' + byte(i)}}))
		}
		var got []string
		for range 6 {
			d := get(t, ch, q)
			if string(d.Body) == "c" && !d.Redelivered {
				ok(t, d.Nack(false, true)) // it comes back to its place
				d = get(t, ch, q)
			}
			got = append(got, string(d.Body))
		}
		wantAll(t, "order", got, "c", "d", "b", "e", "a", "f")
	})
}

func TestSingleActiveConsumer(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		ch := openChannel(t, url)
		q := tempQueue(t, ch, amqp.Table{"x-single-active-consumer": true})
		first := must(ch.Consume(q, "first", true, false, false, false, nil))(t)
		second := must(ch.Consume(q, "second", true, false, false, false, amqp.Table{"x-priority": 1}))(t)
		for range 4 {
			publish(t, ch, q, "to the first")
		}
		bodies(t, first, 4)
		ok(t, ch.Cancel("first", false))
		publish(t, ch, q, "to the second")
		wantAll(t, "after that", bodies(t, second, 1), "to the second")
	})
}

func TestConsumerPriorities(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		ch := openChannel(t, url)
		ok(t, ch.Qos(1, 0, false))
		q := tempQueue(t, ch, nil)
		low := must(ch.Consume(q, "low", false, false, false, false, amqp.Table{"x-priority": -1}))(t)
		high := must(ch.Consume(q, "high", false, false, false, false, amqp.Table{"x-priority": 10}))(t)
		publish(t, ch, q, "1")
		d := receive(t, high)
		publish(t, ch, q, "2") // high has what it can have
		wantAll(t, "low", bodies(t, low, 1), "2")
		ok(t, d.Ack(false))
		publish(t, ch, q, "3")
		wantAll(t, "high", bodies(t, high, 1), "3")
	})
}

// TestDeliveryCount tests that consumers of a quorum queue learn how often a
// message came back, whichever way, and whatever its own header says.
func TestDeliveryCount(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		ch := openChannel(t, url)
		q := quorumQueue(t, ch, nil)
		ok(t, ch.Publish("", q, false, false, amqp.Publishing{Headers: amqp.Table{"h": "kept", "x-delivery-count": 9}}))
		for i, giveBack := range []func(amqp.Delivery) error{
			func(d amqp.Delivery) error { return d.Nack(false, true) },
			func(d amqp.Delivery) error { return d.Reject(true) },
			func(amqp.Delivery) error { return recoverAll(ch, true) },
			func(d amqp.Delivery) error { return d.Ack(false) },
		} {
			await(t, func() bool { return ready(t, ch, q) == 1 })
			d := get(t, ch, q)
			want(t, "redelivered", d.Redelivered, i > 0)
			want(t, "other header", d.Headers["h"], any("kept"))
			if n := d.Headers["x-delivery-count"]; i > 0 { // before, RabbitMQ 3.10 tells 0 with basic.get alone
				want(t, "count", n, any(int64(i)))
			}
			ok(t, giveBack(d))
		}
	})
}

// TestDeliveryLimit tests that a message that comes back too often is
// dead-lettered.
func TestDeliveryLimit(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		for limit := range 2 {
			ch := openChannel(t, url)
			dead := tempQueue(t, ch, nil)
			q := quorumQueue(t, ch, amqp.Table{"x-delivery-limit": limit, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead})
			publish(t, ch, q, "poison")
			for range limit + 1 {
				await(t, func() bool { return ready(t, ch, q) == 1 })
				ok(t, get(t, ch, q).Nack(false, true))
			}
			await(t, func() bool { return ready(t, ch, dead) == 1 })
			d := get(t, ch, dead)
			wantAll(t, "deaths", deathsOf(t, d), fmt.Sprintf("1 delivery_limit in %s by [%s]", q, q))
			want(t, "left", ready(t, ch, q), 0)
		}
	})
}

// quorumQueue declares one that goes with the test.
func quorumQueue(t *testing.T, ch *amqp.Channel, args amqp.Table) string {
	t.Helper()
	all := amqp.Table{"x-queue-type": "quorum"}
	for k, v := range args {
		all[k] = v
	}
	q := unique()
	ok(t, declaration{durable: true, args: all}.declare(ch, q))
	t.Cleanup(func() { ch.QueueDelete(q, false, false, false) })
	return q
}
