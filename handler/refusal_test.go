package handler_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/slogcast/slogcast/handler"
	"github.com/slogcast/slogcast/internal/broker"
	"github.com/slogcast/slogcast/internal/brokertest"
	"github.com/slogcast/slogcast/internal/wire"
)

// limited returns a broker of its own that takes bodies of so many bytes.
func limited(t *testing.T, most int) *brokertest.Broker {
	t.Helper()
	s, err := broker.Listen(&broker.Config{Addr: "127.0.0.1:0", MaxBody: most})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return &brokertest.Broker{Name: "embedded", URL: s.DialURL() + "/"}
}

// A message that is too large for the broker is divided; only a record that alone
// is too large is given up.
func TestMessageThatIsTooLargeIsDivided(t *testing.T) {
	for _, batch := range []handler.Batch{{}, {Records: 7}, {Records: 1000}, {Records: 100_000, Bytes: 16 << 20}} {
		t.Run(fmt.Sprint(batch.Records), func(t *testing.T) {
			b := limited(t, 65_536)
			messages := receiver(t, b, "logs", nil)
			h := newHandler(t, b.URL, handler.Options{Batch: batch})
			l := slog.New(h)
			for i := range 2000 {
				if i == 500 || i == 1500 {
					l.Info("large", "text", strings.Repeat("x", 70_000))
				}
				l.Info("small", "i", i, "text", strings.Repeat("x", 100))
			}
			closeClean(t, h)
			if s := h.Stats(); s.Confirmed != 2000 || s.Dropped.Oversize != 2 || s.Reconnects != 0 {
				t.Errorf("got %+v", s)
			}
			for seen := 0; seen < 2000; {
				seen += strings.Count(string(next(t, messages).Body), `"small"`)
			}
		})
	}
}

// front stands before a broker, hands each frame that comes from there to edit, and
// passes on what that returns.
func front(t *testing.T, b *brokertest.Broker, edit func(connection int, frame []byte) []byte) (string, *atomic.Int32) {
	t.Helper()
	u, err := url.Parse(b.URL)
	if err != nil {
		t.Fatal(err)
	}
	target := u.Host
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	carried := new(atomic.Int32)
	var working sync.WaitGroup
	working.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			n := int(carried.Add(1))
			working.Go(func() {
				defer client.Close()
				up, err := net.Dial("tcp", target)
				if err != nil {
					return
				}
				working.Go(func() {
					_, _ = io.Copy(up, client) // ends with either
					up.Close()
				})
				for {
					frame := make([]byte, 7)
					if _, err := io.ReadFull(up, frame); err != nil {
						return
					}
					frame = append(frame, make([]byte, binary.BigEndian.Uint32(frame[3:])+1)...)
					if _, err := io.ReadFull(up, frame[7:]); err != nil {
						return
					}
					if _, err := client.Write(edit(n, frame)); err != nil {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		working.Wait()
	})
	u.Host = l.Addr().String()
	return u.String(), carried
}

// nacking makes a nack of each ack until so many channels have been asked to
// confirm.
func nacking(channels int32) func(int, []byte) []byte {
	return changing(channels, func(ack []byte) { binary.BigEndian.PutUint32(ack[7:], uint32(wire.BasicNackID)) })
}

// muting makes of each ack until then one for what was not published.
func muting(channels int32) func(int, []byte) []byte {
	return changing(channels, func(ack []byte) {
		binary.BigEndian.PutUint64(ack[11:], 1<<40)
		ack[19] = 0 // that one alone
	})
}

// changing changes each ack until so many channels have been asked to confirm.
func changing(channels int32, change func(ack []byte)) func(int, []byte) []byte {
	var selected atomic.Int32
	return func(_ int, frame []byte) []byte {
		switch method(frame) {
		case wire.ConfirmSelectOkID:
			selected.Add(1)
		case wire.BasicAckID:
			if selected.Load() < channels {
				change(frame)
			}
		}
		return frame
	}
}

// method returns the method of a frame, 0 for one that has none.
func method(frame []byte) wire.MethodID {
	if frame[0] != wire.FrameMethod {
		return 0
	}
	return wire.MethodID(binary.BigEndian.Uint32(frame[7:]))
}

// A broker that lives, and sends heartbeats, but leaves an answer out is left for a
// new connection, whichever answer that is.
func TestAnswersThatDoNotCome(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		for name, missing := range map[string]wire.MethodID{
			"connection.tune":    wire.ConnectionTuneID,
			"connection.open-ok": wire.ConnectionOpenOkID,
			"channel.open-ok":    wire.ChannelOpenOkID,
			"exchange.declare":   wire.ExchangeDeclareOkID,
			"channel.close-ok":   wire.ChannelCloseOkID,
			"confirm.select-ok":  wire.ConfirmSelectOkID,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				url, carried := front(t, b, func(connection int, frame []byte) []byte {
					if connection == 1 && method(frame) == missing {
						return nil
					}
					return frame
				})
				h := newHandler(t, url+"?heartbeat=2&connection_timeout=3000", handler.Options{Exchange: b.Exchange(t)})
				slog.New(h).Info("m")
				closeClean(t, h)
				if s := h.Stats(); s.Confirmed != 1 || carried.Load() < 2 || s.LastError == "" {
					t.Errorf("got %+v over %d connections", s, carried.Load())
				}
			})
		}
	})
}

