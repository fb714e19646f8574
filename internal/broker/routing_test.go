package broker_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/slogcast/slogcast/internal/wire"
)

// tempExchange declares an exchange that goes with its last binding.
func tempExchange(t testing.TB, ch *amqp.Channel, kind string, args amqp.Table) string {
	t.Helper()
	x := unique()
	ok(t, ch.ExchangeDeclare(x, kind, false, true, false, false, args))
	return x
}

// boundQueue returns a new queue with bindings to x.
func boundQueue(t testing.TB, ch *amqp.Channel, x string, args amqp.Table, keys ...string) string {
	t.Helper()
	q := tempQueue(t, ch, nil)
	for _, key := range keys {
		ok(t, ch.QueueBind(q, key, x, false, args))
	}
	return q
}

func TestTopic(t *testing.T) {
	keys := []string{"", "a", "b", "a.b", "a.b.c", "b.a", "a.", ".a", "..", "a.b.a.b", "*", "#", "a.#.b", strings.Repeat("a.", 100) + "a"}
	for _, test := range []struct {
		patterns string // with spaces between
		want     []string
	}{
		{"a", []string{"a"}},
		{"*", []string{"a", "b", "*", "#"}},
		{"#", keys},
		{"a.*", []string{"a.b", "a."}},
		{"*.a", []string{"b.a", ".a"}},
		{"*.*.*", []string{"a.b.c", "..", "a.#.b"}},
		{"a.#", []string{"a", "a.b", "a.b.c", "a.", "a.b.a.b", "a.#.b", keys[13]}},
		{"#.b", []string{"b", "a.b", "a.b.a.b", "a.#.b"}},
		{"a.#.b", []string{"a.b", "a.b.a.b", "a.#.b"}},
		{"#.a.#.b.#", []string{"a.b", "a.b.c", "a.b.a.b", "a.#.b"}},
		{"#.#", keys},
		{"*.#", keys[1:]},
		{"a.* #.b a", []string{"a", "b", "a.b", "a.", "a.b.a.b", "a.#.b"}},
	} {
		t.Run(strings.ReplaceAll(test.patterns, " ", "_"), func(t *testing.T) {
			onBrokers(t, func(t *testing.T, url string) {
				ch := openChannel(t, url)
				x := tempExchange(t, ch, "topic", nil)
				q := boundQueue(t, ch, x, nil, strings.Fields(test.patterns)...)
				for _, key := range keys {
					ok(t, ch.Publish(x, key, false, false, amqp.Publishing{Body: []byte(key)}))
				}
				c := must(ch.Consume(q, "", true, false, false, false, nil))(t)
				wantAll(t, "keys", bodies(t, c, len(test.want)), test.want...)
				want(t, "left", ready(t, ch, q), 0)
				for _, p := range strings.Fields(test.patterns) {
					ok(t, ch.QueueUnbind(q, p, x, nil))
				}
				ok(t, ch.ExchangeDeclare(x, "fanout", false, true, false, false, nil)) // the other is gone
				ok(t, ch.ExchangeDelete(x, false, false))
			})
		})
	}
}

// TestTopicIsLinear tests that no pattern makes routing take a time that grows
// faster than the words and the nodes of the tree.
func TestTopicIsLinear(t *testing.T) {
	ch := openChannel(t, listen(t, nil).URL())
	x := tempExchange(t, ch, "topic", nil)
	q := boundQueue(t, ch, x, nil, strings.Repeat("#.a.", 60)+"b", strings.Repeat("#.*.", 60)+"b")
	start := time.Now()
	ok(t, ch.Publish(x, strings.Repeat("a.", 120)+"c", false, false, amqp.Publishing{}))
	want(t, "ready", ready(t, ch, q), 0)
	t.Logf("took %v", time.Since(start)) // centuries, one way at a time
}

