package broker_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// pair opens two channels, each on a connection of its own.
func pair(t *testing.T, url string) (a, b *amqp.Channel) {
	return openChannel(t, url), openChannel(t, url)
}

// bodies receives n messages and returns their bodies.
func bodies(t *testing.T, c <-chan amqp.Delivery, n int) []string {
	t.Helper()
	var got []string
	for range n {
		got = append(got, string(receive(t, c).Body))
	}
	return got
}

// want fails the test unless got and want are the same.
func want[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// wantAll is want for slices.
func wantAll[T comparable](t testing.TB, what string, got []T, want ...T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// ready returns how many messages a queue has ready, once the broker has
// handled what ch sent before.
func ready(t testing.TB, ch *amqp.Channel, queue string) int {
	t.Helper()
	ok(t, sync(ch))
	return inspect(t, ch, queue).Messages
}

// get takes a message off a queue, which must have one.
func get(t testing.TB, ch *amqp.Channel, queue string) amqp.Delivery {
	t.Helper()
	d, found, err := ch.Get(queue, false)
	ok(t, err)
	if !found {
		t.Fatal("queue is empty")
	}
	return d
}

func TestFanout(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		a, b := pair(t, url)
		x := unique()
		ok(t, a.ExchangeDeclare(x, "fanout", false, true, false, false, nil))
		q, r := tempQueue(t, a, nil), tempQueue(t, b, nil)
		ok(t, a.QueueBind(q, "one", x, false, nil))
		ok(t, a.QueueBind(q, "two", x, false, nil)) // still one copy
		ok(t, b.QueueBind(r, "", x, false, nil))
		ok(t, a.Publish(x, "anything", false, false, amqp.Publishing{Body: []byte("m")}))
		want(t, "first queue", ready(t, a, q), 1)
		want(t, "second queue", ready(t, b, r), 1)
		ok(t, a.QueueUnbind(q, "one", x, nil))
		ok(t, a.Publish(x, "anything", false, false, amqp.Publishing{Body: []byte("m")}))
		want(t, "with one binding left", ready(t, a, q), 2)
		ok(t, a.QueueUnbind(q, "two", x, nil))
		ok(t, a.Publish(x, "anything", false, false, amqp.Publishing{Body: []byte("m")}))
		want(t, "without bindings", ready(t, a, q), 2)
	})
}

func TestDirect(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		ch := openChannel(t, url)
		x := unique()
		ok(t, ch.ExchangeDeclare(x, "direct", false, true, false, false, nil))
		q, r := tempQueue(t, ch, nil), tempQueue(t, ch, nil)
		ok(t, ch.QueueBind(q, "red", x, false, nil))
		ok(t, ch.QueueBind(r, "red", x, false, nil))
		ok(t, ch.QueueBind(r, "blue", x, false, nil))
		for _, key := range []string{"red", "blue", "green", ""} {
			ok(t, ch.Publish(x, key, false, false, amqp.Publishing{}))
		}
		want(t, "red", ready(t, ch, q), 1)
		want(t, "red and blue", ready(t, ch, r), 2)
	})
}

// TestBindingArguments tests that bindings with different arguments are
// different, however long the arguments are.
func TestBindingArguments(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		ch := openChannel(t, url)
		q := tempQueue(t, ch, nil)
		x := unique()
		ok(t, ch.ExchangeDeclare(x, "fanout", false, true, false, false, nil))
		long := strings.Repeat("x", 10000)
		one, two := amqp.Table{"a": long + "1"}, amqp.Table{"a": long + "2"}
		ok(t, ch.QueueBind(q, "", x, false, one))
		ok(t, ch.QueueBind(q, "", x, false, two))
		ok(t, ch.QueueUnbind(q, "", x, one))
		ok(t, ch.Publish(x, "", false, false, amqp.Publishing{}))
		want(t, "with one binding left", ready(t, ch, q), 1)
		ok(t, ch.QueueUnbind(q, "", x, two))
		err := ch.ExchangeDeclarePassive(x, "fanout", false, true, false, false, nil)
		want(t, "outcome", fmt.Sprint(err), fmt.Sprintf("Exception (404) Reason: \"NOT_FOUND - no exchange '%s' in vhost '/'\"", x))
	})
}

