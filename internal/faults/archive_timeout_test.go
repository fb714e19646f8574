package faults

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/slogcast/slogcast/internal/brokertest"
	"github.com/slogcast/slogcast/sink"
	"github.com/slogcast/slogcast/sink/archive"
)

// A disk that takes nothing for longer than RabbitMQ's consumer_timeout has the
// broker close the channel that acknowledges nothing.
func TestArchiveStalledBeyondConsumerTimeout(t *testing.T) { // F45
	brokertest.EachReal(t, func(t *testing.T, b *brokertest.Broker) {
		set := func(name, value string) (was string) {
			was, err := b.Ctl("eval", fmt.Sprintf("W = application:get_env(rabbit, %s, 60000), application:set_env(rabbit, %s, %s), W.", name, name, value))
			if err != nil {
				t.Fatalf("set %s: %v\n%s", name, err, was)
			}
			return strings.TrimSpace(was)
		}
		// A channel looks after it at each tick, and has both from its start on.
		for name, value := range map[string]string{"consumer_timeout": "1000", "channel_tick_interval": "200"} {
			was := set(name, value)
			t.Cleanup(func() { set(name, was) })
		}
		for name, queue := range map[string]sink.Queue{
			"temporary": {},
			"durable":   {Name: "archive.durable"},
			"quorum":    {Name: "archive.quorum", Quorum: true},
		} {
			t.Run("queue="+name, func(t *testing.T) {
				set("consumer_timeout", "1000")
				stallBeyondTimeout(t, b, queue, func() { set("consumer_timeout", "60000") })
			})
		}
	})
}

// stallBeyondTimeout calls relent once the channel is closed: on a busy machine the
// next would be, too.
func stallBeyondTimeout(t *testing.T, b *brokertest.Broker, queue sink.Queue, relent func()) {
	const n = 5000 // more than the broker hands over
	path := filepath.Join(t.TempDir(), "app.log")
	a, err := archive.Open(path, archive.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	open, connected := make(chan struct{}), make(chan struct{}, 10)
	g := &gate{Archive: a, open: open, left: -1, all: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var told []string
	ended := make(chan error, 1)
	cfg := sink.Config{
		URL: b.URL, Exchange: b.Exchange(t), Queue: queue, MaxLength: -1, MaxBytes: -1, Prefetch: 1024, Linger: 100 * time.Millisecond,
		Notify: func(n sink.Notice) {
			told = append(told, n.String())
			if n.Connected != "" {
				connected <- struct{}{}
			}
		},
	}
	go func() { ended <- sink.Tail(ctx, cfg, g) }()
	<-connected
	publish(t, b, cfg.Exchange, n)
	consumers := func() string {
		out, err := b.Ctl("--silent", "list_consumers", "--no-table-headers", "queue_name")
		if err != nil {
			t.Fatalf("rabbitmqctl list_consumers: %v\n%s", err, out)
		}
		return strings.TrimSpace(out)
	}
	for late := time.After(soon); consumers() != ""; {
		select {
		case <-time.After(100 * time.Millisecond):
		case <-late:
			t.Fatal("the broker does not close the channel")
		}
	}
	relent()
	close(open)
	report := verifyUntil(t, path, n)
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if !report.Whole() || report.Total.Records != n || report.Duplicates > 0 {
		t.Errorf("got %+v; told %q", report.Total, told)
	}
	for _, text := range told {
		if strings.HasPrefix(text, "gap") {
			t.Errorf("told %q", text)
		}
	}
	if queue.Name != "" {
		if left := waiting(t, b, queue.Name); left > 0 {
			t.Errorf("%d messages are left in the queue", left)
		}
		b.Use(t, func(ch *amqp.Channel) { _, _ = ch.QueueDelete(queue.Name, false, false, false) })
	}
}

// verifyUntil returns what is in an archive once it has n records, or has had no
// more for some time.
func verifyUntil(t *testing.T, path string, n int64) (report *archive.Report) {
	t.Helper()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for late := time.After(soon); ; {
		sources, err := archive.Find(path)
		if err != nil {
			t.Fatal(err)
		}
		if report, err = archive.Verify(t.Context(), sources, archive.ReadOptions{}); err != nil {
			t.Fatal(err)
		}
		if report.Total.Records >= n {
			return report
		}
		select {
		case <-again.C:
		case <-late:
			return report
		}
	}
}
