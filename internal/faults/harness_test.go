package faults

import (
	"bytes"
	"math"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/slogcast/slogcast/internal/brokertest"
	"github.com/slogcast/slogcast/internal/envelope"
)

const (
	// soon bounds what must not hang. Nothing is measured by it.
	soon = 30 * time.Second

	// patience is how long a Close may take that has a backlog to publish.
	patience = 2 * time.Minute
)

// run is one fault, and what became of every record meanwhile.
type run struct {
	t        *testing.T
	broker   *brokertest.Broker
	exchange string
	queue    string // durable, bound to the exchange: what the broker took
	tail     *tail  // nil when there is none
	others   []*tail
	before   usage
	row      row
	unbound  bool     // the queue lost its binding: what it misses is not lost
	resent   bool     // what the tail told as missing may still come
	history  bool     // tails read the exchange's history
	nacked   bool     // what the broker refused first came after what it did not
	deaths   []death  // producers that were killed
	closers  []func() // of what the run has beside producers and the tail

	mu        sync.Mutex // guards producers
	producers []*producer
}

// usage is what a process may leak.
type usage struct{ goroutines, files int }

func used() usage {
	u := usage{goroutines: runtime.NumGoroutine()}
	// There is no such folder on Windows; then none are counted.
	open, _ := os.ReadDir("/dev/fd")
	u.files = len(open)
	return u
}

// start prepares a run: the exchange, the durable queue, and a tail unless
// withTail is false.
func start(t *testing.T, b *brokertest.Broker, fault string, withTail bool) *run {
	t.Helper()
	r := prepare(t, b, fault, nil)
	if withTail {
		r.tail = startTail(r, b.URL)
	}
	return r
}

// prepare prepares a run without a tail. kind are the arguments of the durable
// queue.
func prepare(t *testing.T, b *brokertest.Broker, fault string, kind amqp.Table) *run {
	t.Helper()
	r := &run{t: t, broker: b, exchange: b.Exchange(t), before: used(), row: row{fault: fault}}
	r.queue = r.exchange + ".all"
	b.Use(t, func(ch *amqp.Channel) {
		if err := ch.ExchangeDeclare(r.exchange, "fanout", true, false, false, false, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := ch.QueueDeclare(r.queue, true, false, false, false, kind); err != nil {
			t.Fatal(err)
		}
		if err := ch.QueueBind(r.queue, "", r.exchange, false, nil); err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(func() {
		b.Use(t, func(ch *amqp.Channel) {
			if _, err := ch.QueueDelete(r.queue, false, false, false); err != nil {
				t.Errorf("delete queue: %v", err)
			}
		})
	})
	t.Cleanup(r.abandon)
	return r
}

// abandon ends what a run that has failed may have left.
func (r *run) abandon() {
	for _, p := range r.producers {
		_, _ = p.close(time.Second)
	}
	for _, tl := range r.tails() {
		tl.stop()
		<-tl.done
	}
}

// tails returns all there are.
func (r *run) tails() []*tail {
	if r.tail == nil {
		return nil
	}
	return append([]*tail{r.tail}, r.others...)
}

// proxy returns a proxy in front of the broker that ends with the run.
func (r *run) proxy() *brokertest.Proxy {
	p := r.broker.Proxy(r.t)
	r.closers = append(r.closers, p.Close)
	return p
}

// attempted returns how many records a producer has logged, and their fill.
func (r *run) attempted(name string) (n, fill int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.producers {
		if p.name == name {
			return int(p.attempted.Load()), len(p.fill)
		}
	}
	if strings.HasPrefix(name, "child") {
		return math.MaxInt, 0 // who was killed can't tell
	}
	return 0, 0
}

// drain reads the durable queue until it is empty.
func (r *run) drain() *sightings {
	r.t.Helper()
	seen := newSightings()
	r.broker.Use(r.t, func(ch *amqp.Channel) {
		waiting := func() int {
			q, err := ch.QueueDeclarePassive(r.queue, true, false, false, false, nil)
			if err != nil {
				r.t.Fatalf("look at the durable queue: %v", err)
			}
			return q.Messages
		}
		n := waiting()
		deliveries, err := ch.Consume(r.queue, "drain", true, false, false, false, nil)
		if err != nil {
			r.t.Fatal(err)
		}
		for ; n > 0; n = waiting() {
			for ; n > 0; n-- {
				r.read(deliveries, seen)
			}
		}
	})
	return seen
}

// read reads one message.
func (r *run) read(deliveries <-chan amqp.Delivery, seen *sightings) {
	r.t.Helper()
	select {
	case d, ok := <-deliveries:
		if !ok {
			r.t.Fatal("the reader's connection is lost")
		}
		about := envelope.Envelope{Count: 1 + bytes.Count(d.Body, []byte{'\n'})}
		about.Producer, about.Seq, _ = envelope.ParseMessageID(d.MessageId)
		for seq, body := range about.Records(d.Body) {
			seen.see(about.Producer, seq, body, r.attempted)
		}
	case <-time.After(soon):
		r.t.Fatal("the durable queue's messages do not come")
	}
}

// back waits until goroutines and files are what they were, and returns how
// long that took, or fails after 5 s.
func back(t *testing.T, before usage, within time.Duration) time.Duration {
	t.Helper()
	start := time.Now()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		now, took := used(), time.Since(start)
		if now.goroutines <= before.goroutines && now.files <= before.files {
			return took
		}
		if took > within {
			var stacks strings.Builder
			_ = pprof.Lookup("goroutine").WriteTo(&stacks, 1)
			t.Errorf("%+v before, %+v are left after %v\n%s", before, now, took.Round(time.Millisecond), stacks.String())
			return took
		}
		<-tick.C
	}
}