// Flush waits for the broker's word on what was published unconfirmed, and nobody
// else does.
func TestBarrierThatIsNotPassedHoldsUpNothing(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		messages := receiver(t, b, exchange, nil)
		url, _ := front(t, b, func(_ int, frame []byte) []byte {
			if method(frame) == wire.BasicQosOkID {
				return nil
			}
			return frame
		})
		h := newHandler(t, url, handler.Options{Exchange: exchange, Unconfirmed: true})
		slog.New(h).Info("first")
		next(t, messages)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if err := h.Flush(ctx); err == nil {
			t.Error("Flush has an answer")
		}
		slog.New(h).Info("second")
		next(t, messages)
		discard(h)
	})
}

// Whatever the broker says stands in errors as plain text.
func TestWordsOfTheBrokerAreQuoted(t *testing.T) {
	const evil = "\x1b[31m\n\u202e\u0085"
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		for _, words := range []string{
			evil,
			"PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'logs' in vhost '/': received 'fanout' but current is '" + evil + "'",
			"ACCESS_REFUSED - write access to exchange '" + evil + "' in vhost '" + evil + "' refused for user 'u'",
			"NOT_FOUND - no exchange '" + evil + "' in vhost '/'",
		} {
			url, _ := front(t, b, func(_ int, frame []byte) []byte {
				switch method(frame) {
				case wire.ExchangeDeclareOkID:
					return wire.AppendMethod(nil, binary.BigEndian.Uint16(frame[1:]), &wire.ChannelClose{Code: amqp.PreconditionFailed, Text: words})
				case wire.ConfirmSelectOkID:
					return wire.AppendMethod(nil, binary.BigEndian.Uint16(frame[1:]), &wire.ChannelClose{Code: amqp.AccessRefused, Text: words})
				}
				return frame
			})
			errs := make(chan error, 100)
			newHandler(t, url, handler.Options{Exchange: b.Exchange(t), OnError: func(err error) { errs <- err }})
			if err := until(t, errs, "amqp://"); strings.ContainsAny(err.Error(), evil[:1]+"\n\u202e\u0085") {
				t.Errorf("got %q", err)
			}
		}
	})
}

// A queue whose leader has died refuses all on the channels that were open, and
// nothing on others.
func TestRefusalsEndOverAnotherChannelOrConnection(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		for _, tt := range []struct{ channels, connections int32 }{{2, 1}, {3, 2}} {
			channels, connections := tt.channels, tt.connections
			url, carried := front(t, b, nacking(channels))
			h := newHandler(t, url, handler.Options{Exchange: b.Exchange(t)})
			for i := range 100 {
				slog.New(h).Info("refused at first", "i", i)
			}
			closeClean(t, h)
			if s := h.Stats(); s.Confirmed != 100 || carried.Load() != connections || !strings.Contains(s.LastError, "basic.nack") {
				t.Errorf("got %+v over %d connections, want %d", s, carried.Load(), connections)
			}
		}
	})
}

// A cluster that has lost a node may never answer for what was published before. Then
// a single message is tried, on other channels and connections, and not all that waits.
func TestSilenceEndsOverAnotherChannelOrConnection(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		const n = 500
		for _, tt := range []struct{ channels, connections int32 }{{3, 2}, {6, 3}} {
			t.Run(fmt.Sprint(tt.connections, " connections"), func(t *testing.T) {
				t.Parallel()
				exchange := b.Exchange(t)
				messages := receiver(t, b, exchange, nil)
				url, carried := front(t, b, muting(tt.channels))
				h := newHandler(t, url+"?heartbeat=1", handler.Options{Exchange: exchange})
				for i := range n {
					slog.New(h).Info("without an answer at first", "i", i)
				}
				closeClean(t, h)
				if s := h.Stats(); s.Confirmed != n || carried.Load() < tt.connections || !strings.Contains(s.LastError, "confirmed nothing") {
					t.Errorf("got %+v over %d connections", s, carried.Load())
				}
				sent, seen := 0, map[string]bool{}
				for ; len(seen) < n; sent++ { // at first once, or twice, and what was tried
					seen[next(t, messages).MessageId] = true
				}
				for more := true; more; {
					select {
					case <-messages:
						sent++
					default:
						more = false
					}
				}
				if sent >= 3*n {
					t.Errorf("%d messages were sent", sent)
				}
			})
		}
	})
}

