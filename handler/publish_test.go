package handler_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/slogcast/slogcast/handler"
	"github.com/slogcast/slogcast/internal/brokertest"
)

func TestMessageCarriesTheRecordAndItsEnvelope(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		messages := receiver(t, b, exchange, nil)
		h := newHandler(t, b.URL, handler.Options{Exchange: exchange, App: "shop"})
		start := time.Now().Truncate(time.Second)
		slog.New(h).With("a", 1).Warn("hello", "b", "two")
		slog.New(h).Log(t.Context(), slog.LevelInfo+2, "again")
		closeClean(t, h)

		first, second := next(t, messages), next(t, messages)
		var body map[string]any
		if err := json.Unmarshal(first.Body, &body); err != nil || body["msg"] != "hello" || body["a"] != 1.0 || body["b"] != "two" || body["level"] != "WARN" {
			t.Errorf("got body %s", first.Body)
		}
		host, _ := os.Hostname()
		producer, seq, _ := strings.Cut(first.MessageId, "/")
		for _, check := range []struct{ what, got, want string }{
			{"content-type", first.ContentType, "application/json"},
			{"app-id", first.AppId, "shop"},
			{"routing key", first.RoutingKey, "shop.warn"},
			{"routing key", second.RoutingKey, "shop.info+2"},
			{"delivery-mode", fmt.Sprint(first.DeliveryMode), "2"},
			{"host", fmt.Sprint(first.Headers["host"]), host},
			{"dropped", fmt.Sprint(first.Headers["dropped"]), "<nil>"},
			{"count", fmt.Sprint(first.Headers["count"]), "<nil>"},
			{"sequence number", seq, "1"},
			{"second message-id", second.MessageId, producer + "/2"},
		} {
			if check.got != check.want {
				t.Errorf("%s: got %q, want %q", check.what, check.got, check.want)
			}
		}
		if len(producer) != 36 || producer[14] != '7' {
			t.Errorf("producer %q is not a UUID of version 7", producer)
		}
		if first.Timestamp.Before(start) || first.Timestamp.After(time.Now()) {
			t.Errorf("got timestamp %v, want about %v", first.Timestamp, start)
		}
	})
}

func TestTransientAndLongNames(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		messages := receiver(t, b, exchange, nil)
		app := strings.Repeat("é", 200)
		h := newHandler(t, b.URL, handler.Options{Exchange: exchange, App: app, Transient: true})
		slog.New(h).Info("m")
		closeClean(t, h)
		m := next(t, messages)
		if m.DeliveryMode != amqp.Transient {
			t.Errorf("got delivery mode %d", m.DeliveryMode)
		}
		if m.AppId != app[:254] || !strings.HasSuffix(m.RoutingKey, "é.info") || len(m.RoutingKey) > 255 {
			t.Errorf("got app-id of %d bytes and routing key %q", len(m.AppId), m.RoutingKey)
		}
	})
}

// receive counts messages by their id until there are n different ones.
func receive(t *testing.T, messages <-chan amqp.Delivery, seen map[string]int, n int) {
	t.Helper()
	for len(seen) < n {
		seen[next(t, messages).MessageId]++
	}
}

func TestNothingIsLostWhenTheConnectionIsCut(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		messages := receiver(t, b, exchange, nil)
		proxy := b.Proxy(t)
		h := newHandler(t, proxy.URL, handler.Options{Exchange: exchange})
		const n = 5000
		seen := map[string]int{} // by message-id
		for i := range n {
			slog.New(h).Info("numbered", "i", i)
			if i%500 == 250 {
				receive(t, messages, seen, i/2) // the others are on their way
				proxy.Cut()
			}
		}
		closeClean(t, h)
		receive(t, messages, seen, n)
		if s := h.Stats(); s.Confirmed != n || s.Reconnects == 0 {
			t.Errorf("got %+v, want %d confirmed, with reconnects", s, n)
		}
		twice := 0
		for _, times := range seen {
			twice += times - 1
		}
		t.Logf("%d of %d came again, under the same message-id", twice, n)
	})
}

