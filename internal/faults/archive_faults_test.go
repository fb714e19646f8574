package faults

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/slogcast/slogcast/handler"
	"github.com/slogcast/slogcast/internal/brokertest"
	"github.com/slogcast/slogcast/internal/envelope"
	"github.com/slogcast/slogcast/sink"
	"github.com/slogcast/slogcast/sink/archive"
)

// An archiver of its own process takes the records of a durable queue to an
// archive, and acknowledges what is safe. It is what these faults kill.
const (
	childArchive  = "archive"
	queueVariable = "SLOGCAST_FAULTS_QUEUE"
	pathVariable  = "SLOGCAST_FAULTS_PATH"
	sizeVariable  = "SLOGCAST_FAULTS_SIZE" // of a segment
)

// archiver is the child. It prints a line for each group that is safe.
func archiver() error {
	var size int64
	if _, err := fmt.Sscan(os.Getenv(sizeVariable), &size); err != nil {
		return err
	}
	a, err := archive.Open(os.Getenv(pathVariable), archive.Options{RotateSize: size, Compress: archive.Zstd})
	if err != nil {
		return err
	}
	conn, err := amqp.Dial(os.Getenv(urlVariable))
	if err != nil {
		return err
	}
	ch, err := conn.Channel()
	if err != nil {
		return err
	}
	if err := ch.Qos(1000, 0, false); err != nil {
		return err
	}
	deliveries, err := ch.Consume(os.Getenv(queueVariable), "", false, false, false, false, nil)
	if err != nil {
		return err
	}
	const most = 200 // of a group
	for d := range deliveries {
		group := []sink.Record{recordOf(&d)}
		for len(group) < most && len(deliveries) > 0 {
			d = <-deliveries
			group = append(group, recordOf(&d))
		}
		if err := a.Write(context.Background(), group); err != nil {
			return err
		}
		if err := ch.Ack(d.DeliveryTag, true); err != nil {
			return err
		}
		fmt.Println(len(group))
	}
	return nil
}

func recordOf(d *amqp.Delivery) sink.Record {
	r := sink.ParseLine(d.Body)
	r.Producer, r.Seq, _ = envelope.ParseMessageID(d.MessageId)
	r.App = d.AppId
	return r
}

// filled makes a durable queue with n records of three producers in it.
func filled(t *testing.T, b *brokertest.Broker, n int) (queue string) {
	t.Helper()
	exchange := b.Exchange(t)
	queue = exchange + ".archive"
	b.Use(t, func(ch *amqp.Channel) {
		if err := ch.ExchangeDeclare(exchange, "fanout", true, false, false, false, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := ch.QueueDeclare(queue, true, false, false, false, nil); err != nil {
			t.Fatal(err)
		}
		if err := ch.QueueBind(queue, "", exchange, false, nil); err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(func() {
		b.Use(t, func(ch *amqp.Channel) { _, _ = ch.QueueDelete(queue, false, false, false) })
	})
	const producers = 3
	var working sync.WaitGroup
	for p := range producers {
		h, err := handler.New(b.URL, &handler.Options{Exchange: exchange, App: fmt.Sprintf("p%d", p), Buffer: 256 << 20})
		if err != nil {
			t.Fatal(err)
		}
		working.Go(func() {
			log := slog.New(h)
			for i := p; i < n; i += producers {
				log.Info("numbered", "n", i, "fill", "a record of a usual length, as services write it")
			}
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			if err := h.Close(ctx); err != nil {
				t.Errorf("close producer %d: %v", p, err)
			}
		})
	}
	working.Wait()
	return queue
}

// waiting returns how many messages are in a queue, once its consumer is gone and
// what was handed over to it is back.
func waiting(t *testing.T, b *brokertest.Broker, queue string) (n int) {
	t.Helper()
	b.Use(t, func(ch *amqp.Channel) {
		late := time.After(soon)
		for {
			q, err := ch.QueueDeclarePassive(queue, true, false, false, false, nil)
			if err != nil {
				t.Fatal(err)
			}
			if n = q.Messages; q.Consumers == 0 {
				return
			}
			select {
			case <-time.After(5 * time.Millisecond):
			case <-late:
				t.Fatal("a dead archiver still consumes")
			}
		}
	})
	return n
}

// killArchiver kills an archiver again and again while records pass, and looks
// for each of them in the archive.
func killArchiver(t *testing.T, b *brokertest.Broker, records, kills, size int) {
	queue := filled(t, b, records)
	dir := t.TempDir()
	path := filepath.Join(dir, "app.log")
	began, killed := time.Now(), 0
	for total := 0; total < records; {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childVariable+"="+childArchive, urlVariable+"="+b.URL,
			queueVariable+"="+queue, pathVariable+"="+path, fmt.Sprintf("%s=%d", sizeVariable, size))
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		groups := 1 + rand.IntN(max(1, 2*records/200/kills-1))
		life := 0
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			var n int
			_, _ = fmt.Sscan(lines.Text(), &n)
			life += n
			if killed < kills {
				if groups--; groups <= 0 {
					break
				}
			} else if total+life >= records {
				break
			}
		}
		if life == 0 {
			_ = cmd.Process.Kill()
			t.Fatalf("the archiver ends: %v", cmd.Wait())
		}
		// Anywhere within what it does next.
		wait(time.Duration(rand.IntN(int(5 * time.Millisecond))))
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		total = records - waiting(t, b, queue)
		killed++
	}
	sources, err := archive.Find(dir)
	if err != nil {
		t.Fatal(err)
	}
	report, err := archive.Verify(t.Context(), sources, archive.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d records, %d kills, %d files in %v: %d found, %d missing, %d duplicates, %d torn lines",
		records, killed, len(report.Files), time.Since(began).Round(time.Millisecond), report.Total.Records, report.Missing, report.Duplicates, report.Total.Torn)
	if !report.Whole() || report.Duplicates > 0 || report.Total.Records != int64(records) || len(report.Producers) != 3 || killed < kills {
		t.Errorf("got %+v", report.Total)
	}
}

func TestArchiverKilled(t *testing.T) { // F46
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		records, kills, size := 5000, 5, 50_000
		if *full {
			records, kills, size = 200_000, 100, 2_000_000
		}
		killArchiver(t, b, records, kills, size)
	})
}
