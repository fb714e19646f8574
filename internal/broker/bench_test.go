package broker_test

import (
	"context"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/slogcast/slogcast/internal/brokertest"
)

// BenchmarkThroughput measures transient messages of 250 bytes from one
// publisher to one consumer, both amqp091-go and in this process, over
// loopback TCP. Compare brokers in one run:
//
//	go test ./internal/broker -run '^$' -bench Throughput -count 6 | benchstat -col /broker -
func BenchmarkThroughput(b *testing.B) {
	for _, broker := range brokertest.Brokers(b) {
		b.Run("broker="+broker.Name, func(b *testing.B) { benchThroughput(b, broker.URL) })
	}
}

func benchThroughput(b *testing.B, url string) {
	in, out := openChannel(b, url), openChannel(b, url)
	q, err := out.QueueDeclare("", false, false, true, false, nil)
	if err != nil {
		b.Fatal(err)
	}
	if err := out.Qos(256, 0, false); err != nil {
		b.Fatal(err)
	}
	deliveries, err := out.Consume(q.Name, "", false, true, false, false, nil)
	if err != nil {
		b.Fatal(err)
	}
	body := []byte(strings.Repeat("x", 250))
	b.ReportAllocs()
	b.ResetTimer()
	failed := make(chan error, 1)
	go func() {
		for range b.N {
			if err := in.PublishWithContext(context.Background(), "", q.Name, false, false, amqp.Publishing{Body: body}); err != nil {
				failed <- err
				return
			}
		}
		failed <- nil
	}()
	for n := 1; n <= b.N; n++ {
		d := <-deliveries
		if n%64 == 0 || n == b.N {
			if err := d.Ack(true); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := <-failed; err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msgs/s")
}

// openChannel opens a channel on a connection of its own.
func openChannel(tb testing.TB, url string) *amqp.Channel {
	tb.Helper()
	conn, err := amqp.Dial(url)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { conn.Close() })
	ch, err := conn.Channel()
	if err != nil {
		tb.Fatal(err)
	}
	return ch
}
