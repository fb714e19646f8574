package broker_test

import (
	"fmt"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
)

func TestRoundRobin(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		ch := openChannel(t, url)
		q := tempQueue(t, ch, nil)
		a := must(ch.Consume(q, "", true, false, false, false, nil))(t)
		b := must(ch.Consume(q, "", true, false, false, false, nil))(t)
		for i := range 4 {
			publish(t, ch, q, fmt.Sprint(i))
		}
		wantAll(t, "first consumer", bodies(t, a, 2), "0", "2")
		wantAll(t, "second consumer", bodies(t, b, 2), "1", "3")
	})
}

func TestPrefetchPerConsumer(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		ch := openChannel(t, url)
		q := tempQueue(t, ch, nil)
		for i := range 10 {
			publish(t, ch, q, fmt.Sprint(i))
		}
		ok(t, ch.Qos(2, 0, false))
		a := must(ch.Consume(q, "", false, false, false, false, nil))(t)
		ok(t, ch.Qos(3, 0, false)) // for the next consumer only
		b := must(ch.Consume(q, "", false, false, false, false, nil))(t)
		wantAll(t, "first consumer", bodies(t, a, 2), "0", "1")
		wantAll(t, "second consumer", bodies(t, b, 3), "2", "3", "4")
		want(t, "left", inspect(t, ch, q).Messages, 5)
		ok(t, ch.Ack(2, true))
		wantAll(t, "first consumer after its ack", bodies(t, a, 2), "5", "6")
		want(t, "left", inspect(t, ch, q).Messages, 3)
	})
}

func TestPrefetchPerChannel(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		ch := openChannel(t, url)
		q := tempQueue(t, ch, nil)
		ok(t, ch.Qos(3, 0, true))
		a := must(ch.Consume(q, "", false, false, false, false, nil))(t)
		b := must(ch.Consume(q, "", false, false, false, false, nil))(t)
		for i := range 6 {
			publish(t, ch, q, fmt.Sprint(i))
		}
		await(t, func() bool { return ready(t, ch, q) == 3 })
		want(t, "to both", len(bodies(t, a, 2))+len(bodies(t, b, 1)), 3)
		ok(t, ch.Ack(0, true))
		want(t, "after ack", len(bodies(t, a, 1))+len(bodies(t, b, 2)), 3)
	})
}

// TestGetIsNotPrefetched tests that what was asked for with basic.get does not
// count for the prefetch of the channel.
func TestGetIsNotPrefetched(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		ch := openChannel(t, url)
		q := tempQueue(t, ch, nil)
		ok(t, ch.Qos(1, 0, true))
		c := must(ch.Consume(q, "c", false, false, false, false, nil))(t)
		publish(t, ch, q, "0")
		d := receive(t, c)
		ok(t, ch.Cancel("c", false))
		publish(t, ch, q, "1")
		publish(t, ch, q, "2")
		get(t, ch, q)
		ok(t, d.Ack(false))
		c = must(ch.Consume(q, "", false, false, false, false, nil))(t)
		wantAll(t, "bodies", bodies(t, c, 1), "2")
	})
}

// TestClosedConnectionKeepsNothing tests that what one channel of a connection
// has not acknowledged does not go to another of its channels when it ends.
// RabbitMQ, where each channel ends on its own, does not promise that.
func TestClosedConnectionKeepsNothing(t *testing.T) {
	const n = 10
	s := listen(t, nil)
	ch := openChannel(t, s.URL())
	q := must(ch.QueueDeclare("q", false, false, false, false, nil))(t).Name
	for i := range n {
		publish(t, ch, q, fmt.Sprint(i))
	}
	for range 10 { // the channels end in any order
		conn := must(amqp.Dial(s.URL()))(t)
		a, b := must(conn.Channel())(t), must(conn.Channel())(t)
		bodies(t, must(a.Consume(q, "", false, false, false, false, nil))(t), n)
		must(b.Consume(q, "", true, false, false, false, nil))(t)
		ok(t, conn.Close())
		want(t, "ready", ready(t, ch, q), n)
	}
}

// TestRecoverMakesRoomForOtherQueues tests that deliveries that go back to a
// queue no longer keep those of another one from the channel.
func TestRecoverMakesRoomForOtherQueues(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		ch := openChannel(t, url)
		q, r := tempQueue(t, ch, nil), tempQueue(t, ch, nil)
		ok(t, ch.Qos(1, 0, true))
		first := must(ch.Consume(q, "first", false, false, false, false, nil))(t)
		publish(t, ch, q, "0")
		wantAll(t, "first queue", bodies(t, first, 1), "0")
		publish(t, ch, r, "1")
		second := must(ch.Consume(r, "", false, false, false, false, nil))(t)
		ok(t, ch.Cancel("first", false))
		ok(t, recoverAll(ch, true))
		wantAll(t, "second queue", bodies(t, second, 1), "1")
	})
}

