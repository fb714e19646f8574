package handler_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/big"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slogcast/slogcast/handler"
	"github.com/slogcast/slogcast/internal/brokertest"
)

func TestBatchesShareMessages(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		messages := receiver(t, b, exchange, nil)
		proxy := b.Proxy(t)
		proxy.Down() // so that a backlog builds up
		h := newHandler(t, proxy.URL, handler.Options{Exchange: exchange, Batch: handler.Batch{Records: 50, Bytes: 2000}})
		const n = 500
		for i := range n {
			slog.New(h).Info("m", "i", i)
		}
		slog.New(h).Info("large", "x", strings.Repeat("x", 5000))
		proxy.Up()
		closeClean(t, h)
		var bodies []string
		count := 0
		for len(bodies) < n+1 {
			m := next(t, messages)
			lines := strings.Split(string(m.Body), "\n")
			if _, seq, _ := strings.Cut(m.MessageId, "/"); seq != fmt.Sprint(len(bodies)+1) {
				t.Errorf("message %s begins with record %d", m.MessageId, len(bodies)+1)
			}
			if len(lines) > 1 && (m.ContentType != "application/x-ndjson" || fmt.Sprint(m.Headers["count"]) != fmt.Sprint(len(lines)) || len(m.Body) > 2000) {
				t.Errorf("%d records in %d bytes of %s, header count %v", len(lines), len(m.Body), m.ContentType, m.Headers["count"])
			}
			bodies = append(bodies, lines...)
			count++
		}
		for i, body := range bodies[:n] {
			if !strings.HasSuffix(body, fmt.Sprintf(`"i":%d}`, i)) {
				t.Fatalf("record %d is %s", i, body)
			}
		}
		if count > n/10 {
			t.Errorf("%d messages for %d records", count, n)
		}
		if s := h.Stats(); s.Confirmed != n+1 {
			t.Errorf("got %+v", s)
		}
	})
}

func TestBatchLingers(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		messages := receiver(t, b, exchange, nil)
		h := newHandler(t, b.URL, handler.Options{Exchange: exchange, Batch: handler.Batch{Records: 3, Linger: time.Hour}})
		for i := range 3 {
			slog.New(h).Info("m", "i", i)
		}
		if got := bytes.Count(next(t, messages).Body, []byte("\n")); got != 2 {
			t.Errorf("%d records, want 3", got+1)
		}
		closeClean(t, h)
		soon := newHandler(t, b.URL, handler.Options{Exchange: exchange, Batch: handler.Batch{Records: 3, Linger: time.Millisecond}})
		slog.New(soon).Info("alone")
		if body := next(t, messages).Body; !bytes.Contains(body, []byte("alone")) {
			t.Errorf("got %s", body)
		}
	})
}

func TestUnconfirmed(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		messages := receiver(t, b, exchange, nil)
		h := newHandler(t, b.URL, handler.Options{Exchange: exchange, Unconfirmed: true})
		for range 200 {
			slog.New(h).Info("m")
		}
		if err := h.Close(soonContext(t)); err != nil {
			t.Fatal(err)
		}
		receive(t, messages, map[string]int{}, 200)
		if s := h.Stats(); s.Accepted != 200 || s.Unknown != 200 || s.Confirmed != 0 || s.PendingRecords != 0 {
			t.Errorf("got %+v", s)
		}
	})
}

// contextKey is for values of contexts in tests.
type contextKey struct{}

