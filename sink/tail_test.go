package sink_test

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/slogcast/slogcast/handler"
	"github.com/slogcast/slogcast/internal/brokertest"
	"github.com/slogcast/slogcast/sink"
	"github.com/slogcast/slogcast/sink/filter"
)

// soon bounds what must not hang. Nothing is measured by it.
const soon = 30 * time.Second

// tailing is a Tail under test. It is its own Writer.
type tailing struct {
	t       *testing.T
	stop    context.CancelFunc
	done    chan error
	records chan string      // bodies as they were written
	notices chan sink.Notice // in order, but for those of how far it is behind
	behind  chan int

	mu   sync.Mutex
	gate chan struct{} // while set, Write waits for it to be closed
}

// startTail starts a Tail and waits until it is connected.
func startTail(t *testing.T, cfg sink.Config) *tailing {
	t.Helper()
	tl := launchTail(t, cfg)
	if n := tl.notice(); n.Connected == "" {
		t.Fatalf("got %v", n)
	}
	return tl
}

func launchTail(t *testing.T, cfg sink.Config) *tailing {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	tl := &tailing{t: t, stop: stop, done: make(chan error, 1), records: make(chan string, 100_000), notices: make(chan sink.Notice, 1000), behind: make(chan int, 1000)}
	cfg.Notify = func(n sink.Notice) {
		if n.Behind != nil {
			tl.behind <- *n.Behind
		} else if !strings.Contains(n.Remark, "did not exist") { // most exchanges here did not exist
			tl.notices <- n
		}
	}
	cfg.ReuseRecords = true // a tailing keeps copies
	go func() { tl.done <- sink.Tail(ctx, cfg, tl) }()
	return tl
}

func (tl *tailing) Write(_ context.Context, records []sink.Record) error {
	tl.mu.Lock()
	gate := tl.gate
	tl.mu.Unlock()
	if gate != nil {
		<-gate
	}
	for i := range records {
		tl.records <- string(records[i].Body)
	}
	return nil
}

// hold makes Write wait until the function that it returns is called.
func (tl *tailing) hold() (release func()) {
	tl.mu.Lock()
	defer tl.mu.Unlock()
	gate := make(chan struct{})
	tl.gate = gate
	return func() {
		tl.mu.Lock()
		defer tl.mu.Unlock()
		tl.gate = nil
		close(gate)
	}
}

func (tl *tailing) record() string {
	tl.t.Helper()
	select {
	case r := <-tl.records:
		return r
	case <-time.After(soon):
		tl.t.Fatal("no record came")
	}
	panic("unreachable")
}

func (tl *tailing) notice() sink.Notice {
	tl.t.Helper()
	select {
	case n := <-tl.notices:
		return n
	case err := <-tl.done:
		tl.t.Fatalf("Tail has ended: %v", err)
	case <-time.After(soon):
		tl.t.Fatal("no notice came")
	}
	panic("unreachable")
}

// end ends the Tail and returns its error.
func (tl *tailing) end() error {
	tl.t.Helper()
	tl.stop()
	select {
	case err := <-tl.done:
		return err
	case <-time.After(soon):
		tl.t.Fatal("Tail does not end")
	}
	panic("unreachable")
}

// producer publishes messages by hand.
type producer struct {
	t        *testing.T
	ch       *amqp.Channel
	exchange string
}

