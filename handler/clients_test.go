package handler_test

import (
	"encoding/json"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/slogcast/slogcast/handler"
	"github.com/slogcast/slogcast/internal/brokertest"
)

// client is a client of another language: a program in testdata/clients.
type client struct {
	name, program, script string
	has                   []string // what the program is run with to see whether the client is there
}

// Debian's own Python has Debian's packages.
var python = func() string {
	if _, err := os.Stat("/usr/bin/python3"); err == nil {
		return "/usr/bin/python3"
	}
	return "python3"
}()

var clients = []client{
	{"pika", python, "pika_read.py", []string{"-c", "import pika"}},
	{"aio-pika", python, "aio_pika_read.py", []string{"-c", "import aio_pika"}},
	{"amqplib", "node", "amqplib_read.js", []string{"-e", "require('amqplib')"}},
}

// clientsVariable demands all clients, as CI does.
const clientsVariable = "LOGTAIL_TEST_CLIENTS"

// TestOtherClientsReadEverything publishes what is hard on clients of other
// languages, and has each read it: pika and aio-pika (Debian's python3-pika and
// python3-aio-pika) and amqplib (npm's).
func TestOtherClientsReadEverything(t *testing.T) {
	for _, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			if out, err := exec.Command(c.program, c.has...).CombinedOutput(); err != nil {
				if os.Getenv(clientsVariable) != "" {
					t.Fatalf("%s is not installed: %v\n%s", c.name, err, out)
				}
				t.Skipf("%s is not installed; with %s=1 that is a failure", c.name, clientsVariable)
			}
			brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) { c.read(t, b) })
		})
	}
}

// read has the client read what handlers of many names publish.
func (c client) read(t *testing.T, b *brokertest.Broker) {
	apps := []string{"shop", "caf\xe9", "\xff\xfe", strings.Repeat("é", 300), "a\x00b\n", "日本語 🎉", "\x1b[31m"}
	times := []time.Time{time.Now(), {}, time.Unix(-1, 0), time.Unix(1<<55, 0), time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}
	exchange := b.Exchange(t)
	b.Use(t, func(ch *amqp.Channel) {
		if err := ch.ExchangeDeclare(exchange, "fanout", true, false, false, false, nil); err != nil {
			t.Fatal(err)
		}
		q, err := ch.QueueDeclare(exchange+".client", true, false, false, false, nil)
		if err == nil {
			err = ch.QueueBind(q.Name, "", exchange, false, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		defer ch.QueueDelete(q.Name, false, false, false)
		for _, app := range apps {
			h := newHandler(t, b.URL, handler.Options{Exchange: exchange, App: app, Batch: handler.Batch{Records: len(app)%2 + 1}})
			for _, at := range times {
				r := slog.NewRecord(at, slog.Level(len(app)-5), "m \xff\u2028\x00", 0)
				r.AddAttrs(slog.String("k\xff\"\\", "v\xff\x1b"), slog.Int64("big", 1<<62+1))
				_ = h.Handle(t.Context(), r)
				if err := h.Flush(soonContext(t)); err != nil {
					t.Fatal(err)
				}
			}
			closeClean(t, h)
		}
		cmd := exec.CommandContext(soonContext(t), c.program, filepath.Join("testdata", "clients", c.script), b.URL, q.Name, "35")
		var problems strings.Builder
		cmd.Stderr = &problems
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v\n%s\n%s", err, problems.String(), out)
		}
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		for _, line := range lines {
			var m struct{ App, ID, Host, Body string }
			if err := json.Unmarshal([]byte(line), &m); err != nil || m.App == "" || m.Host == "" || !strings.Contains(m.ID, "/") || !json.Valid([]byte(m.Body)) || !strings.Contains(m.Body, `"big":4611686018427387905`) {
				t.Errorf("got %s", line)
			}
		}
		if len(lines) != len(apps)*len(times) {
			t.Errorf("got %d messages, want %d", len(lines), len(apps)*len(times))
		}
	})
}