func TestAutoDeleteExchangeGoesWithLastBinding(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		ch, other := pair(t, url)
		x := unique()
		ok(t, ch.ExchangeDeclare(x, "fanout", false, true, false, false, nil))
		q := tempQueue(t, ch, nil)
		ok(t, ch.QueueBind(q, "", x, false, nil))
		must(ch.QueueDelete(q, false, false, false))(t)
		err := other.ExchangeDeclarePassive(x, "fanout", false, true, false, false, nil)
		want(t, "outcome", fmt.Sprint(err), fmt.Sprintf("Exception (404) Reason: \"NOT_FOUND - no exchange '%s' in vhost '/'\"", x))
	})
}

func TestPropertiesAreKept(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		ch := openChannel(t, url)
		q := tempQueue(t, ch, nil)
		sent := amqp.Publishing{
			ContentType: "application/json", ContentEncoding: "utf-8", DeliveryMode: 2, Priority: 3,
			CorrelationId: "c", ReplyTo: "r", Expiration: "60000", MessageId: "id",
			Timestamp: time.Unix(1700000000, 0), Type: "t", UserId: "guest", AppId: "app",
			Headers: amqp.Table{
				"string": "s", "int": int32(-5), "long": int64(1 << 40), "bool": true, "void": nil,
				"bytes": []byte{0, 1}, "array": []any{"a", int32(1)}, "table": amqp.Table{"inner": "v"},
				"time": time.Unix(1600000000, 0), "double": 1.5, "float": float32(2.5), "byte": int8(-1),
				"short": int16(-2), "decimal": amqp.Decimal{Scale: 2, Value: 314},
			},
			Body: []byte("body"),
		}
		ok(t, ch.Publish("", q, false, false, sent))
		d := get(t, ch, q)
		got := amqp.Publishing{
			ContentType: d.ContentType, ContentEncoding: d.ContentEncoding, DeliveryMode: d.DeliveryMode,
			Priority: d.Priority, CorrelationId: d.CorrelationId, ReplyTo: d.ReplyTo, Expiration: d.Expiration,
			MessageId: d.MessageId, Timestamp: d.Timestamp, Type: d.Type, UserId: d.UserId, AppId: d.AppId,
			Headers: d.Headers, Body: d.Body,
		}
		want(t, "message", fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", sent))
		want(t, "exchange", d.Exchange, "")
		want(t, "routing key", d.RoutingKey, q)
	})
}

func TestBodiesOfAllSizes(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		ch := openChannel(t, url)
		q := tempQueue(t, ch, nil)
		const frame = 131072 - 8
		for _, size := range []int{0, 1, 100, frame - 1, frame, frame + 1, 2*frame + 5, 3 << 20} {
			body := strings.Repeat("abcdefg", size/7+1)[:size]
			publish(t, ch, q, body)
			if got := string(get(t, ch, q).Body); got != body {
				t.Errorf("a body of %d bytes came back as %d bytes", size, len(got))
			}
		}
	})
}

func TestMandatoryReturnComesBeforeConfirm(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		ch := openChannel(t, url)
		ok(t, ch.Confirm(false))
		var order []string
		returns := ch.NotifyReturn(make(chan amqp.Return))
		confirms := ch.NotifyPublish(make(chan amqp.Confirmation))
		ok(t, ch.Publish("amq.fanout", unique(), true, false, amqp.Publishing{AppId: "app", Body: []byte("m")}))
		for range 2 {
			select {
			case r := <-returns:
				order = append(order, fmt.Sprint(r.ReplyCode, r.ReplyText, r.Exchange, r.AppId, string(r.Body)))
			case c := <-confirms:
				order = append(order, fmt.Sprint(c.Ack, c.DeliveryTag))
			case <-time.After(timeout):
				t.Fatal("nothing came")
			}
		}
		wantAll(t, "order", order, "312NO_ROUTEamq.fanoutappm", "true 1")
	})
}