func newProducer(t *testing.T, b *brokertest.Broker, exchange string) *producer {
	t.Helper()
	conn, err := amqp.Dial(b.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	if err := ch.Confirm(false); err != nil {
		t.Fatal(err)
	}
	return &producer{t, ch, exchange}
}

// publish returns once the broker has the message.
func (p *producer) publish(m amqp.Publishing) {
	p.t.Helper()
	confirm, err := p.ch.PublishWithDeferredConfirm(p.exchange, "", false, false, m)
	if err != nil {
		p.t.Fatal(err)
	}
	if !confirm.Wait() {
		p.t.Fatal("not confirmed")
	}
}

const uuid = "0192f0c1-7d3a-7e21-9a51-6f1f0f4e8f11"

func numbered(seq int) amqp.Publishing {
	return amqp.Publishing{
		MessageId: fmt.Sprintf("%s/%d", uuid, seq), AppId: "app", Headers: amqp.Table{"host": "h"},
		Body: fmt.Appendf(nil, `{"n":%d}`, seq),
	}
}

func TestEveryTailGetsEveryRecordInOrder(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		one := startTail(t, sink.Config{URL: b.URL, Exchange: exchange})
		two := startTail(t, sink.Config{URL: b.URL, Exchange: exchange, Linger: 5 * time.Millisecond, Prefetch: 10})
		h, err := handler.New(b.URL, &handler.Options{Exchange: exchange})
		if err != nil {
			t.Fatal(err)
		}
		const n = 2000
		for i := range n {
			slog.New(h).Info("numbered", "n", i)
		}
		if err := h.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range n {
			for _, tl := range []*tailing{one, two} {
				if r := tl.record(); !strings.HasSuffix(r, fmt.Sprintf(`"n":%d}`, i)) {
					t.Fatalf("got %s, want number %d", r, i)
				}
			}
		}
		if err := errors.Join(one.end(), two.end()); err != nil {
			t.Error(err)
		}
	})
}

func TestForeignMessagesAreTaken(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		tl := startTail(t, sink.Config{URL: b.URL, Exchange: exchange})
		p := newProducer(t, b, exchange)
		for _, m := range []amqp.Publishing{
			{Body: []byte("info: Hello World!")},
			{},
			{Body: []byte(`[1]`), ContentType: "text/xml", MessageId: "x", Timestamp: time.Unix(1<<40, 0)},
			{Body: []byte("\x00\xff"), Headers: amqp.Table{"host": int32(1), "x-death": []any{amqp.Table{"a": nil}}, "count": "x"}},
		} {
			p.publish(m)
			if got := tl.record(); got != string(m.Body) {
				t.Errorf("got %q, want %q", got, m.Body)
			}
		}
		if err := tl.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestGapIsToldOnceAndInItsPlace(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		tl := startTail(t, sink.Config{URL: b.URL, Exchange: exchange, Linger: 10 * time.Millisecond})
		p := newProducer(t, b, exchange)
		for _, seq := range []int{1, 2, 2, 1, 6, 6, 7} {
			p.publish(numbered(seq))
		}
		var n sink.Notice
		for repeats := 0; repeats < 3 || n.Gap == nil; { // in one notice or several
			more := 0
			switch got := tl.notice(); {
			case got.Gap != nil:
				n = got
			default:
				if _, err := fmt.Sscanf(got.Remark, "%d records came again", &more); err != nil || repeats+more > 3 {
					t.Fatalf("got notice %v", got)
				}
				repeats += more
			}
		}
		if n.Gap == nil || n.Gap.First != 3 || n.Gap.Last != 5 || n.Gap.App != "app" || n.Gap.Host != "h" || n.Gap.Producer != uuid {
			t.Errorf("got notice %v", n)
		}
		// What came before the gap was written before it was told.
		if len(tl.records) < 2 {
			t.Errorf("%d records before the gap", len(tl.records))
		}
		for _, want := range []int{1, 2, 6, 7} {
			if got := tl.record(); got != fmt.Sprintf(`{"n":%d}`, want) {
				t.Errorf("got %s, want %d", got, want)
			}
		}
		if err := tl.end(); err != nil || len(tl.notices) > 0 || len(tl.records) > 0 {
			t.Errorf("got %v, %d more notices, %d more records", err, len(tl.notices), len(tl.records))
		}
	})
}