func TestRequeueRestoresOrder(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		ch := openChannel(t, url)
		q := tempQueue(t, ch, nil)
		for i := range 6 {
			publish(t, ch, q, fmt.Sprint(i))
		}
		var ds []amqp.Delivery
		for range 4 {
			ds = append(ds, get(t, ch, q))
		}
		// 0 is done, 3 comes back before 1 and 2 do together.
		ok(t, ds[0].Ack(false))
		ok(t, ds[3].Reject(true))
		ok(t, ds[2].Nack(true, true))
		var got []string
		for range 5 {
			d := get(t, ch, q)
			got = append(got, fmt.Sprintf("%s %t", d.Body, d.Redelivered))
		}
		wantAll(t, "order", got, "1 true", "2 true", "3 true", "4 false", "5 false")
	})
}

func TestRejectWithoutRequeueDrops(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		ch := openChannel(t, url)
		q := tempQueue(t, ch, nil)
		publish(t, ch, q, "a")
		publish(t, ch, q, "b")
		d, e := get(t, ch, q), get(t, ch, q)
		ok(t, d.Reject(false))
		ok(t, e.Nack(false, false))
		want(t, "ready", ready(t, ch, q), 0)
	})
}

func TestClosedChannelGivesBack(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		conn := must(amqp.Dial(url))(t)
		defer conn.Close()
		ch := must(conn.Channel())(t)
		q := tempQueue(t, ch, nil)
		publish(t, ch, q, "a")
		publish(t, ch, q, "b")
		get(t, ch, q)
		ok(t, ch.Close())
		ch = must(conn.Channel())(t)
		await(t, func() bool { return ready(t, ch, q) == 2 })
		d := get(t, ch, q)
		want(t, "first", fmt.Sprintf("%s %t", d.Body, d.Redelivered), "a true")
	})
}

func TestRecoverGivesBack(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		ch := openChannel(t, url)
		q := tempQueue(t, ch, nil)
		publish(t, ch, q, "a")
		get(t, ch, q)
		ok(t, recoverAll(ch, true))
		want(t, "redelivered", get(t, ch, q).Redelivered, true)
	})
}

func TestLostConnectionGivesBack(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		a, b := openChannel(t, url), openChannel(t, url)
		q := unique()
		must(a.QueueDeclare(q, true, false, false, false, nil))(t)
		defer a.QueueDelete(q, false, false, false)
		publish(t, a, q, "m")
		ok(t, sync(a))
		conn := must(amqp.Dial(url))(t)
		get(t, must(conn.Channel())(t), q)
		ok(t, conn.Close())
		await(t, func() bool { return ready(t, b, q) == 1 })
		want(t, "redelivered", get(t, b, q).Redelivered, true)
	})
}

func TestExclusiveQueueBelongsToItsConnection(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		owner := must(amqp.Dial(url))(t)
		ch := must(owner.Channel())(t)
		q := tempQueue(t, ch, nil)
		ok(t, ch.QueueBind(q, "bound", "amq.fanout", false, nil))
		for name, do := range map[string]func(ch *amqp.Channel) error{
			"declare": func(ch *amqp.Channel) error {
				_, err := ch.QueueDeclarePassive(q, false, false, true, false, nil)
				return err
			},
			"consume": func(ch *amqp.Channel) error {
				_, err := ch.Consume(q, "", true, false, false, false, nil)
				return err
			},
			"get":    func(ch *amqp.Channel) error { _, _, err := ch.Get(q, true); return err },
			"purge":  func(ch *amqp.Channel) error { _, err := ch.QueuePurge(q, false); return err },
			"delete": func(ch *amqp.Channel) error { _, err := ch.QueueDelete(q, false, false, false); return err },
			"bind":   func(ch *amqp.Channel) error { return ch.QueueBind(q, "", "amq.fanout", false, nil) },
			"unbind": func(ch *amqp.Channel) error { return ch.QueueUnbind(q, "bound", "amq.fanout", nil) },
		} {
			err := do(openChannel(t, url))
			e, is := err.(*amqp.Error)
			if !is || e.Code != amqp.ResourceLocked {
				t.Errorf("%s: got %v, want 405", name, err)
			}
		}
		ok(t, owner.Close())
		_, err := openChannel(t, url).QueueDeclarePassive(q, false, false, true, false, nil)
		if e, is := err.(*amqp.Error); !is || e.Code != amqp.NotFound {
			t.Errorf("after its connection: got %v, want 404", err)
		}
	})
}

