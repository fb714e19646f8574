package broker_test

import (
	"fmt"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
)

// mortal returns a queue whose dead letters go to another, and that one.
func mortal(t testing.TB, ch *amqp.Channel, args amqp.Table) (q, dead string) {
	t.Helper()
	dead = tempQueue(t, ch, nil)
	args["x-dead-letter-exchange"], args["x-dead-letter-routing-key"] = "", dead
	return tempQueue(t, ch, args), dead
}

// deathsOf returns the x-death of a message in short.
func deathsOf(t testing.TB, d amqp.Delivery) []string {
	t.Helper()
	list, _ := d.Headers["x-death"].([]any)
	var deaths []string
	for _, v := range list {
		e := v.(amqp.Table)
		if _, isTime := e["time"]; !isTime {
			t.Errorf("no time in %v", e)
		}
		deaths = append(deaths, fmt.Sprint(e["count"], " ", e["reason"], " in ", e["queue"], " by ", e["exchange"], e["routing-keys"]))
	}
	return deaths
}

// TestDeadLetters tests each way to die, and what is told of it.
func TestDeadLetters(t *testing.T) {
	for _, test := range []struct {
		reason string
		args   amqp.Table
		kill   func(t *testing.T, ch *amqp.Channel, q string)
	}{
		{"rejected", amqp.Table{}, func(t *testing.T, ch *amqp.Channel, q string) {
			ok(t, get(t, ch, q).Reject(false))
		}},
		{"rejected", amqp.Table{}, func(t *testing.T, ch *amqp.Channel, q string) {
			ok(t, get(t, ch, q).Nack(true, false))
		}},
		{"expired", amqp.Table{"x-message-ttl": 1}, func(*testing.T, *amqp.Channel, string) {}},
		{"maxlen", amqp.Table{"x-max-length": 1}, func(t *testing.T, ch *amqp.Channel, q string) { publish(t, ch, q, "second") }},
		{"maxlen", amqp.Table{"x-max-length": 0, "x-overflow": "reject-publish-dlx"}, func(*testing.T, *amqp.Channel, string) {}},
	} {
		t.Run(test.reason, func(t *testing.T) {
			onBrokers(t, func(t *testing.T, url string) {
				ch := openChannel(t, url)
				args := amqp.Table{}
				for k, v := range test.args {
					args[k] = v
				}
				q, dead := mortal(t, ch, args)
				ok(t, ch.Publish("", q, false, false, amqp.Publishing{Body: []byte("first"), Headers: amqp.Table{"h": "kept"}, MessageId: "id"}))
				ok(t, sync(ch))
				test.kill(t, ch, q)
				await(t, func() bool { return ready(t, ch, dead) == 1 })
				d := get(t, ch, dead)
				want(t, "body", string(d.Body), "first")
				want(t, "properties", fmt.Sprint(d.MessageId, d.Headers["h"]), "idkept")
				want(t, "key", d.RoutingKey, dead)
				wantAll(t, "deaths", deathsOf(t, d), fmt.Sprintf("1 %s in %s by [%s]", test.reason, q, q))
				for key, v := range map[string]string{"reason": test.reason, "queue": q, "exchange": ""} {
					want(t, key, d.Headers["x-first-death-"+key], any(v))
				}
			})
		})
	}
}

// TestDeadLettersKeepTheirKeys tests an exchange without a key of its own, and
// that the message's own expiration is over.
func TestDeadLettersKeepTheirKeys(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		ch := openChannel(t, url)
		x := tempExchange(t, ch, "topic", nil)
		dead := boundQueue(t, ch, x, nil, "#")
		q := tempQueue(t, ch, amqp.Table{"x-dead-letter-exchange": x})
		ok(t, ch.Publish("", q, false, false, amqp.Publishing{Expiration: "1", Headers: amqp.Table{"CC": []any{"cc"}, "BCC": []any{"bcc"}}}))
		await(t, func() bool { return ready(t, ch, dead) == 1 })
		d := get(t, ch, dead)
		want(t, "exchange", d.Exchange, x)
		want(t, "key", d.RoutingKey, q)
		want(t, "expiration", d.Expiration, "")
		e := d.Headers["x-death"].([]any)[0].(amqp.Table)
		want(t, "was", e["original-expiration"], any("1"))
		wantAll(t, "deaths", deathsOf(t, d), fmt.Sprintf("1 expired in %s by [%s cc]", q, q))
	})
}

// TestDeathsAreCounted sends a message round by rejecting it.
func TestDeathsAreCounted(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		ch := openChannel(t, url)
		a, b := unique(), unique()
		for q, other := range map[string]string{a: b, b: a} {
			must(ch.QueueDeclare(q, false, false, true, false, amqp.Table{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": other}))(t)
		}
		publish(t, ch, a, "round")
		for range 2 {
			for _, q := range []string{a, b} {
				await(t, func() bool { return ready(t, ch, q) == 1 })
				ok(t, get(t, ch, q).Reject(false))
			}
		}
		await(t, func() bool { return ready(t, ch, a) == 1 })
		d := get(t, ch, a)
		wantAll(t, "deaths", deathsOf(t, d),
			fmt.Sprintf("2 rejected in %s by [%s]", b, b), fmt.Sprintf("2 rejected in %s by [%s]", a, a))
		want(t, "first", d.Headers["x-first-death-queue"], any(a))
	})
}

// TestDeadLettersDoNotGoRound tests that a message that would go round without
// anybody's doing ends.
func TestDeadLettersDoNotGoRound(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		ch := openChannel(t, url)
		a, b := unique(), unique()
		for q, other := range map[string]string{a: b, b: a} {
			must(ch.QueueDeclare(q, false, false, true, false, amqp.Table{
				"x-dead-letter-exchange": "", "x-dead-letter-routing-key": other, "x-message-ttl": 0,
			}))(t)
		}
		publish(t, ch, a, "round")
		q, dead := mortal(t, ch, amqp.Table{"x-message-ttl": 50})
		publish(t, ch, q, "after that")
		await(t, func() bool { return ready(t, ch, dead) == 1 })
		want(t, "left", ready(t, ch, a)+ready(t, ch, b), 0)
	})
}

// TestDeadLetterChainIsBounded tests that a letter that passes hundreds of
// queues ends when its story gets too long to be told.
func TestDeadLetterChainIsBounded(t *testing.T) {
	s := listen(t, nil)
	ch := openChannel(t, s.URL())
	const n = 1500
	name := func(i int) string { return strings.Repeat("q", 50) + fmt.Sprint(i) }
	for i := range n {
		must(ch.QueueDeclare(name(i), false, false, false, false, amqp.Table{
			"x-dead-letter-exchange": "", "x-dead-letter-routing-key": name(i + 1), "x-message-ttl": 0,
		}))(t)
	}
	publish(t, ch, name(0), "far")
	await(t, func() bool { return s.Stats().Expired > 300 })
	await(t, func() bool { return s.Stats().Bytes == 0 })
}