func TestRecordsWaitForABrokerThatIsAway(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		messages := receiver(t, b, exchange, nil)
		proxy := b.Proxy(t)
		proxy.Down()
		failed := make(chan error, 100)
		h := newHandler(t, proxy.URL, handler.Options{Exchange: exchange, Buffer: 1000, OnError: func(err error) { failed <- err }})
		for range 30 {
			slog.New(h).Info("a record of about a hundred bytes", "padding", strings.Repeat("x", 20))
		}
		s := h.Stats()
		if s.Connected || s.PendingBytes > 1000 || s.Dropped.Shed == 0 || s.Dropped.Shed+uint64(s.PendingRecords) != 30 {
			t.Errorf("while away: %+v", s)
		}
		if err := <-failed; !strings.Contains(err.Error(), "connect to") {
			t.Errorf("got error %v", err)
		}
		proxy.Up()
		closeClean(t, h)
		reports := 0
		for range s.PendingRecords + 1 {
			m := next(t, messages)
			if m.MessageId == "" && strings.Contains(string(m.Body), fmt.Sprintf(`"msg":"slogcast: records were dropped","dropped":%d,"cause":"the buffer was full"`, s.Dropped.Shed)) {
				reports++
			} else if fmt.Sprint(m.Headers["dropped"]) != fmt.Sprint(s.Dropped.Shed) {
				t.Errorf("got header dropped %v, want %d", m.Headers["dropped"], s.Dropped.Shed)
			}
		}
		if reports != 1 || s.Dropped.Levels.Info != s.Dropped.Shed {
			t.Errorf("got %d reports in band, and %+v", reports, s.Dropped)
		}
		for err := range failed {
			if strings.Contains(err.Error(), fmt.Sprintf("%d records were dropped meanwhile", s.Dropped.Shed)) {
				break
			}
		}
	})
}

func TestCloseEndsWithItsContextAndSaysWhatWasLeft(t *testing.T) {
	// Nothing listens on the discard port of loopback.
	h := newHandler(t, "amqp://app:hunter2@127.0.0.1:9/", handler.Options{})
	for range 3 {
		slog.New(h).Info("m")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Flush(ctx); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "3 records left") {
		t.Errorf("Flush: got %v", err)
	}
	err := h.Close(ctx)
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "3 records left, 0 of them published") {
		t.Errorf("Close: got %v", err)
	}
	if again := h.Close(t.Context()); again != err {
		t.Errorf("second Close: got %v", again)
	}
	if err := slog.New(h).Handler().Handle(t.Context(), slog.Record{}); !errors.Is(err, handler.ErrClosed) {
		t.Errorf("Handle after Close: got %v", err)
	}
	if s := h.Stats(); s.Accepted != 4 || s.Dropped.Closed != 4 || strings.Contains(s.LastError, "hunter2") {
		t.Errorf("got %+v", s)
	}
}

func TestCloseWhileAHundredGoroutinesLog(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		h := newHandler(t, b.URL, handler.Options{Exchange: b.Exchange(t)})
		var logging sync.WaitGroup
		for g := range 100 {
			logging.Go(func() {
				for i := range 50 {
					slog.New(h).Info("m", "g", g, "i", i)
				}
			})
		}
		if err := h.Flush(soonContext(t)); err != nil {
			t.Error(err)
		}
		closeClean(t, h)
		logging.Wait()
		if s := h.Stats(); s.Accepted != 5000 || s.Confirmed+s.Dropped.Closed != 5000 {
			t.Errorf("got %+v", s)
		}
	})
}