func TestContextAttrs(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		messages := receiver(t, b, exchange, nil)
		h := newHandler(t, b.URL, handler.Options{Exchange: exchange, ContextAttrs: func(ctx context.Context) []slog.Attr {
			id, ok := ctx.Value(contextKey{}).(string)
			if !ok {
				return nil
			}
			if id == "panic" {
				panic("no")
			}
			return []slog.Attr{slog.String("trace", id)}
		}})
		ended, cancel := context.WithCancel(context.WithValue(t.Context(), contextKey{}, "abc"))
		cancel()
		l := slog.New(h).WithGroup("g")
		l.InfoContext(ended, "m", "a", 1)
		l.InfoContext(ended, "m")
		l.Info("m", "a", 1)
		r := slog.NewRecord(time.Now(), slog.LevelInfo, "m", 0)
		var none context.Context
		if err := h.Handle(none, r); err != nil {
			t.Error(err)
		}
		l.InfoContext(context.WithValue(t.Context(), contextKey{}, "panic"), "m", "a", 1)
		closeClean(t, h)
		for _, want := range []string{`"m","trace":"abc","g":{"a":1}}`, `"m","trace":"abc"}`, `"m","g":{"a":1}}`, `"m"}`, `!PANIC`} {
			if body := string(next(t, messages).Body); !strings.Contains(body, want) {
				t.Errorf("got %s, want %s", body, want)
			}
		}
	})
}

// kept is a slog.Handler that keeps what it gets as text.
type kept struct {
	mu   sync.Mutex
	text bytes.Buffer
	slog.Handler
}

func newKept() *kept {
	k := new(kept)
	k.Handler = slog.NewTextHandler(k, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.TimeKey {
			a.Value = slog.BoolValue(time.Since(a.Value.Time()) < soon)
		}
		return a
	}})
	return k
}

func (k *kept) Write(p []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.text.Write(p)
}

func (k *kept) lines() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return strings.Split(strings.TrimSuffix(k.text.String(), "\n"), "\n")
}

// wait waits until there are n lines.
func (k *kept) wait(t *testing.T, n int) []string {
	t.Helper()
	deadline := time.After(soon)
	for poll := time.Tick(time.Millisecond); ; {
		if lines := k.lines(); len(lines) >= n && lines[0] != "" {
			return lines
		}
		select {
		case <-poll:
		case <-deadline:
			t.Fatalf("got %q, want %d lines", k.lines(), n)
		}
	}
}

func TestFallbackGetsWhatIsDropped(t *testing.T) {
	k := newKept()
	h := newHandler(t, "amqp://127.0.0.1:9/", handler.Options{
		Buffer: 20_000, MaxRecord: 400, Level: slog.LevelDebug, Fallback: k,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == "password" {
				return slog.String(a.Key, "[redacted]")
			}
			return a
		},
	})
	l := slog.New(h)
	l.Debug("evicted", "n", 1, slog.Group("g", "f", 1.5, "s", []int{1, 2}), "password", "hunter2", "msg", "attr")
	for h.Stats().Dropped.Shed == 0 {
		l.Error("kept", "padding", strings.Repeat("x", 215))
	}
	k.wait(t, 1)
	l.Warn("too low", "padding", strings.Repeat("x", 250))
	k.wait(t, 2)
	l.Error("large", "padding", strings.Repeat("x", 400))
	got := strings.Join(k.wait(t, 4), "\n") // and one that made room
	for _, want := range []string{
		`time=true level=DEBUG msg=evicted n=1 g.f=1.5 g.s="[1 2]" password=[redacted] msg=attr`,
		`level=WARN msg="too low"`,
		`level=ERROR msg=large !OVERSIZE=`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// What waits for a broker that is away is with the Fallback when Close returns,
// within its time.
func TestFallbackHasWhatIsLeftWhenCloseReturns(t *testing.T) {
	k := newKept()
	h := newHandler(t, "amqp://127.0.0.1:9/", handler.Options{Fallback: k})
	const n = 20
	for i := range n {
		slog.New(h).Info("left", "i", i, "padding", strings.Repeat("x", 200))
	}
	pending := h.Stats().PendingRecords
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second) // a quarter of it is the Fallback's
	defer cancel()
	if err := h.Close(ctx); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("close: %d records left, 0 of them", pending)) || strings.Contains(err.Error(), "Fallback") {
		t.Errorf("got %v", err)
	}
	s := h.Stats()
	if lines := k.lines(); pending != n || len(lines) != pending || s.Fallback.Taken != uint64(pending) || s.Dropped.Closed != uint64(pending) {
		t.Errorf("got %d lines of %d records, %+v", len(lines), pending, s)
	}
}

