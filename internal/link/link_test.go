package link_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/slogcast/slogcast/internal/brokertest"
	"github.com/slogcast/slogcast/internal/link"
)

// dial returns the error of connecting to the URL.
func dial(t *testing.T, url string) error {
	t.Helper()
	endpoints, err := link.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	c, err := link.Dial(t.Context(), link.Config{DialTimeout: 5 * time.Second}, endpoints[0])
	if err == nil {
		c.Abort()
		c.Close(t.Context())
	}
	return err
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func wantError(t *testing.T, err error, fatal bool, texts ...string) {
	t.Helper()
	known, ok := errors.AsType[*link.Error](err)
	if !ok {
		t.Fatalf("got %v, want a link.Error", err)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("got %q, want %q in it", err, text)
		}
	}
	if known.Fatal != fatal {
		t.Errorf("got fatal %v, want %v: %v", known.Fatal, fatal, err)
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the password is shown: %v", err)
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	t.Run("refused port", func(t *testing.T) {
		wantError(t, dial(t, "amqp://u:hunter2@127.0.0.1:9/"), false, "connect to amqp://u@127.0.0.1:9/", "connection refused", "is running")
	})
	t.Run("not an AMQP port", func(t *testing.T) {
		l := listen(t)
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					defer c.Close()
					_, _ = c.Write([]byte("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"))
					_, _ = io.Copy(io.Discard, c) // until the client has had enough
				}()
			}
		}()
		// Several at once: the library may read that before it has said anything.
		const dials = 100
		failed := make(chan error, dials)
		for range dials {
			go func() { failed <- dial(t, "amqp://u:hunter2@"+l.Addr().String()) }()
		}
		for range dials {
			wantError(t, <-failed, false, "does not speak AMQP 0-9-1", "5672")
		}
	})
	t.Run("plain port with amqps", func(t *testing.T) {
		server := httptest.NewServer(nil)
		defer server.Close()
		wantError(t, dial(t, "amqps://u:hunter2@"+server.Listener.Addr().String()), true, "does not speak TLS", "amqp://")
	})
	t.Run("certificate of a stranger", func(t *testing.T) {
		server := httptest.NewUnstartedServer(nil)
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		server.StartTLS()
		defer server.Close()
		wantError(t, dial(t, "amqps://u:hunter2@"+server.Listener.Addr().String()), true, "not trusted", "cacertfile")
	})
	t.Run("no certificate in cacertfile", func(t *testing.T) {
		wantError(t, dial(t, "amqps://u:hunter2@"+listen(t).Addr().String()+"?cacertfile="+url.PathEscape(os.Args[0])), false, "cacertfile", "PEM")
	})
	t.Run("silent peer", func(t *testing.T) {
		endpoints, err := link.Parse("amqp://u:hunter2@" + listen(t).Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, err = link.Dial(t.Context(), link.Config{DialTimeout: 50 * time.Millisecond}, endpoints[0])
		wantError(t, err, false, "no answer in time")
	})
}