func TestBatchIsSplit(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		tl := startTail(t, sink.Config{URL: b.URL, Exchange: exchange})
		p := newProducer(t, b, exchange)
		m := numbered(1)
		m.ContentType, m.Headers["count"] = "application/x-ndjson", int32(3)
		m.Body = []byte("{\"n\":1}\n{\"n\":2}\n{\"n\":3}")
		p.publish(m)
		p.publish(numbered(4))
		for seq := range 4 {
			if got := tl.record(); got != fmt.Sprintf(`{"n":%d}`, seq+1) {
				t.Errorf("got %s, want %d", got, seq+1)
			}
		}
		if err := tl.end(); err != nil || len(tl.notices) > 0 {
			t.Errorf("got %v, and %d notices", err, len(tl.notices))
		}
	})
}

func TestFilterByLevel(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		tl := startTail(t, sink.Config{URL: b.URL, Exchange: exchange, Prefetch: 2, Filter: filter.AtLeast(slog.LevelWarn)})
		p := newProducer(t, b, exchange)
		for _, level := range []string{"INFO", "DEBUG", "INFO+1", "WARN", "debug", "ERROR"} {
			p.publish(amqp.Publishing{Body: []byte(`{"level":"` + level + `"}`)})
		}
		if one, two := tl.record(), tl.record(); !strings.Contains(one, "WARN") || !strings.Contains(two, "ERROR") {
			t.Errorf("got %s and %s", one, two)
		}
		if err := tl.end(); err != nil {
			t.Error(err)
		}
	})
}

// TestStalledTailCostsTheBrokerABoundedQueue fills the queue of a tail whose
// output takes nothing, and compares the gap with what is missing.
func TestStalledTailCostsTheBrokerABoundedQueue(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		tl := startTail(t, sink.Config{URL: b.URL, Exchange: exchange, Prefetch: 10, MaxLength: 20})
		p := newProducer(t, b, exchange)
		p.publish(numbered(1))
		tl.record()
		release := tl.hold()
		const n = 1000
		for seq := 2; seq <= n; seq++ {
			p.publish(numbered(seq))
		}
		release()
		var missing uint64
		last := 1
		for last < n {
			var seq int
			if _, err := fmt.Sscanf(tl.record(), `{"n":%d}`, &seq); err != nil {
				t.Fatal(err)
			}
			missing += uint64(seq - last - 1)
			last = seq
		}
		if err := tl.end(); err != nil {
			t.Error(err)
		}
		var told uint64
		for len(tl.notices) > 0 {
			n := <-tl.notices
			if n.Gap == nil || !strings.Contains(n.Gap.Cause, "full queue") {
				t.Errorf("got notice %v", n)
				continue
			}
			told += n.Gap.Count()
		}
		if missing == 0 || told != missing || n-missing > 1+10+20+10 {
			t.Errorf("%d are missing, the gap tells of %d", missing, told)
		}
	})
}

func TestTailComesBackAndTellsWhatItMissed(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		proxy := b.Proxy(t)
		tl := startTail(t, sink.Config{URL: proxy.URL, Exchange: exchange})
		p := newProducer(t, b, exchange)
		p.publish(numbered(1))
		tl.record()
		proxy.Down()
		if n := tl.notice(); n.Lost == nil || n.Retry == 0 {
			t.Errorf("got %v", n)
		}
		p.publish(numbered(2)) // the queue went with the connection, or will
		p.publish(numbered(3))
		proxy.Up()
		for tl.notice().Connected == "" {
		}
		p.publish(numbered(4))
		if n := tl.notice(); n.Gap == nil || n.Gap.First != 2 || n.Gap.Last != 3 || !strings.Contains(n.Gap.Cause, "disconnected") {
			t.Errorf("got %v", n)
		}
		if got := tl.record(); got != `{"n":4}` {
			t.Errorf("got %s", got)
		}
		if err := tl.end(); err != nil {
			t.Error(err)
		}
	})
}