// hanging is a slog.Handler that does not return.
type hanging struct {
	slog.Handler
	release chan struct{}
}

func (h hanging) Enabled(context.Context, slog.Level) bool { return true }
func (h hanging) Handle(context.Context, slog.Record) error {
	<-h.release
	return nil
}

func TestCloseSaysWhatTheFallbackHasNotGot(t *testing.T) {
	fallback := hanging{release: make(chan struct{})}
	defer close(fallback.release)
	h := newHandler(t, "amqp://127.0.0.1:9/", handler.Options{Fallback: fallback})
	for range 7 {
		slog.New(h).Info("left")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := h.Close(ctx); err == nil || !strings.Contains(err.Error(), "7 records left, 0 of them published but not confirmed, and 7 dropped records not handed to the Fallback") {
		t.Errorf("got %v", err)
	}
}

// certificates are of a test's own authority.
type certificates struct {
	pool           *x509.CertPool
	server, client tls.Certificate
}

func makeCertificates(t *testing.T) certificates {
	t.Helper()
	sign := func(template, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (tls.Certificate, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if parentKey == nil {
			parentKey = key
		}
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
		der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, key
	}
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	authority, key := sign(ca, ca, nil)
	c := certificates{pool: x509.NewCertPool()}
	c.pool.AddCert(authority.Leaf)
	c.server, _ = sign(&x509.Certificate{SerialNumber: big.NewInt(2), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}, authority.Leaf, key)
	c.client, _ = sign(&x509.Certificate{SerialNumber: big.NewInt(3), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}, authority.Leaf, key)
	return c
}

// tlsFront puts TLS in front of a broker and returns its URL.
func tlsFront(t *testing.T, b *brokertest.Broker, cfg *tls.Config) string {
	t.Helper()
	u, err := url.Parse(b.URL)
	if err != nil {
		t.Fatal(err)
	}
	target := u.Host
	l, err := tls.Listen("tcp", "127.0.0.1:0", cfg)
	if err != nil {
		t.Fatal(err)
	}
	var working sync.WaitGroup
	working.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			working.Go(func() {
				defer client.Close()
				broker, err := net.Dial("tcp", target)
				if err != nil {
					return
				}
				working.Go(func() { io.Copy(broker, client); broker.Close() })
				io.Copy(client, broker)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		working.Wait()
	})
	u.Scheme, u.Host = "amqps", l.Addr().String()
	return u.String()
}

func TestTLSAndCredentials(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		certs := makeCertificates(t)
		front := tlsFront(t, b, &tls.Config{Certificates: []tls.Certificate{certs.server}, ClientCAs: certs.pool, ClientAuth: tls.RequireAndVerifyClientCert})
		u, err := url.Parse(front)
		if err != nil {
			t.Fatal(err)
		}
		right, _ := u.User.Password()
		user := u.User.Username()
		u.User = url.UserPassword("nobody", "hunter2")
		front = u.String()
		good := &tls.Config{RootCAs: certs.pool, Certificates: []tls.Certificate{certs.client}}

		t.Run("both right", func(t *testing.T) {
			exchange := b.Exchange(t)
			asked := 0
			h := newHandler(t, front, handler.Options{Exchange: exchange, TLS: good, Credentials: func(context.Context) (string, string, error) {
				if asked++; asked == 1 {
					return "", "", errors.New("vault is sealed")
				}
				return user, right, nil
			}})
			slog.New(h).Info("m")
			closeClean(t, h)
			if s := h.Stats(); s.Confirmed != 1 || !strings.Contains(s.LastError, "get credentials: vault is sealed") || strings.Contains(s.LastError, "hunter2") {
				t.Errorf("got %+v", s)
			}
			if good.ServerName != "" {
				t.Error("the caller's tls.Config was written to")
			}
		})
		for _, tt := range []struct {
			name string
			tls  *tls.Config
			want string
		}{
			{"unknown authority", nil, "not trusted"},
			{"wrong name", &tls.Config{RootCAs: certs.pool, Certificates: []tls.Certificate{certs.client}, ServerName: "other"}, "not trusted"},
			{"no client certificate", &tls.Config{RootCAs: certs.pool}, "connect to amqps://"},
		} {
			t.Run(tt.name, func(t *testing.T) {
				errs := make(chan error, 100)
				newHandler(t, front, handler.Options{TLS: tt.tls, OnError: func(err error) { errs <- err }})
				if err := until(t, errs, tt.want); strings.Contains(err.Error(), "hunter2") {
					t.Error(err)
				}
			})
		}
	})
	if _, err := handler.New("amqp://h/", &handler.Options{TLS: &tls.Config{}}); err == nil || !strings.Contains(err.Error(), "amqps://") {
		t.Errorf("TLS without amqps: got %v", err)
	}
}