// TestHostileBroker answers the protocol header with what no broker should.
func TestHostileBroker(t *testing.T) {
	for name, answer := range map[string]string{
		"frame of 4 GiB":       "\x01\x00\x00\xff\xff\xff\xff",
		"unknown frame":        "\x2a\x00\x00\x00\x00\x00\x01x\xce",
		"unexpected method":    "\x01\x00\x00\x00\x00\x00\x04\x00\x3c\x00\x50\xce",
		"body without header":  "\x03\x00\x01\x00\x00\x00\x01x\xce",
		"no frame end":         "\x01\x00\x00\x00\x00\x00\x04\x00\x0a\x00\x0a!",
		"half a frame":         "\x01\x00\x00\x00\x00\x00\xff\x00\x0a",
		"another version":      "AMQP\x00\x01\x00\x00",
		"start, malformed":     "\x01\x00\x00\x00\x00\x00\x08\x00\x0a\x00\x0a\x00\x09\xff\xff\xce",
		"nothing, and hang up": "",
	} {
		t.Run(name, func(t *testing.T) {
			l := listen(t)
			go func() {
				c, err := l.Accept()
				if err != nil {
					return
				}
				defer c.Close()
				_, _ = io.ReadFull(c, make([]byte, 8))
				_, _ = io.WriteString(c, answer)
				if answer != "" {
					_, _ = io.Copy(io.Discard, c) // until the client has had enough
				}
			}()
			endpoints, err := link.Parse("amqp://u:hunter2@" + l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			_, err = link.Dial(t.Context(), link.Config{DialTimeout: 500 * time.Millisecond}, endpoints[0])
			wantError(t, err, false, "connect to amqp://u@")
		})
	}
}

func TestBrokersRefusals(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		wantError(t, dial(t, b.As(t, "guest", "hunter2")), true, `login as "guest" refused`)
		wantError(t, dial(t, b.URL+"nowhere"), true, `vhost "nowhere" does not exist`, "add_vhost")
	})
}

func TestUserWithoutPermissionOnTheVhost(t *testing.T) {
	brokertest.EachReal(t, func(t *testing.T, b *brokertest.Broker) {
		if out, err := b.Ctl("add_vhost", "closed"); err != nil {
			t.Fatal(err, out)
		}
		defer b.Ctl("delete_vhost", "closed")
		wantError(t, dial(t, b.User(t, ".*", ".*", ".*")+"closed"), true, `may not use vhost "closed"`, "set_permissions")
	})
}

// A limit is no missing permission, though the broker's words begin alike.
func TestLimitsOfTheBroker(t *testing.T) {
	brokertest.EachReal(t, func(t *testing.T, b *brokertest.Broker) {
		limited := b.User(t, ".*", ".*", ".*")
		u, err := url.Parse(limited)
		if err != nil {
			t.Fatal(err)
		}
		if out, err := b.Ctl("set_user_limits", u.User.Username(), `{"max-connections":0}`); err != nil {
			t.Fatal(err, out)
		}
		wantError(t, dial(t, limited), true, "takes no more connections", "limit (0) is reached", "set_user_limits")
	})
}

func TestSuperviseDialsAgainAndTriesEveryURL(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		proxy := b.Proxy(t)
		endpoints, err := link.Parse("amqp://127.0.0.1:9/," + proxy.URL)
		if err != nil {
			t.Fatal(err)
		}
		var failures []string
		uses := 0
		err = link.Supervise(t.Context(), link.Config{
			Endpoints: endpoints,
			FailFast:  true,
			Notify: func(s link.State) {
				if s.Err != nil {
					failures = append(failures, s.Err.Error())
				}
			},
		}, func(ctx context.Context, c *link.Conn) error {
			if uses++; uses == 3 {
				return nil
			}
			proxy.Cut()
			return cmp.Or(<-c.Lost(), errors.New("lost"))
		})
		if err != nil || uses != 3 {
			t.Errorf("got %v after %d uses", err, uses)
		}
		text := strings.Join(failures, "\n")
		if len(failures) < 3 || !strings.Contains(text, "refused") || !strings.Contains(text, "lost") {
			t.Errorf("got failures %q", failures)
		}
	})
}

