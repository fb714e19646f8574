package sink_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/slogcast/slogcast/internal/brokertest"
	"github.com/slogcast/slogcast/sink"
)

// BenchmarkReplay reads a stream of records from its start to its end, as Tail
// does, and as the barest consumer does that amqp091-go allows for: one record a
// message, and in batches of 100, of which there are more, so that connecting is
// little of the time. It reports records/s.
func BenchmarkReplay(b *testing.B) {
	for _, broker := range brokertest.Brokers(b) {
		for batch, n := range map[int]int{1: 50_000, 100: 500_000} {
			name := filled(b, broker, n/batch, batch)
			rate := func(b *testing.B) { b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "records/s") }
			b.Run(fmt.Sprintf("broker=%s/batch=%d/tail", broker.Name, batch), func(b *testing.B) {
				for b.Loop() {
					replay(b, broker, name, n)
				}
				rate(b)
			})
			b.Run(fmt.Sprintf("broker=%s/batch=%d/amqp091", broker.Name, batch), func(b *testing.B) {
				for b.Loop() {
					consume(b, broker, name, n/batch)
				}
				rate(b)
			})
		}
	}
}

// filled makes a stream of messages with records of about 220 bytes.
func filled(b *testing.B, broker *brokertest.Broker, messages, batch int) (name string) {
	name = broker.Exchange(b) + ".history"
	b.Cleanup(func() {
		broker.Use(b, func(ch *amqp.Channel) {
			if _, err := ch.QueueDelete(name, false, false, false); err != nil {
				b.Error(err)
			}
		})
	})
	broker.Use(b, func(ch *amqp.Channel) {
		if _, err := ch.QueueDeclare(name, true, false, false, false, amqp.Table{"x-queue-type": "stream"}); err != nil {
			b.Fatal(err)
		}
		if err := ch.Confirm(false); err != nil {
			b.Fatal(err)
		}
		record := []byte(`{"time":"2026-11-25T10:00:00.123456789Z","level":"INFO","msg":"request served","method":"GET","path":"/users/4711","status":200,"took":1234567,"ratio":0.75,"cached":true,"agent":"curl/8.0 (x86_64)","n":12345678}`)
		var last *amqp.DeferredConfirmation
		for i := range messages {
			m := numbered(i*batch + 1)
			m.Body = record
			if batch > 1 {
				m.ContentType, m.Headers["count"] = "application/x-ndjson", int32(batch)
				m.Body = bytes.TrimSuffix(bytes.Repeat(append(record, '\n'), batch), []byte{'\n'})
			}
			var err error
			if last, err = ch.PublishWithDeferredConfirm("", name, false, false, m); err != nil {
				b.Fatal(err)
			}
		}
		last.Wait()
	})
	return name
}

// replay reads all with Tail.
func replay(b *testing.B, broker *brokertest.Broker, name string, n int) {
	ctx, stop := context.WithTimeout(b.Context(), time.Minute)
	defer stop()
	got := 0
	w := writer(func(records []sink.Record) {
		if got += len(records); got == n {
			stop()
		}
	})
	err := sink.Tail(ctx, sink.Config{URL: broker.URL, Queue: sink.Queue{History: true, Name: name, From: sink.Offset{First: true}}}, w)
	if err != nil || got != n {
		b.Fatalf("got %d records, %v", got, err)
	}
}

// consume reads all with amqp091-go, with the prefetch of Tail.
func consume(b *testing.B, broker *brokertest.Broker, name string, messages int) {
	broker.Use(b, func(ch *amqp.Channel) {
		if err := ch.Qos(256, 0, false); err != nil {
			b.Fatal(err)
		}
		deliveries, err := ch.Consume(name, "", false, false, false, false, amqp.Table{"x-stream-offset": "first"})
		if err != nil {
			b.Fatal(err)
		}
		for i := 1; i <= messages; i++ {
			d := <-deliveries
			if i%128 == 0 || i == messages {
				if err := d.Ack(true); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}