// TestWhatWasHandedOverSurvivesALostConnection loses the connection while
// records wait for others to be written with.
func TestWhatWasHandedOverSurvivesALostConnection(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		proxy := b.Proxy(t)
		patient := startTail(t, sink.Config{URL: proxy.URL, Exchange: exchange, Linger: time.Hour})
		witness := startTail(t, sink.Config{URL: proxy.URL, Exchange: exchange})
		p := newProducer(t, b, exchange)
		const n = 60
		for seq := 1; seq <= n; seq++ {
			p.publish(numbered(seq))
		}
		for range n {
			witness.record()
		}
		proxy.Cut()
		for patient.notice().Connected == "" {
		}
		p.publish(numbered(n + 1))
		patient.stop()
		// Either a record comes, or a gap tells that it does not.
		for next := 1; next <= n+1; next++ {
			var seq int
			if _, err := fmt.Sscanf(patient.record(), `{"n":%d}`, &seq); err != nil {
				t.Fatal(err)
			}
			if seq == next {
				continue
			}
			if gap := patient.notice().Gap; gap == nil || gap.First != uint64(next) || gap.Last != uint64(seq-1) {
				t.Fatalf("%d follows %d, and the gap told is %v", seq, next-1, gap)
			}
			next = seq
		}
		if err := errors.Join(patient.end(), witness.end()); err != nil {
			t.Error(err)
		}
	})
}

func TestTailWaitsForABrokerThatIsAway(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		proxy := b.Proxy(t)
		proxy.Down()
		tl := launchTail(t, sink.Config{URL: proxy.URL, Exchange: b.Exchange(t)})
		if n := tl.notice(); n.Lost == nil {
			t.Errorf("got %v", n)
		}
		proxy.Up()
		for tl.notice().Connected == "" {
		}
		if err := tl.end(); err != nil {
			t.Error(err)
		}
	})
}

// TestEndDrainsTheQueue ends a tail while most records wait at the broker.
func TestEndDrainsTheQueue(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		tl := startTail(t, sink.Config{URL: b.URL, Exchange: exchange, Prefetch: 10, Drain: soon})
		p := newProducer(t, b, exchange)
		release := tl.hold()
		const n = 500
		for seq := 1; seq <= n; seq++ {
			p.publish(numbered(seq))
		}
		tl.stop()
		release()
		if err := tl.end(); err != nil {
			t.Error(err)
		}
		if len(tl.records) != n {
			t.Errorf("got %d records, want %d", len(tl.records), n)
		}
	})
}

func TestEndWritesWhatWasHandedOver(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		tl := startTail(t, sink.Config{URL: b.URL, Exchange: exchange, Linger: time.Hour})
		p := newProducer(t, b, exchange)
		for seq := range 5 { // fewer than the broker hands over at first
			p.publish(numbered(seq + 1))
		}
		if err := tl.end(); err != nil {
			t.Error(err)
		}
		if len(tl.records) != 5 {
			t.Errorf("got %d records, want 5", len(tl.records))
		}
	})
}

func TestStalledOutputDoesNotHoldUpTheEnd(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		tl := startTail(t, sink.Config{URL: b.URL, Exchange: exchange})
		release := tl.hold()
		defer release()
		newProducer(t, b, exchange).publish(numbered(1))
		if err := tl.end(); err == nil || !strings.Contains(err.Error(), "takes nothing") {
			t.Errorf("got %v", err)
		}
	})
}

// failing is a Writer whose records are never safe.
type failing struct{ err error }

func (f failing) Write(context.Context, []sink.Record) error { return f.err }

func TestErrorOfTheWriterEndsTail(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		p := newProducer(t, b, exchange)
		boom := errors.New("boom")
		err := sink.Tail(t.Context(), sink.Config{URL: b.URL, Exchange: exchange, Notify: func(n sink.Notice) { p.publish(numbered(1)) }}, failing{boom})
		if !errors.Is(err, boom) {
			t.Errorf("got %v", err)
		}
	})
}

func TestWhatNoRetryMendsEndsTail(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		b.Use(t, func(ch *amqp.Channel) {
			if err := ch.ExchangeDeclare(exchange, "direct", false, false, false, false, nil); err != nil {
				t.Fatal(err)
			}
		})
		for url, want := range map[string]string{
			b.As(t, "guest", "hunter2"): `login as "guest" refused`,
			b.URL + "nowhere":           `vhost "nowhere" does not exist`,
			b.URL:                       "is of type direct, and sends nothing without a binding key",
			"amqp://u:hunter2@h:x/":     "parse broker URL",
		} {
			err := sink.Tail(t.Context(), sink.Config{URL: url, Exchange: exchange}, nil)
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %v, want %q", err, want)
			}
		}
	})
}