func TestHeaders(t *testing.T) {
	type table = amqp.Table
	for i, test := range []struct {
		binding, headers table
		want             int
	}{
		{table{"x-match": "all", "a": "1", "b": int32(2)}, table{"a": "1", "b": int64(2), "c": true}, 1},
		{table{"x-match": "all", "a": "1", "b": int32(2)}, table{"a": "1"}, 0},
		{table{"x-match": "any", "a": "1", "b": int32(2)}, table{"a": "1", "b": int32(3)}, 1},
		{table{"x-match": "any", "a": "1"}, table{"a": "2"}, 0},
		{table{"x-match": "any"}, table{"a": "2"}, 0},
		{table{"x-match": "all"}, nil, 1},
		{nil, nil, 1},
		{table{"a": "1"}, nil, 0},
		{table{"a": nil}, table{"a": "anything"}, 1},
		{table{"a": nil}, table{"b": "anything"}, 0},
		{table{"a": "1"}, table{"a": int32(1)}, 0},
		{table{"a": true}, table{"a": true}, 1},
		{table{"a": 1.5}, table{"a": 1.5}, 1},
		{table{"a": int32(1)}, table{"a": float64(1)}, 1}, // not on RabbitMQ 4
		{table{"a": table{"b": "c"}}, table{"a": table{"b": "c"}}, 1},
		{table{"a": table{"b": "c"}}, table{"a": table{"b": "d"}}, 0},
		{table{"a": []any{"b", int32(1)}}, table{"a": []any{"b", int32(1)}}, 1},
		{table{"a": []any{"b", int32(1)}}, table{"a": []any{"b", int64(1)}}, 0},
		{table{"x-match": "all", "x-a": "1"}, table{"x-a": "2"}, 1},
		{table{"x-match": "any-with-x", "x-a": "1"}, table{"x-a": "1"}, 1},
		{table{"x-match": "all-with-x", "x-a": "1"}, table{"x-a": "2"}, 0},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			onBrokers(t, func(t *testing.T, url string) {
				ch := openChannel(t, url)
				x := tempExchange(t, ch, "headers", nil)
				q := boundQueue(t, ch, x, test.binding, "k")
				ok(t, ch.Publish(x, "", false, false, amqp.Publishing{Headers: test.headers}))
				expected := test.want
				if _, ofFloat := test.headers["a"].(float64); ofFloat && test.binding["a"] == int32(1) {
					conn := must(amqp.Dial(url))(t)
					defer conn.Close()
					if isSeries(conn, "4.") {
						expected = 0
					}
				}
				want(t, fmt.Sprint(test.binding, test.headers), ready(t, ch, q), expected)
			})
		})
	}
}

func TestHeadersBindingIsChecked(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		for _, v := range []any{"some", int32(1)} {
			ch := openChannel(t, url)
			x := tempExchange(t, ch, "headers", nil)
			err := ch.QueueBind(tempQueue(t, ch, nil), "", x, false, amqp.Table{"x-match": v})
			if e, is := err.(*amqp.Error); !is || e.Code != 406 || !strings.Contains(e.Reason, "Invalid x-match field") {
				t.Errorf("got %v", err)
			}
			ok(t, openChannel(t, url).ExchangeDelete(x, false, false))
		}
	})
}

// TestExchangeToExchange tests ways that meet and ways that go round.
func TestExchangeToExchange(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		ch := openChannel(t, url)
		a, b, c := tempExchange(t, ch, "fanout", nil), tempExchange(t, ch, "topic", nil), tempExchange(t, ch, "direct", nil)
		ok(t, ch.ExchangeBind(b, "ignored", a, false, nil))
		ok(t, ch.ExchangeBind(c, "k.#", b, false, nil))
		ok(t, ch.ExchangeBind(a, "k.1", c, false, nil)) // round
		q := boundQueue(t, ch, a, nil, "")
		ok(t, ch.QueueBind(q, "k.1", c, false, nil)) // two ways there
		r := boundQueue(t, ch, c, nil, "k.1")
		for _, key := range []string{"k.1", "k.2"} {
			ok(t, ch.Publish(a, key, false, false, amqp.Publishing{}))
		}
		want(t, "all", ready(t, ch, q), 2)
		want(t, "at the end", ready(t, ch, r), 1)
		ok(t, ch.Publish(c, "k.1", false, false, amqp.Publishing{}))
		want(t, "round from the end", ready(t, ch, q), 3)
		ok(t, ch.ExchangeUnbind(c, "k.#", b, false, nil))
		ok(t, ch.ExchangeUnbind(c, "k.#", b, false, nil)) // is nothing more
		ok(t, ch.Publish(a, "k.1", false, false, amqp.Publishing{}))
		want(t, "cut", ready(t, ch, r), 2)
		for _, x := range []string{a, b, c} {
			ok(t, ch.ExchangeDelete(x, false, false))
		}
	})
}