func TestNewRefusesBadOptions(t *testing.T) {
	const url = "amqp://u:hunter2@localhost/"
	for _, tt := range []struct {
		name string
		opts handler.Options
	}{
		{"Buffer", handler.Options{Buffer: -1}},
		{"Buffer", handler.Options{Buffer: 65 << 30}},
		{"MaxRecord", handler.Options{MaxRecord: -1}},
		{"MaxRecord", handler.Options{MaxRecord: 1 << 30}},
		{"MaxRecord", handler.Options{MaxRecord: 2000, Buffer: 1000}},
		{"Overflow", handler.Options{Overflow: 7}},
		{"BlockTimeout", handler.Options{BlockTimeout: -1}},
		{"BlockTimeout", handler.Options{BlockTimeout: math.MaxInt64}},
		{"Batch.Records", handler.Options{Batch: handler.Batch{Records: -1}}},
		{"Batch.Records", handler.Options{Batch: handler.Batch{Records: 1_000_000}}},
		{"Batch.Records", handler.Options{Batch: handler.Batch{Records: math.MaxInt}}},
		{"Batch.Bytes", handler.Options{Batch: handler.Batch{Bytes: math.MaxInt}}},
		{"Batch.Linger", handler.Options{Batch: handler.Batch{Linger: math.MaxInt64}}},
		{"Exchange", handler.Options{Exchange: strings.Repeat("x", 256)}},
		{"Exchange", handler.Options{Exchange: "logs\n"}},
		{"Exchange", handler.Options{Exchange: "caf\xe9"}},
		{"TLS", handler.Options{TLS: &tls.Config{}}},
	} {
		if h, err := handler.New(url, &tt.opts); err == nil || !strings.Contains(err.Error(), tt.name) {
			t.Errorf("%s: got %v", tt.name, err)
			if h != nil {
				_ = h.Close(t.Context())
			}
		}
	}
	for _, url := range []string{"amqp://u:hunter2@host:port/", "", "amqp://u:hunter2@host/?heartbeat=x", "amqp://u:hunter2@host/?connection_timeout=-1", "amqp://u:hunter2@host/?auth_mechanism=magic", "amqp://u:hunter2@host/?connection_timeout=5&connection_timeout=6"} {
		_, err := handler.New(url, nil)
		known, ok := errors.AsType[*handler.Error](err)
		if !ok || known.Retry || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: got %v", url, err)
		}
	}
}

// The most that New takes must not size memory by itself.
func TestLargestOptionsTakeNoMemory(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		before := heap()
		h := newHandler(t, b.URL, handler.Options{
			Exchange: b.Exchange(t), Buffer: 1 << 34, MaxRecord: 128 << 20,
			Batch: handler.Batch{Records: 100_000, Bytes: 16 << 20, Linger: time.Hour},
		})
		slog.New(h).Info("m")
		if err := h.Flush(soonContext(t)); err != nil {
			t.Fatal(err)
		}
		if grown := heap() - before; grown > 4<<20 {
			t.Errorf("%d bytes are in use", grown)
		}
		closeClean(t, h)
	})
}

func TestDefaultsAreThoseDocumented(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		messages := receiver(t, b, "logs", nil)
		h, err := handler.New(b.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		slog.New(h).Debug("not this")
		slog.New(h).Info("this")
		closeClean(t, h)
		m := next(t, messages)
		if m.AppId != strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe") || !strings.Contains(string(m.Body), `"this"`) {
			t.Errorf("got %s from %q", m.Body, m.AppId)
		}
	})
}

// Whatever the program's name and its records hold, each property is one that every
// client can read.
func TestPropertiesCanBeReadByEveryClient(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		for _, app := range []string{"caf\xe9", "\xff", strings.Repeat("\xe9", 300), strings.Repeat("é", 300), "a\x00b", "日本語"} {
			exchange := b.Exchange(t)
			messages := receiver(t, b, exchange, nil)
			h := newHandler(t, b.URL, handler.Options{Exchange: exchange, App: app})
			for _, at := range []time.Time{time.Now(), {}, time.Unix(-1, 0), time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), time.Unix(1<<55, 0)} {
				r := slog.NewRecord(at, slog.LevelInfo, "m", 0)
				r.AddAttrs(slog.String("k\xff", "\xff"))
				if err := h.Handle(t.Context(), r); err != nil {
					t.Fatal(err)
				}
			}
			closeClean(t, h)
			for range 6 {
				m := next(t, messages)
				for _, text := range []string{m.AppId, m.MessageId, m.RoutingKey, m.ContentType, fmt.Sprint(m.Headers["host"]), string(m.Body)} {
					if !utf8.ValidString(text) {
						t.Errorf("%q: got %q", app, text)
					}
				}
				if unix := m.Timestamp.Unix(); !m.Timestamp.IsZero() && (unix < 0 || m.Timestamp.Year() > 9999) {
					t.Errorf("got timestamp %v", m.Timestamp)
				}
			}
		}
	})
}