// What can't work is refused at once, with its reason.
func TestTailRefusesBadSettings(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		for _, tt := range []struct {
			cfg  sink.Config
			want string
		}{
			{sink.Config{TLS: &tls.Config{}}, "Config.TLS needs an amqps:// URL"},
			{sink.Config{Exchange: "logs\n"}, "exchange's name is not UTF-8 or holds a control character"},
			{sink.Config{Exchange: strings.Repeat("x", 256)}, "exchange's name is longer than 255 bytes"},
			{sink.Config{Exchange: "amq.mine"}, "names that begin with amq. are the broker's own"},
			{sink.Config{Queue: sink.Queue{Name: "mine\r"}}, "queue's name is not UTF-8 or holds a control character"},
			{sink.Config{Queue: sink.Queue{Name: "amq.mine"}, Exchange: "amq.fanout"}, "names that begin with amq. are the broker's own"},
			{sink.Config{Keys: []string{"a", "\xff"}}, "binding key is not UTF-8"},
			{sink.Config{Name: "a\x00b"}, "connection's name is not UTF-8 or holds"},
			{sink.Config{URL: b.URL + "?channel_max=1", Queue: sink.Queue{Name: "mine"}, Exchange: "amq.fanout"}, "too few channels"},
		} {
			tt.cfg.URL = cmp.Or(tt.cfg.URL, b.URL)
			err := sink.Tail(soonContext(t), tt.cfg, nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		}
	})
}

func soonContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	t.Cleanup(cancel)
	return ctx
}

func TestTailBindsToDirectExchange(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		bindAndPublish(t, b, "direct", []string{"shop.info", "shop.error"}, []string{"shop.error", "other", "shop.info"}, []string{"shop.error", "shop.info"})
	})
}

func TestTailBindsToTopicExchange(t *testing.T) {
	brokertest.EachReal(t, func(t *testing.T, b *brokertest.Broker) {
		all := []string{"shop.error", "other", "shop.info"}
		bindAndPublish(t, b, "topic", nil, all, all)
		bindAndPublish(t, b, "topic", []string{"*.error", "other"}, all, all[:2])
	})
}

// bindAndPublish tails an exchange of the type by the keys, and wants of the
// messages published under sent, each with its key as its text, those of want.
func bindAndPublish(t *testing.T, b *brokertest.Broker, kind string, keys, sent, want []string) {
	t.Helper()
	exchange := b.Exchange(t)
	b.Use(t, func(ch *amqp.Channel) {
		if err := ch.ExchangeDeclare(exchange, kind, false, false, false, false, nil); err != nil {
			t.Fatal(err)
		}
		tl := startTail(t, sink.Config{URL: b.URL, Exchange: exchange, Keys: keys})
		for _, key := range sent {
			if err := ch.PublishWithContext(t.Context(), exchange, key, false, false, amqp.Publishing{Body: []byte(key)}); err != nil {
				t.Fatal(err)
			}
		}
		for _, w := range want {
			if got := tl.record(); got != w {
				t.Errorf("%s, keys %q: got %q, want %q", kind, keys, got, w)
			}
		}
		if err := tl.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestRemarksOnTheExchange(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		for _, want := range []string{"did not exist: created it", "is of type fanout: it sends everything"} {
			ctx, cancel := context.WithCancel(t.Context())
			var remarks []string
			err := sink.Tail(ctx, sink.Config{URL: b.URL, Exchange: exchange, Keys: []string{"a.*"}, Notify: func(n sink.Notice) {
				if n.Remark != "" {
					remarks = append(remarks, n.String())
				}
				if n.Connected != "" {
					cancel()
				}
			}}, nil)
			cancel()
			if err != nil || len(remarks) != 1 || !strings.Contains(remarks[0], want) {
				t.Errorf("got %q, %v, want %q", remarks, err, want)
			}
		}
	})
}

// A tail that is to create no exchange ends, and leaves none behind.
func TestExistingExchange(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		cfg := sink.Config{URL: b.URL, Exchange: b.Exchange(t), ExistingExchange: true}
		for range 2 {
			if err := sink.Tail(t.Context(), cfg, nil); err == nil || !strings.Contains(err.Error(), "does not exist") {
				t.Errorf("got %v, want that the exchange does not exist", err)
			}
		}
		b.Use(t, func(ch *amqp.Channel) {
			if err := ch.ExchangeDeclare(cfg.Exchange, "topic", true, false, false, false, nil); err != nil {
				t.Fatal(err)
			}
		})
		if err := startTail(t, cfg).end(); err != nil {
			t.Error(err)
		}
	})
}