func TestConfirms(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		ch := openChannel(t, url)
		ok(t, ch.Confirm(false))
		const n = 1000
		confirms := ch.NotifyPublish(make(chan amqp.Confirmation, n))
		q := tempQueue(t, ch, nil)
		for range n {
			publish(t, ch, q, "m")
		}
		for i := range uint64(n) {
			c := receive(t, confirms)
			want(t, "tag", c.DeliveryTag, i+1)
			want(t, "ack", c.Ack, true)
		}
	})
}

func TestRejectPublish(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		ch := openChannel(t, url)
		ok(t, ch.Confirm(false))
		confirms := ch.NotifyPublish(make(chan amqp.Confirmation, 10))
		q := tempQueue(t, ch, amqp.Table{"x-max-length": 2, "x-overflow": "reject-publish"})
		var got []bool
		for i := range 4 {
			publish(t, ch, q, fmt.Sprint(i))
			got = append(got, receive(t, confirms).Ack)
		}
		wantAll(t, "acks", got, true, true, false, false)
		want(t, "first", string(get(t, ch, q).Body), "0")
	})
}

// TestRejectPublishKeepsWhatComesBack tests that a queue drops nothing that it
// has taken, though with what comes back it is over its limit.
func TestRejectPublishKeepsWhatComesBack(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		ch := openChannel(t, url)
		q := tempQueue(t, ch, amqp.Table{"x-max-length": 1, "x-overflow": "reject-publish"})
		publish(t, ch, q, "1")
		d := get(t, ch, q)
		publish(t, ch, q, "2")
		ok(t, d.Nack(false, true))
		for _, body := range []string{"1", "2"} {
			want(t, "body", string(get(t, ch, q).Body), body)
		}
	})
}

func TestMaxLengthDropsHead(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		for _, test := range []struct {
			name string
			args amqp.Table
			want []string
		}{
			{"count", amqp.Table{"x-max-length": 2}, []string{"ccc", "dddd"}},
			{"bytes", amqp.Table{"x-max-length-bytes": 8}, []string{"ccc", "dddd"}},
			{"less bytes", amqp.Table{"x-max-length-bytes": 6}, []string{"dddd"}},
			{"both", amqp.Table{"x-max-length": 1, "x-max-length-bytes": 100}, []string{"dddd"}},
			{"nothing", amqp.Table{"x-max-length": 0}, nil},
			{"too large for all", amqp.Table{"x-max-length-bytes": 1}, nil},
		} {
			t.Run(test.name, func(t *testing.T) {
				ch := openChannel(t, url)
				q := tempQueue(t, ch, test.args)
				for _, body := range []string{"a", "bb", "ccc", "dddd"} {
					publish(t, ch, q, body)
				}
				// RabbitMQ 4 may answer before the queue has dropped.
				for start := time.Now(); ready(t, ch, q) != len(test.want) && time.Since(start) < timeout; {
				}
				want(t, "ready", ready(t, ch, q), len(test.want))
				for _, body := range test.want {
					want(t, "body", string(get(t, ch, q).Body), body)
				}
			})
		}
	})
}

func TestOnlyReadyMessagesCountForMaxLength(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		ch := openChannel(t, url)
		q := tempQueue(t, ch, amqp.Table{"x-max-length": 2})
		publish(t, ch, q, "0")
		publish(t, ch, q, "1")
		d, e := get(t, ch, q), get(t, ch, q)
		publish(t, ch, q, "2")
		publish(t, ch, q, "3")
		want(t, "ready", ready(t, ch, q), 2)
		ok(t, d.Nack(false, true))
		want(t, "ready with one put back", ready(t, ch, q), 2)
		want(t, "head", string(get(t, ch, q).Body), "2")
		ok(t, e.Ack(false))
	})
}