// Where there are several URLs a channel without an answer is doubted early, and the
// connection kept.
func TestSilenceEndsOverAnotherChannelOfACluster(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		const n = 500
		exchange := b.Exchange(t)
		messages := receiver(t, b, exchange, nil)
		url, carried := front(t, b, muting(4))
		h := newHandler(t, url+","+url, handler.Options{Exchange: exchange})
		for i := range n {
			slog.New(h).Info("without an answer at first", "i", i)
		}
		closeClean(t, h)
		if s := h.Stats(); s.Confirmed != n || strings.Contains(s.LastError, "confirmed nothing") {
			t.Errorf("got %+v over %d connections", s, carried.Load())
		}
		for seen := map[string]bool{}; len(seen) < n; {
			seen[next(t, messages).MessageId] = true
		}
	})
}

// What the broker refuses waits, and is shed by rank.
func TestRefusedRecordsAreShedByRank(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		url, _ := front(t, b, nacking(1000))
		h := newHandler(t, url, handler.Options{Exchange: b.Exchange(t), Buffer: 20_000, Level: slog.LevelDebug})
		for range 500 {
			slog.New(h).Debug("d", "text", strings.Repeat("x", 100))
		}
		for range 20 {
			slog.New(h).Error("e", "text", strings.Repeat("x", 100))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		_ = h.Close(ctx)
		// One that is tried again at that moment is unknown.
		if s := h.Stats(); s.Dropped.Levels.Error+s.Unknown != 20 || s.Dropped.Total()+s.Unknown != 520 || s.Confirmed != 0 || s.Unknown > 1 {
			t.Errorf("got %+v", s)
		}
	})
}

// A failure during the login is the network's, unless the broker says otherwise.
func TestLoginThatIsCutIsTriedAgainAtOnce(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		u, err := url.Parse(b.URL)
		if err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		target := u.Host
		u.Host = l.Addr().String()
		go func() {
			for n := 0; ; n++ {
				client, err := l.Accept()
				if err != nil {
					return
				}
				up, err := net.Dial("tcp", target)
				if err != nil {
					return
				}
				go func() { io.Copy(up, client); up.Close() }()
				if n == 0 { // connection.start, and the end
					start := make([]byte, 7)
					_, _ = io.ReadFull(up, start)
					start = append(start, make([]byte, binary.BigEndian.Uint32(start[3:])+1)...)
					_, _ = io.ReadFull(up, start[7:])
					_, _ = client.Write(start)
					client.Close()
					up.Close()
					continue
				}
				go func() { io.Copy(client, up); client.Close() }()
			}
		}()
		h := newHandler(t, u.String(), handler.Options{Exchange: b.Exchange(t)})
		slog.New(h).Info("m")
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // what no retry mends waits for 30 s
		defer cancel()
		if err := h.Close(ctx); err != nil {
			t.Fatal(err)
		}
		if s := h.Stats(); s.Confirmed != 1 || strings.Contains(s.LastError, "refused") || !strings.Contains(s.LastError, "closed the connection during the handshake") {
			t.Errorf("got %+v", s)
		}
	})
}

// A node with another password must not keep the others waiting.
func TestOneBadURLDelaysNoOther(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		proxy := b.Proxy(t)
		h := newHandler(t, b.As(t, "guest", "hunter2")+","+proxy.URL, handler.Options{Exchange: b.Exchange(t)})
		for range 5 {
			slog.New(h).Info("m")
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			err := h.Flush(ctx)
			cancel()
			if err != nil {
				t.Fatal(err)
			}
			proxy.Cut()
		}
		closeClean(t, h)
	})
}

// An internal exchange can't be published to, however often one tries.
func TestInternalExchangeIsAnErrorThatSaysSo(t *testing.T) {
	brokertest.EachReal(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		b.Use(t, func(ch *amqp.Channel) {
			if err := ch.ExchangeDeclare(exchange, "fanout", true, false, true, false, nil); err != nil {
				t.Fatal(err)
			}
		})
		errs := make(chan error, 100)
		h := newHandler(t, b.URL, handler.Options{Exchange: exchange, OnError: func(err error) { errs <- err }})
		slog.New(h).Info("kept")
		err := until(t, errs, "exchange is internal")
		if known, ok := err.(*handler.Error); !ok || known.Retry || known.Hint == "" {
			t.Errorf("got %#v", err)
		}
	})
}

// A message that is too large costs the channel, and with it the word of the
// broker on all that was published unconfirmed.
func TestUnconfirmedMessagesThatAreTooLargeAreTold(t *testing.T) {
	b := limited(t, 1000)
	h := newHandler(t, b.URL, handler.Options{Unconfirmed: true})
	const n = 16
	for range n {
		slog.New(h).Info(strings.Repeat("x", 33000))
	}
	err := h.Close(soonContext(t))
	s := h.Stats()
	if err == nil && s.Unknown > 0 || s.Unknown+s.Dropped.Total() != n {
		t.Errorf("got %v, %+v", err, s)
	}
}