// The substitute of a record that is too large fits where the record did not, and
// is in one count only.
func TestSubstitutesKeepToMaxRecord(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		for _, most := range []int{1, 50, 150, 200, 512, 2000} {
			exchange := b.Exchange(t)
			messages := receiver(t, b, exchange, nil)
			proxy := b.Proxy(t)
			proxy.Down()
			h := newHandler(t, proxy.URL, handler.Options{Exchange: exchange, MaxRecord: most})
			l := slog.New(h)
			for range 10 {
				l.Info(strings.Repeat("é", 700), "text", strings.Repeat("x", 2000))
			}
			if s := h.Stats(); s.Accepted != s.Confirmed+s.Dropped.Total()+s.Unknown+uint64(s.PendingRecords) || s.Dropped.Oversize != 10 {
				t.Errorf("MaxRecord %d, while away: %+v", most, s)
			}
			proxy.Up()
			closeClean(t, h)
			for {
				select {
				case m := <-messages:
					if len(m.Body) > most || !strings.Contains(string(m.Body), "!OVERSIZE") || !json.Valid(m.Body) {
						t.Errorf("MaxRecord %d: got %d bytes: %s", most, len(m.Body), m.Body)
					}
					continue
				case <-time.After(50 * time.Millisecond): // some have none
				}
				break
			}
		}
	})
}

// A link that is slow is not dead: what is large takes its time, and nothing else
// is sent again.
func TestSlowLinkCarriesALargeRecord(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		for name, opts := range map[string]handler.Options{
			"one record":   {MaxRecord: 1 << 20},
			"a batch":      {MaxRecord: 1 << 20, Batch: handler.Batch{Records: 1000}},
			"fire, forget": {MaxRecord: 1 << 20, Unconfirmed: true},
		} {
			t.Run(name, func(t *testing.T) {
				opts.Exchange = b.Exchange(t)
				messages := receiver(t, b, opts.Exchange, nil)
				proxy := b.Proxy(t)
				// With this heartbeat a connection on which nothing moves for 3 s is dead.
				h := newHandler(t, proxy.URL+"?heartbeat=2", opts)
				l := slog.New(h)
				l.Info("first")
				if err := h.Flush(soonContext(t)); err != nil {
					t.Fatal(err)
				}
				proxy.Fault(brokertest.ToBroker, brokertest.Fault{Rate: 160_000})
				l.Info("large", "text", strings.Repeat("x", 800_000))
				for range 20 {
					l.Info("behind it")
				}
				if err := h.Close(soonContext(t)); err != nil {
					t.Fatal(err)
				}
				if s := h.Stats(); s.Confirmed+s.Unknown != 22 || s.Reconnects != 0 || s.LastError != "" {
					t.Errorf("got %+v", s)
				}
				receive(t, messages, map[string]int{}, map[bool]int{true: 3, false: 22}[opts.Batch.Records > 0])
			})
		}
	})
}

// connection_timeout is the URL's way to say how long connecting may take.
func TestConnectionTimeoutOfTheURL(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // and silent
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	errs := make(chan error, 100)
	newHandler(t, "amqp://"+l.Addr().String()+"/?connection_timeout=50", handler.Options{OnError: func(err error) { errs <- err }})
	select {
	case err := <-errs:
		if !strings.Contains(err.Error(), "no answer in time") {
			t.Errorf("got %v", err)
		}
	case <-time.After(8 * time.Second): // 10 s are what it has else
		t.Error("the default is used")
	}
}

// Programs that begin with the same URLs spread over them.
func TestProcessesBeginWithAnyOfTheirURLs(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		first, second := b.Proxy(t), b.Proxy(t)
		for n := 0; first.Dials() == 0 || second.Dials() == 0; n++ {
			if n == 100 {
				t.Fatalf("of %d, %d began with the first", n, first.Dials())
			}
			h := newHandler(t, first.URL+","+second.URL, handler.Options{Exchange: b.Exchange(t)})
			slog.New(h).Info("m")
			closeClean(t, h)
		}
	})
}
