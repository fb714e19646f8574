package faults

import (
	"bufio"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/slogcast/slogcast/handler"
	"github.com/slogcast/slogcast/internal/brokertest"
	"github.com/slogcast/slogcast/sink"
	"github.com/slogcast/slogcast/sink/archive"
)

// gate is an archive that takes nothing until it is opened, and tells when it has
// all.
type gate struct {
	*archive.Archive
	open <-chan struct{}
	left int
	all  chan struct{}
}

func (g *gate) Append(ctx context.Context, records []sink.Record) error {
	<-g.open
	g.left -= len(records)
	return g.Archive.Append(ctx, records)
}

func (g *gate) Commit(ctx context.Context) error {
	err := g.Archive.Commit(ctx)
	if err == nil && g.left == 0 {
		g.left = -1
		close(g.all)
	}
	return err
}

// publish logs n records and waits until they are confirmed.
func publish(t *testing.T, b *brokertest.Broker, exchange string, n int) {
	t.Helper()
	h, err := handler.New(b.URL, &handler.Options{Exchange: exchange, Buffer: 256 << 20})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(h)
	for i := range n {
		log.Info("numbered", "n", i, "fill", "a record of a usual length, as services write it", "path", "/cart/checkout")
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := h.Close(ctx); err != nil {
		t.Fatal(err)
	}
}

// archiveTime returns how long it takes to archive n records that wait in the
// queue.
func archiveTime(t *testing.T, b *brokertest.Broker, policy archive.Fsync, n int) time.Duration {
	t.Helper()
	exchange := b.Exchange(t)
	a, err := archive.Open(filepath.Join(t.TempDir(), "app.log"), archive.Options{Fsync: policy})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	open, connected := make(chan struct{}), make(chan struct{})
	g := &gate{Archive: a, open: open, left: n, all: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	cfg := sink.Config{
		URL: b.URL, Exchange: exchange, MaxLength: -1, MaxBytes: -1, Prefetch: 1024, Linger: time.Second,
		Notify: func(n sink.Notice) {
			if n.Connected != "" {
				close(connected)
			}
		},
	}
	go func() { ended <- sink.Tail(ctx, cfg, g) }()
	<-connected
	publish(t, b, exchange, n)
	began := time.Now()
	close(open)
	select {
	case <-g.all:
	case err := <-ended:
		t.Fatalf("the tail ends: %v", err)
	}
	took := time.Since(began)
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	return took
}

// bareTime is archiveTime of the barest loop: it consumes, writes and acknowledges,
// and never flushes to the disk.
func bareTime(t *testing.T, b *brokertest.Broker, n int) (took time.Duration) {
	t.Helper()
	exchange := b.Exchange(t)
	f, err := os.Create(filepath.Join(t.TempDir(), "bare.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b.Use(t, func(ch *amqp.Channel) {
		if err := ch.ExchangeDeclare(exchange, "fanout", true, false, false, false, nil); err != nil {
			t.Fatal(err)
		}
		q, err := ch.QueueDeclare("", false, false, true, false, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := ch.QueueBind(q.Name, "", exchange, false, nil); err != nil {
			t.Fatal(err)
		}
		publish(t, b, exchange, n)
		if err := ch.Qos(1024, 0, false); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		deliveries, err := ch.Consume(q.Name, "", false, true, false, false, nil)
		if err != nil {
			t.Fatal(err)
		}
		out := bufio.NewWriterSize(f, 64<<10)
		for i := range n {
			d := <-deliveries
			_, _ = out.Write(append(d.Body, '\n'))
			if i%512 == 511 || i == n-1 {
				if err := ch.Ack(d.DeliveryTag, true); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := out.Flush(); err != nil {
			t.Fatal(err)
		}
		took = time.Since(began)
	})
	return took
}

func TestArchiveSpeed(t *testing.T) {
	if !*full {
		t.Log("not measured: it needs -full")
		return
	}
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		const n, runs = 100_000, 3
		bare := time.Duration(1 << 62)
		for range runs {
			bare = min(bare, bareTime(t, b, n))
		}
		t.Logf("barest loop: %.0f records/s", n/bare.Seconds())
		for name, policy := range map[string]archive.Fsync{
			"always": archive.FsyncAlways, "1s": archive.Fsync(time.Second), "rotate": archive.FsyncRotate, "none": archive.FsyncNever,
		} {
			best := time.Duration(1 << 62)
			for range runs {
				best = min(best, archiveTime(t, b, policy, n))
			}
			t.Logf("--fsync %s: %.0f records/s, %.2f of the barest loop", name, n/best.Seconds(), bare.Seconds()/best.Seconds())
		}
	})
}