func TestUsersWithLeastPermissions(t *testing.T) {
	brokertest.EachReal(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		b.Use(t, func(ch *amqp.Channel) {
			if err := ch.ExchangeDeclare(exchange, "fanout", true, false, false, false, nil); err != nil {
				t.Fatal(err)
			}
		})
		name := strings.ReplaceAll(exchange, ".", `\.`)
		tl := startTail(t, sink.Config{URL: b.User(t, `^amq\.gen-.*`, `^amq\.gen-.*`, `^(amq\.gen-.*|`+name+`)$`), Exchange: exchange})
		h, err := handler.New(b.User(t, "^$", "^"+name+"$", "^$"), &handler.Options{Exchange: exchange})
		if err != nil {
			t.Fatal(err)
		}
		slog.New(h).Info("with least permissions")
		if err := h.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := tl.record(); !strings.Contains(got, "least") {
			t.Errorf("got %s", got)
		}
		if err := tl.end(); err != nil {
			t.Error(err)
		}
		for permissions, want := range map[[3]string]string{
			{"^$", ".*", ".*"}: "may not declare a queue",
			{".*", "^$", ".*"}: "may not bind its queue",
			{".*", ".*", "^$"}: "may not bind its queue",
		} {
			url := b.User(t, permissions[0], permissions[1], permissions[2])
			if err := sink.Tail(t.Context(), sink.Config{URL: url, Exchange: exchange}, nil); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v: got %v, want %q", permissions, err, want)
			}
		}
	})
}

// keeper is a Writer that keeps texts of records, as a program that counts does.
type keeper struct {
	messages map[string]int
	attrs    []sink.Attr
	written  chan int
}

func (k *keeper) Write(_ context.Context, records []sink.Record) error {
	for i := range records {
		k.messages[records[i].Message()]++
		k.attrs = append(k.attrs, records[i].Attrs()...)
	}
	k.written <- len(records)
	return nil
}

// TestTextsOfRecordsStay has a Writer that keeps them while many more records pass
// than memory is kept for.
func TestTextsOfRecordsStay(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		k := &keeper{messages: make(map[string]int), written: make(chan int, 10_000)}
		connected := make(chan struct{}, 1)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			done <- sink.Tail(ctx, sink.Config{URL: b.URL, Exchange: exchange, Notify: func(n sink.Notice) {
				if n.Connected != "" {
					connected <- struct{}{}
				}
			}}, k)
		}()
		<-connected
		p := newProducer(t, b, exchange)
		const messages, size = 300, 100 << 10
		pad := strings.Repeat("x", size)
		for i := range messages {
			p.publish(amqp.Publishing{Body: fmt.Appendf(nil, `{"msg":"message %03d","number":"%03d","pad":"%s"}`, i, i, pad)})
		}
		for n := 0; n < messages; n += <-k.written {
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		for i := range messages {
			if n := k.messages[fmt.Sprintf("message %03d", i)]; n != 1 {
				t.Errorf("message %d is there %d times", i, n)
			}
			if number := k.attrs[2*i]; number.Key != "number" || number.Value.Text() != fmt.Sprintf("%03d", i) {
				t.Errorf("attribute %d is %v", i, number)
			}
		}
	})
}