// TestAutoDeleteSpreads tests that an exchange that goes takes the bindings to
// it with it, and with them exchanges that led nowhere else.
func TestAutoDeleteSpreads(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		ch := openChannel(t, url)
		a, b := tempExchange(t, ch, "fanout", nil), tempExchange(t, ch, "fanout", nil)
		ok(t, ch.ExchangeBind(b, "", a, false, nil))
		q := boundQueue(t, ch, b, nil, "")
		must(ch.QueueDelete(q, false, false, false))(t)
		for _, x := range []string{a, b} {
			err := openChannel(t, url).ExchangeDeclarePassive(x, "fanout", false, true, false, false, nil)
			if e, is := err.(*amqp.Error); !is || e.Code != 404 {
				t.Errorf("got %v, want 404", err)
			}
		}
	})
}

func TestExchangeBindErrors(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		for _, test := range []struct {
			destination, source string
			code                int
		}{{"amq.fanout", "", 403}, {"", "amq.fanout", 403}, {"nowhere", "amq.fanout", 404}, {"amq.fanout", "nowhere", 404}} {
			ch := openChannel(t, url)
			err := ch.ExchangeBind(test.destination, "", test.source, false, nil)
			if e, is := err.(*amqp.Error); !is || e.Code != test.code {
				t.Errorf("%q to %q: got %v, want %d", test.source, test.destination, err, test.code)
			}
		}
	})
}

func TestAlternateExchange(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		ch := openChannel(t, url)
		rest := tempExchange(t, ch, "fanout", nil)
		x := tempExchange(t, ch, "direct", amqp.Table{"alternate-exchange": rest})
		q, r := boundQueue(t, ch, x, nil, "known"), boundQueue(t, ch, rest, nil, "")
		for _, key := range []string{"known", "unknown"} {
			ok(t, ch.Publish(x, key, false, false, amqp.Publishing{Body: []byte(key)}))
		}
		want(t, "known", string(get(t, ch, q).Body), "known")
		want(t, "unknown", string(get(t, ch, r).Body), "unknown")
		want(t, "rest", ready(t, ch, r), 0)
	})
}

func TestPredeclared(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		for name, kind := range map[string]string{"amq.direct": "direct", "amq.fanout": "fanout", "amq.topic": "topic", "amq.headers": "headers", "amq.match": "headers"} {
			ok(t, openChannel(t, url).ExchangeDeclare(name, kind, true, false, false, false, nil))
		}
	})
}

// TestCarbonCopies tests the headers CC and BCC: both route, on every way, and
// the latter is not seen.
func TestCarbonCopies(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		ch := openChannel(t, url)
		x := tempExchange(t, ch, "direct", nil)
		to, cc, bcc := boundQueue(t, ch, x, nil, "to"), boundQueue(t, ch, x, nil, "cc"), boundQueue(t, ch, x, nil, "bcc")
		p := amqp.Publishing{Headers: amqp.Table{"CC": []any{"cc", "to"}, "BCC": []any{"bcc", "none"}, "h": "kept"}}
		ok(t, ch.Publish(x, "to", false, false, p))
		p.Headers["CC"], p.Headers["BCC"] = []any{cc}, []any{bcc}
		ok(t, ch.Publish("", to, false, false, p))
		for _, q := range []string{to, cc, bcc} {
			for range 2 {
				d := get(t, ch, q)
				if _, there := d.Headers["BCC"]; there || d.Headers["h"] != "kept" || d.Headers["CC"] == nil {
					t.Errorf("got headers %v", d.Headers)
				}
			}
			want(t, "left", ready(t, ch, q), 0)
		}
	})
}

