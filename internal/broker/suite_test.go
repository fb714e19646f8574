package broker_test

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/slogcast/slogcast/internal/broker"
	"github.com/slogcast/slogcast/internal/brokertest"
)

func TestMain(m *testing.M) { brokertest.Main(m) }

// onBrokers runs a case against the embedded broker and a real one: what passes
// on one and fails on the other is a fault of the embedded one.
func onBrokers(t *testing.T, run func(t *testing.T, url string)) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) { run(t, b.URL) })
}

// onRabbitMQ reports whether the case runs on the real one: the texts of protocol
// errors hold Erlang terms there.
func onRabbitMQ(t *testing.T) bool { return !strings.HasSuffix(t.Name(), "broker=embedded") }

// listen starts a broker on a free port and closes it with the test.
func listen(t testing.TB, cfg *broker.Config) *broker.Server {
	t.Helper()
	var c broker.Config
	if cfg != nil {
		c = *cfg
	}
	c.Addr = "127.0.0.1:0"
	s, err := broker.Listen(&c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// unique makes a name that nobody else uses on a shared broker.
func unique() string { return "slogcast-test-" + rand.Text() }

// timeout is how long a test waits for something that must happen.
const timeout = 30 * time.Second

// receive returns the next value of a channel that must have one.
func receive[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v, ok := <-c:
		if !ok {
			t.Fatal("channel closed")
		}
		return v
	case <-time.After(timeout):
		t.Fatal("nothing came")
	}
	panic("unreachable")
}

// must returns v, or ends the test for the error.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// sync returns after the broker has handled all that was sent on ch before,
// with the error that closed ch if one has.
func sync(ch *amqp.Channel) error { return ch.Cancel("no consumer", false) }

// publish sends a body to a queue.
func publish(t testing.TB, ch *amqp.Channel, queue, body string) {
	t.Helper()
	ok(t, ch.Publish("", queue, false, false, amqp.Publishing{Body: []byte(body)}))
}

// tempQueue declares a server-named exclusive queue.
func tempQueue(t testing.TB, ch *amqp.Channel, args amqp.Table) string {
	t.Helper()
	return must(ch.QueueDeclare("", false, false, true, false, args))(t).Name
}

// inspect returns what the broker says of a queue.
func inspect(t testing.TB, ch *amqp.Channel, queue string) amqp.Queue {
	t.Helper()
	return must(ch.QueueDeclarePassive(queue, false, false, false, false, nil))(t)
}

// recoverAll asks for everything unacknowledged again, or, without requeue, for
// what no broker gives.
func recoverAll(ch *amqp.Channel, requeue bool) error {
	return ch.Recover(requeue) //lint:ignore SA1019 clients still have it
}