func TestMaxLengthZeroStillDelivers(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		ch := openChannel(t, url)
		q := tempQueue(t, ch, amqp.Table{"x-max-length": 0})
		c := must(ch.Consume(q, "", true, false, false, false, nil))(t)
		publish(t, ch, q, "m")
		wantAll(t, "bodies", bodies(t, c, 1), "m")
	})
}

func TestMessageTTL(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		ch := openChannel(t, url)
		for _, test := range []struct {
			name string
			args amqp.Table
			own  string
		}{
			{"of the queue", amqp.Table{"x-message-ttl": 20}, ""},
			{"of the message", nil, "20"},
			{"the shorter counts", amqp.Table{"x-message-ttl": 600000}, "20"},
			{"the shorter counts, reversed", amqp.Table{"x-message-ttl": 20}, "600000"},
			{"none at all", amqp.Table{"x-message-ttl": 0}, ""},
			{"none at all, own", nil, "0"},
		} {
			t.Run(test.name, func(t *testing.T) {
				q := tempQueue(t, ch, test.args)
				ok(t, ch.Publish("", q, false, false, amqp.Publishing{Expiration: test.own}))
				await(t, func() bool { return ready(t, ch, q) == 0 })
			})
		}
	})
}

// await calls done until it returns true. Each call waits for the broker.
func await(t *testing.T, done func() bool) {
	t.Helper()
	for start := time.Now(); !done(); {
		if time.Since(start) > timeout {
			t.Fatal("it did not come to pass")
		}
	}
}

// TestGetDoesNotCountTheExpired tests that basic.get tells what is left without
// what has expired behind a message that has not.
func TestGetDoesNotCountTheExpired(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		ch := openChannel(t, url)
		q := tempQueue(t, ch, nil)
		publish(t, ch, q, "lives")
		ok(t, ch.Publish("", q, false, false, amqp.Publishing{Expiration: "0"}))
		await(t, func() bool { return ready(t, ch, q) == 2 })
		want(t, "left", get(t, ch, q).MessageCount, uint32(0))
	})
}

func TestTTLZeroReachesWaitingConsumer(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		ch := openChannel(t, url)
		q := tempQueue(t, ch, amqp.Table{"x-message-ttl": 0})
		c := must(ch.Consume(q, "", true, false, false, false, nil))(t)
		publish(t, ch, q, "m")
		wantAll(t, "bodies", bodies(t, c, 1), "m")
	})
}

// TestTTLCountsFromArrival tests that a message that was delivered keeps its
// time to live, for when it comes back.
func TestTTLCountsFromArrival(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		ch := openChannel(t, url)
		for _, args := range []amqp.Table{{"x-message-ttl": 0}, {"x-message-ttl": 50}} {
			q := tempQueue(t, ch, args)
			c := must(ch.Consume(q, q, false, false, false, false, nil))(t)
			publish(t, ch, q, "m")
			d := receive(t, c)
			ok(t, ch.Cancel(q, false))
			ok(t, d.Nack(false, true))
			await(t, func() bool { return ready(t, ch, q) == 0 })
		}
	})
}

func TestQueueExpires(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		ch, other := pair(t, url)
		q := tempQueue(t, ch, amqp.Table{"x-expires": 50})
		c := must(ch.Consume(q, "tag", true, false, false, false, nil))(t)
		publish(t, ch, q, "m")
		wantAll(t, "a queue in use", bodies(t, c, 1), "m")
		ok(t, ch.Cancel("tag", false))
		await(t, func() bool {
			returns := other.NotifyReturn(make(chan amqp.Return, 1))
			ok(t, other.Publish("", q, true, false, amqp.Publishing{}))
			ok(t, sync(other))
			return len(returns) > 0
		})
	})
}
