package faults

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/slogcast/slogcast/internal/brokertest"
	"github.com/slogcast/slogcast/sink"
	"github.com/slogcast/slogcast/sink/archive"
)

// A disk of 1 MiB fills while records come, and is freed. It needs root.
func TestArchiveFullDisk(t *testing.T) { // F44
	if !*full {
		t.Log("not run: it needs -full and root")
		return
	}
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		const n, space = 3000, 5 * time.Second
		dir := t.TempDir()
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
			t.Fatalf("mount: %v", err)
		}
		defer syscall.Unmount(dir, syscall.MNT_DETACH)
		filler, path := filepath.Join(dir, "filler"), filepath.Join(dir, "app.log")
		if err := os.WriteFile(filler, make([]byte, 600<<10), 0o600); err != nil {
			t.Fatal(err)
		}
		told := make(chan error, 10)
		a, err := archive.Open(path, archive.Options{OnError: func(err error) { told <- err }})
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		open, connected := make(chan struct{}), make(chan struct{})
		close(open)
		g := &gate{Archive: a, open: open, left: n, all: make(chan struct{})}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := make(chan error, 1)
		cfg := sink.Config{
			URL: b.URL, Exchange: b.Exchange(t), MaxLength: -1, MaxBytes: -1, Prefetch: 1024, Linger: time.Second,
			Notify: func(n sink.Notice) {
				if n.Connected != "" {
					close(connected)
				}
			},
		}
		go func() { ended <- sink.Tail(ctx, cfg, g) }()
		<-connected
		publish(t, b, cfg.Exchange, n)
		if err := <-told; err == nil {
			t.Fatal("it is told that the disk works")
		}
		text, err := os.ReadFile(path)
		if err != nil || len(text) == 0 || text[len(text)-1] != '\n' {
			t.Errorf("while full the file ends in half a line: %v", err)
		}
		freed := time.Now()
		if err := os.Remove(filler); err != nil {
			t.Fatal(err)
		}
		if err := <-told; err != nil {
			t.Errorf("after room was made: %v", err)
		}
		if took := time.Since(freed); took > space {
			t.Errorf("resumed after %v, want at most %v", took, space)
		} else {
			t.Logf("resumed %v after there was room", took.Round(time.Millisecond))
		}
		<-g.all
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		sources, err := archive.Find(path)
		if err != nil {
			t.Fatal(err)
		}
		report, err := archive.Verify(t.Context(), sources, archive.ReadOptions{})
		if err != nil || !report.Whole() || report.Total.Records != n || report.Duplicates > 0 {
			t.Errorf("got %+v, %v", report, err)
		}
	})
}

// logtail is ended while its disk is full: it says how much is left where.
func TestArchiveCommandEndsOnAFullDisk(t *testing.T) {
	if !*full {
		t.Log("not run: it needs -full and root")
		return
	}
	binary := buildLogtail(t)
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		const n = 8000 // of 250 bytes
		for _, queue := range []string{"", "archive.full"} {
			dir, exchange := t.TempDir(), b.Exchange(t)
			if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
				t.Fatalf("mount: %v", err)
			}
			defer syscall.Unmount(dir, syscall.MNT_DETACH)
			path := filepath.Join(dir, "app.log")
			args := []string{"--file", path, "--exchange", exchange}
			want := `hint: (\d+) records that had come are lost with this tail's queue`
			if queue != "" {
				args = append(args, "--queue", queue)
				want = `hint: (\d+) records that had come wait in queue "archive.full"`
			}
			c := startArchiver(t, binary, b.URL, args...)
			<-c.connected
			publish(t, b, exchange, n)
			for late := time.After(soon); !strings.Contains(c.said(), "no space left"); {
				select {
				case <-time.After(10 * time.Millisecond):
				case <-late:
					t.Fatalf("the disk does not get full; it said %s", c.said())
				}
			}
			said := c.end(1)
			if !regexp.MustCompile(want).MatchString(said) {
				t.Errorf("it said %s", said)
			}
			m := regexp.MustCompile(`(\d+) messages are not acknowledged, and (lost|wait)`).FindStringSubmatch(said)
			if m == nil {
				t.Fatalf("it said %s", said)
			}
			t.Log(m[0])
			text, err := os.ReadFile(path)
			if err != nil || len(text) == 0 || text[len(text)-1] != '\n' {
				t.Errorf("the file ends in half a line: %v", err)
			}
			if queue == "" {
				continue
			}
			if left := waiting(t, b, queue); m[1] != fmt.Sprint(left) {
				t.Errorf("%d are left, it said %s", left, m[0])
			}
			b.Use(t, func(ch *amqp.Channel) { _, _ = ch.QueueDelete(queue, false, false, false) })
		}
	})
}