// A node that hangs takes connections and says nothing. The timeout of this test
// would be over long before DialTimeout.
func TestSilentNodeHoldsUpNoOther(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		silent, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer silent.Close()
		endpoints, err := link.Parse("amqp://" + silent.Addr().String() + "/," + b.URL)
		if err != nil {
			t.Fatal(err)
		}
		met := false // both, whichever is first
		err = link.Supervise(t.Context(), link.Config{
			Endpoints:   endpoints,
			DialTimeout: 24 * time.Hour,
			Notify: func(s link.State) {
				met = met || s.Err != nil && strings.Contains(s.Err.Error(), "no answer in time")
			},
		}, func(context.Context, *link.Conn) error {
			if !met {
				return errors.New("the next one, please")
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestSuperviseEndsWithItsContext(t *testing.T) {
	endpoints, err := link.Parse("amqp://127.0.0.1:9/")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err = link.Supervise(ctx, link.Config{
		Endpoints: endpoints,
		Notify:    func(link.State) { cancel() },
	}, func(context.Context, *link.Conn) error { return nil })
	if err != nil {
		t.Errorf("got %v", err)
	}
}

func TestFailFastReturnsWhatNoRetryMends(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		endpoints, err := link.Parse(b.As(t, "guest", "hunter2"))
		if err != nil {
			t.Fatal(err)
		}
		err = link.Supervise(t.Context(), link.Config{Endpoints: endpoints, FailFast: true}, nil)
		wantError(t, err, true, "login")
	})
}

// open connects to the broker.
func open(t *testing.T, b *brokertest.Broker) *link.Conn {
	t.Helper()
	endpoints, err := link.Parse(b.URL)
	if err != nil {
		t.Fatal(err)
	}
	c, err := link.Dial(t.Context(), link.Config{}, endpoints[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		c.Close(ctx)
	})
	return c
}

// bare are the properties of a message that has none.
var bare = []byte{0, 0}

// flush hands over everything.
func flush(t *testing.T, p *link.Publisher) {
	t.Helper()
	late := time.After(30 * time.Second)
	for {
		done, err := p.Flush()
		if err != nil {
			t.Fatal(err)
		}
		if done {
			return
		}
		select {
		case <-p.Room():
		case <-late:
			t.Fatal("the network takes nothing")
		}
	}
}

// confirmed waits until the broker has confirmed n messages.
func confirmed(t *testing.T, p *link.Publisher, n int) {
	t.Helper()
	late := time.After(30 * time.Second)
	for last := uint64(0); last < uint64(n); {
		for _, a := range p.Answers(nil) {
			if a.Refused {
				t.Fatal("a message was refused")
			}
			last = max(last, a.Last)
		}
		if last >= uint64(n) {
			return
		}
		select {
		case <-p.Answered():
		case <-late:
			t.Fatalf("the messages up to %d are confirmed, want %d", last, n)
		}
	}
}

// TestMessagesArriveWhole publishes bodies around the size of a frame, while the
// library uses the connection, too.
func TestMessagesArriveWhole(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		const frame = 128 << 10
		exchange, c := b.Exchange(t), open(t, b)
		if err := c.DeclareFanout(exchange, false); err != nil {
			t.Fatal(err)
		}
		sizes := []int{0, 1, 250, 4088, 65_536, frame - 9, frame - 8, frame - 7, 400_000}
		b.Use(t, func(ch *amqp.Channel) {
			q, err := ch.QueueDeclare("", false, false, true, false, nil)
			if err == nil {
				err = ch.QueueBind(q.Name, "", exchange, false, nil)
			}
			if err != nil {
				t.Fatal(err)
			}
			p, err := c.Publisher(exchange, true)
			if err != nil {
				t.Fatal(err)
			}
			stop, stopped := make(chan struct{}), make(chan error, 1)
			go func() {
				for {
					select {
					case <-stop:
						stopped <- nil
						return
					default:
					}
					if err := c.DeclareFanout(exchange, false); err != nil { // on a channel of its own
						stopped <- err
						return
					}
				}
			}()
			for range 4 {
				for i, n := range sizes {
					p.Publish("key", bare, [][]byte{bytes.Repeat([]byte{byte(i)}, n)})
					flush(t, p)
				}
			}
			confirmed(t, p, 4*len(sizes))
			close(stop)
			if err := <-stopped; err != nil {
				t.Fatal(err)
			}
			for range 4 {
				for i, n := range sizes {
					d, ok, err := ch.Get(q.Name, true)
					if err != nil || !ok || d.RoutingKey != "key" || !bytes.Equal(d.Body, bytes.Repeat([]byte{byte(i)}, n)) {
						t.Fatalf("message of %d bytes: got %v, %v, %d bytes under %q", n, ok, err, len(d.Body), d.RoutingKey)
					}
				}
			}
		})
	})
}

