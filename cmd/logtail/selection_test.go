package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/slogcast/slogcast/internal/brokertest"
)

// TestFilters runs the cases of sink/filter on the records of a live tail and of
// an archive: all tails at the same time, until the record "end".
func TestFilters(t *testing.T) {
	var cases struct {
		Records map[string]json.RawMessage
		Cases   []struct{ Flags, Pass []string }
	}
	data, err := os.ReadFile("../../sink/filter/testdata/cases.json")
	if err == nil {
		err = json.Unmarshal(data, &cases)
	}
	if err != nil {
		t.Fatal(err)
	}
	messages := make(map[string]string) // of the records, by name
	for name, body := range cases.Records {
		var r struct{ Msg string }
		if err := json.Unmarshal(body, &r); err != nil {
			t.Fatal(err)
		}
		messages[name] = r.Msg
	}
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		var tails []*tailed
		dir, exchange := t.TempDir(), "test."+uuid.NewString()
		for i, tt := range cases.Cases {
			if slices.Contains(tt.Flags, "--since") || slices.Contains(tt.Flags, "--until") {
				continue // these begin and end in the past, see history.txtar and read.txtar
			}
			args := slices.Clip(append([]string{"-u", b.URL, "-x", exchange, "--exit-on", `msg == "the end"`}, tt.Flags...))
			file := filepath.Join(dir, fmt.Sprint(i))
			tails = append(tails,
				&tailed{kind: "live", args: append(args, "-o", "json"), pass: tt.Pass},
				&tailed{kind: "archive", args: append(args, "--file", file), pass: tt.Pass, file: file})
		}
		b.Use(t, func(ch *amqp.Channel) {
			for some := range slices.Chunk(tails, 50) { // a broker takes so many connections at a time
				for _, tail := range some {
					tail.start(t)
				}
				for _, tail := range some {
					tail.connected(t)
				}
				for _, name := range slices.Sorted(maps.Keys(cases.Records)) {
					publishAll(t, ch, exchange, cases.Records[name])
				}
				publishAll(t, ch, exchange, []byte(`{"msg":"the end"}`))
				for _, tail := range some {
					tail.check(t, messages)
				}
			}
			if err := ch.ExchangeDelete(exchange, false, false); err != nil {
				t.Error(err)
			}
		})
	})
}

// publishAll sends a record as its handler would, with App and Host of its envelope.
func publishAll(t *testing.T, ch *amqp.Channel, exchange string, body []byte) {
	var envelope struct {
		App  string `json:"@app"`
		Host string `json:"@host"`
	}
	if err := json.Unmarshal(body, &envelope); err != nil {
		t.Fatal(err)
	}
	p := amqp.Publishing{Body: body, AppId: envelope.App}
	if envelope.Host != "" {
		p.Headers = amqp.Table{"host": envelope.Host}
	}
	if err := ch.PublishWithContext(t.Context(), exchange, "", false, false, p); err != nil {
		t.Fatal(err)
	}
}

// tailed is a logtail that runs in this process.
type tailed struct {
	kind   string
	args   []string
	pass   []string // names of the records
	file   string   // of the archive
	stdout bytes.Buffer
	stderr notifier
	ended  chan error
}

func (d *tailed) start(t *testing.T) {
	d.stderr.written, d.ended = make(chan struct{}), make(chan error, 1)
	root := newRoot(newUI(strings.NewReader(""), &d.stdout, &d.stderr), "")
	root.SetArgs(d.args)
	go func() { d.ended <- root.ExecuteContext(t.Context()) }()
}

// connected waits until records come.
func (d *tailed) connected(t *testing.T) {
	t.Helper()
	select {
	case <-d.stderr.written:
	case <-time.After(30 * time.Second):
		t.Fatalf("%s %q does not connect", d.kind, d.args)
	}
}

// check waits for the end, and compares the messages of what was shown or kept.
func (d *tailed) check(t *testing.T, messages map[string]string) {
	t.Helper()
	select {
	case err := <-d.ended:
		if err != nil {
			t.Errorf("%s %q: %v", d.kind, d.args, err)
		}
	case <-time.After(30 * time.Second):
		t.Fatalf("%s %q does not end: %s", d.kind, d.args, d.stderr.String())
	}
	out := d.stdout.Bytes()
	if d.file != "" {
		out, _ = os.ReadFile(d.file) // its absence shows
	}
	var got, want []string
	for line := range bytes.Lines(out) {
		var r struct{ Msg string }
		if err := json.Unmarshal(line, &r); err != nil {
			t.Errorf("%s %q: %v: %s", d.kind, d.args, err, line)
		}
		if r.Msg != "the end" {
			got = append(got, r.Msg)
		}
	}
	for _, name := range d.pass {
		want = append(want, messages[name])
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s %q: got %q, want %q", d.kind, d.args, got, want)
	}
}

// notifier is a buffer that tells when a tail says in it that it is connected.
type notifier struct {
	bytes.Buffer
	once    sync.Once
	written chan struct{} // closed then
}

func (n *notifier) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("connected to")) {
		defer n.once.Do(func() { close(n.written) })
	}
	return n.Buffer.Write(p)
}