func TestBlockedBrokerIsWaitedFor(t *testing.T) {
	brokertest.EachReal(t, func(t *testing.T, b *brokertest.Broker) {
		errs := make(chan error, 100)
		h := newHandler(t, b.URL, handler.Options{Exchange: b.Exchange(t), OnError: func(err error) { errs <- err }})
		slog.New(h).Info("before")
		if err := h.Flush(soonContext(t)); err != nil {
			t.Fatal(err)
		}
		order := func(watermark string) {
			if out, err := b.Ctl("set_vm_memory_high_watermark", watermark); err != nil {
				t.Fatal(err, out)
			}
		}
		order("0")
		defer order("0.4")
		slog.New(h).Info("the broker is told of the next publisher")
		until(t, errs, "connection.blocked")
		for range 100 {
			slog.New(h).Info("kept")
		}
		if s := h.Stats(); s.PendingRecords < 100 || s.Dropped.Total() != 0 || !s.Connected {
			t.Errorf("while blocked: %+v", s)
		}
		order("0.4")
		closeClean(t, h)
		if s := h.Stats(); s.Confirmed != 102 || s.Reconnects != 0 {
			t.Errorf("got %+v", s)
		}
	})
}

// TestRecordLargerThanTheBrokerTakes has one that RabbitMQ 4 refuses by closing
// the channel, and 3.10 and the embedded broker take.
func TestRecordLargerThanTheBrokerTakes(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		h := newHandler(t, b.URL, handler.Options{Exchange: exchange, Buffer: 64 << 20, MaxRecord: 32 << 20})
		l := slog.New(h)
		l.Info("before")
		l.Info("large", "x", strings.Repeat("x", 17<<20))
		l.Info("after")
		closeClean(t, h)
		refused := uint64(0)
		if strings.Contains(b.Name, "-4.") {
			refused = 1
		}
		if s := h.Stats(); s.Dropped.Oversize != refused || s.Confirmed != 3-refused {
			t.Errorf("got %+v", s)
		}
	})
}

func TestOverflowBlockLosesNothing(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		messages := receiver(t, b, exchange, nil)
		h := newHandler(t, b.URL, handler.Options{Exchange: exchange, Buffer: 1000, Overflow: handler.Block, BlockTimeout: soon})
		for i := range 500 {
			slog.New(h).Info("m", "i", i)
		}
		closeClean(t, h)
		seen := map[string]int{}
		receive(t, messages, seen, 500)
		if s := h.Stats(); s.Confirmed != 500 {
			t.Errorf("got %+v", s)
		}
		if slices.Max(slices.Collect(maps.Values(seen))) != 1 {
			t.Errorf("a record came twice: %v, %+v", seen, h.Stats())
		}
	})
}