func TestPublishToExclusiveQueueOfAnother(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		a, b := pair(t, url)
		q := tempQueue(t, a, nil)
		publish(t, b, q, "m")
		ok(t, sync(b))
		await(t, func() bool { return ready(t, a, q) == 1 })
	})
}

func TestAutoDeleteQueueGoesWithLastConsumer(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		ch := openChannel(t, url)
		q := must(ch.QueueDeclare(unique(), false, true, true, false, nil))(t).Name
		want(t, "without a consumer yet", ready(t, ch, q), 0)
		must(ch.Consume(q, "a", true, false, false, false, nil))(t)
		must(ch.Consume(q, "b", true, false, false, false, nil))(t)
		ok(t, ch.Cancel("a", false))
		want(t, "consumers", inspect(t, ch, q).Consumers, 1)
		ok(t, ch.Cancel("b", false))
		_, err := ch.QueueDeclarePassive(q, false, true, true, false, nil)
		if e, is := err.(*amqp.Error); !is || e.Code != amqp.NotFound {
			t.Errorf("got %v, want 404", err)
		}
	})
}

func TestConsumerCancelNotification(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		a, b := pair(t, url)
		q := unique()
		must(a.QueueDeclare(q, true, false, false, false, nil))(t)
		cancelled := b.NotifyCancel(make(chan string, 1))
		must(b.Consume(q, "tag", true, false, false, false, nil))(t)
		must(a.QueueDelete(q, false, false, false))(t)
		want(t, "tag", receive(t, cancelled), "tag")
		ok(t, sync(b))
	})
}

func TestCancelledConsumerKeepsItsDeliveries(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		ch := openChannel(t, url)
		q := tempQueue(t, ch, nil)
		c := must(ch.Consume(q, "tag", false, false, false, false, nil))(t)
		publish(t, ch, q, "m")
		d := receive(t, c)
		ok(t, ch.Cancel("tag", false))
		want(t, "ready", ready(t, ch, q), 0)
		ok(t, d.Nack(false, true))
		want(t, "put back", ready(t, ch, q), 1)
	})
}

func TestPurgeAndDeleteCount(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		ch := openChannel(t, url)
		q := tempQueue(t, ch, nil)
		for range 3 {
			publish(t, ch, q, "m")
		}
		get(t, ch, q)
		want(t, "purged", must(ch.QueuePurge(q, false))(t), 2)
		publish(t, ch, q, "m")
		ok(t, sync(ch))
		want(t, "deleted", must(ch.QueueDelete(q, false, false, false))(t), 1)
	})
}

func TestAckAfterQueueIsGone(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		ch := openChannel(t, url)
		q := tempQueue(t, ch, nil)
		publish(t, ch, q, "a")
		publish(t, ch, q, "b")
		d, e := get(t, ch, q), get(t, ch, q)
		must(ch.QueueDelete(q, false, false, false))(t)
		ok(t, d.Ack(false))
		ok(t, e.Nack(false, true))
		ok(t, sync(ch))
	})
}

func TestAckMultipleSpansQueues(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		ch := openChannel(t, url)
		q, r := tempQueue(t, ch, nil), tempQueue(t, ch, nil)
		for range 2 {
			publish(t, ch, q, "q")
			publish(t, ch, r, "r")
		}
		var last amqp.Delivery
		for range 2 {
			get(t, ch, q)
			last = get(t, ch, r)
		}
		ok(t, last.Nack(true, true))
		want(t, "first queue", ready(t, ch, q), 2)
		want(t, "second queue", ready(t, ch, r), 2)
	})
}

func TestGeneratedNames(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		ch := openChannel(t, url)
		q, r := tempQueue(t, ch, nil), tempQueue(t, ch, nil)
		want(t, "length", len(q), len("amq.gen-")+22)
		want(t, "prefix", q[:8], "amq.gen-")
		if q == r {
			t.Errorf("two queues are named %s", q)
		}
		want(t, "last declared", must(ch.QueuePurge("", false))(t), 0)
		ok(t, ch.QueueBind("", "", "amq.direct", false, nil)) // its own name as the key
		ok(t, ch.Publish("amq.direct", r, false, false, amqp.Publishing{}))
		want(t, "by name", ready(t, ch, r), 1)
	})
}