func TestCarbonCopiesOfWrongType(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		ch := openChannel(t, url)
		closed := ch.NotifyClose(make(chan *amqp.Error, 1))
		ok(t, ch.Publish("", "nowhere", false, false, amqp.Publishing{Headers: amqp.Table{"CC": "k"}}))
		e := receive(t, closed)
		want(t, "code", e.Code, 406)
		if !strings.Contains(e.Reason, "{unacceptable_type_in_header,\"CC\",longstr}") {
			t.Errorf("got %s", e.Reason)
		}
	})
}

// TestDirectReplyTo asks and answers.
func TestDirectReplyTo(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		client, server := pair(t, url)
		q := tempQueue(t, server, nil)
		requests := must(server.Consume(q, "", true, false, false, false, nil))(t)
		answers := must(client.Consume("amq.rabbitmq.reply-to", "", true, false, false, false, nil))(t)
		for range 3 {
			ok(t, client.Publish("", q, false, false, amqp.Publishing{ReplyTo: "amq.rabbitmq.reply-to", Body: []byte("ask")}))
			r := receive(t, requests)
			if !strings.HasPrefix(r.ReplyTo, "amq.rabbitmq.reply-to.") {
				t.Fatalf("got reply-to %q", r.ReplyTo)
			}
			must(server.QueueDeclarePassive(r.ReplyTo, false, false, false, false, nil))(t)
			ok(t, server.Publish("", r.ReplyTo, false, false, amqp.Publishing{Body: []byte("answer")}))
			d := receive(t, answers)
			want(t, "answer", string(d.Body), "answer")
			want(t, "key", d.RoutingKey, r.ReplyTo)
		}
		returns := server.NotifyReturn(make(chan amqp.Return, 1))
		ok(t, server.Publish("", "amq.rabbitmq.reply-to.gone", true, false, amqp.Publishing{}))
		want(t, "returned", receive(t, returns).ReplyCode, 312)
	})
}

func TestDirectReplyToErrors(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		const name = "amq.rabbitmq.reply-to"
		for wanted, do := range map[string]func(ch *amqp.Channel) error{
			"reply consumer cannot acknowledge": func(ch *amqp.Channel) error {
				_, err := ch.Consume(name, "", false, false, false, false, nil)
				return err
			},
			"reply consumer already set": func(ch *amqp.Channel) error {
				must(ch.Consume(name, "", true, false, false, false, nil))(t)
				_, err := ch.Consume(name, "", true, false, false, false, nil)
				return err
			},
			"fast reply consumer does not exist": func(ch *amqp.Channel) error {
				closed := ch.NotifyClose(make(chan *amqp.Error, 1))
				ok(t, ch.Publish("", "q", false, false, amqp.Publishing{ReplyTo: name}))
				return receive(t, closed)
			},
		} {
			err := do(openChannel(t, url))
			if e, is := err.(*amqp.Error); !is || e.Code != 406 || e.Reason != "PRECONDITION_FAILED - "+wanted {
				t.Errorf("got %v, want %s", err, wanted)
			}
		}
	})
}

// TestHeadersBindingIsBounded tests that arguments that must be kept are.
func TestHeadersBindingIsBounded(t *testing.T) {
	r := dialRaw(t, listen(t, nil).URL())
	r.open(131072, 0)
	args := wire.Table{{Key: "k", Value: strings.Repeat("x", 100000)}}
	r.send(1, &wire.QueueDeclare{Queue: "q"}, &wire.QueueBind{Queue: "q", Exchange: "amq.headers", NoWait: true, Arguments: args})
	want(t, "outcome", codeOf(r.outcome()), "channel 406 PRECONDITION_FAILED")
}