// consumer consumes from a queue of its own that is bound to the exchange.
func consumer(t *testing.T, c *link.Conn, exchange string, prefetch int) (*link.Consumer, string) {
	t.Helper()
	if err := c.DeclareFanout(exchange, false); err != nil {
		t.Fatal(err)
	}
	in, err := c.Consumer()
	if err != nil {
		t.Fatal(err)
	}
	queue, err := in.DeclareTemporary(nil)
	if err == nil {
		err = in.Bind(queue, "", exchange)
	}
	if err == nil {
		err = in.Start(queue, "tag", true, prefetch, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return in, queue
}

// TestMessagesPassWholeFromPublisherToConsumer does so on one connection, while
// what came is acknowledged.
func TestMessagesPassWholeFromPublisherToConsumer(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		const messages, prefetch = 3000, 100
		exchange, c := b.Exchange(t), open(t, b)
		in, queue := consumer(t, c, exchange, prefetch)
		p, err := c.Publisher(exchange, true)
		if err != nil {
			t.Fatal(err)
		}
		size := func(i int) int { return []int{0, 1, 250, 128 << 10, 20_000}[i%5] }
		for i := range messages {
			if _, whole := p.Publish("key", bare, [][]byte{bytes.Repeat([]byte{byte(i)}, size(i))}); !whole || i%50 == 0 {
				flush(t, p)
			}
		}
		flush(t, p)
		late := time.After(30 * time.Second)
		var last []link.Delivery
		for n := 0; n < messages; {
			select {
			case <-in.Arrived():
			case <-late:
				t.Fatalf("got %d messages", n)
			}
			last = in.Take(last)
			if len(last) > prefetch {
				t.Fatalf("got %d messages at once", len(last))
			}
			for _, d := range last {
				if want := bytes.Repeat([]byte{byte(n)}, size(n)); !bytes.Equal(d.Body, want) || d.Tag != uint64(n+1) {
					t.Fatalf("message %d: got %d bytes under tag %d, want %d", n, len(d.Body), d.Tag, len(want))
				}
				n++
			}
			if len(last) > 0 {
				if err := in.Ack(last[len(last)-1].Tag); err != nil {
					t.Fatal(err)
				}
			}
		}
		confirmed(t, p, messages)
		if messages, consumers, err := in.Look(queue, true); err != nil || messages != 0 || consumers != 1 {
			t.Errorf("got %d messages, %d consumers, %v", messages, consumers, err)
		}
		if err := in.Cancel("tag"); err != nil {
			t.Fatal(err)
		}
		for range in.Ended() {
			t.Error("the library got a message")
		}
	})
}

// A message behind the end of the channel would be an error of the connection.
func TestChannelClosedByTheBrokerIsToldWithItsReason(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		c := open(t, b)
		p, err := c.Publisher(b.Exchange(t)+"-missing", true)
		for err == nil {
			p.Publish("", bare, [][]byte{[]byte("x")})
			_, err = p.Flush()
		}
		if !errors.Is(err, link.ErrEnded) {
			t.Errorf("got %v, want %v", err, link.ErrEnded)
		}
		reason := <-p.Closed()
		if refusal, ok := errors.AsType[*amqp.Error](reason); !ok || refusal.Code != amqp.NotFound {
			t.Errorf("got %v, want 404", reason)
		}
		if a := p.Answers(nil); len(a) != 0 {
			t.Errorf("messages count as answered: %+v", a)
		}
		if _, err := c.Publisher("amq.fanout", true); err != nil {
			t.Errorf("the connection is lost: %v", err)
		}
	})
}
