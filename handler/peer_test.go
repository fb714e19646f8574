package handler_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/slogcast/slogcast/handler"
	"github.com/slogcast/slogcast/internal/wire"
)

// peer is one connection of a broker that answers everything, and does with messages
// what a test says.
type peer struct {
	net.Conn
	channels *atomic.Int32 // that were opened, over all connections
	messages uint64        // on the channel opened last
}

// answers are what it says to what needs no thought.
var answers = map[wire.MethodID]wire.Method{
	wire.ConnectionStartOkID: &wire.ConnectionTune{ChannelMax: 2047, FrameMax: 131072},
	wire.ConnectionOpenID:    &wire.ConnectionOpenOk{},
	wire.ConnectionCloseID:   &wire.Bare{Method: wire.ConnectionCloseOkID},
	wire.ChannelOpenID:       &wire.ChannelOpenOk{},
	wire.ChannelCloseID:      &wire.Bare{Method: wire.ChannelCloseOkID},
	wire.ExchangeDeclareID:   &wire.Bare{Method: wire.ExchangeDeclareOkID},
	wire.ConfirmSelectID:     &wire.Bare{Method: wire.ConfirmSelectOkID},
	wire.BasicQosID:          &wire.Bare{Method: wire.BasicQosOkID},
}

// peers returns the URL of a broker that calls got for each message, when its body
// has come, and counts the channels that are opened.
func peers(t *testing.T, got func(p *peer, channel uint16, size int)) (url string, channels *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	channels = new(atomic.Int32)
	var working sync.WaitGroup
	working.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			working.Go(func() {
				defer c.Close()
				p := &peer{Conn: c, channels: channels}
				p.serve(got)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		working.Wait()
	})
	return "amqp://" + l.Addr().String() + "/", channels
}

func (p *peer) say(channel uint16, m wire.Method) { _, _ = p.Write(wire.AppendMethod(nil, channel, m)) }

func (p *peer) confirm(channel uint16) { p.say(channel, &wire.BasicAck{DeliveryTag: p.messages}) }

func (p *peer) serve(got func(p *peer, channel uint16, size int)) {
	if _, err := io.ReadFull(p, make([]byte, len(wire.ProtocolHeader))); err != nil {
		return
	}
	p.say(0, &wire.ConnectionStart{VersionMinor: 9, Mechanisms: []byte("PLAIN"), Locales: []byte("en_US")})
	size, left := 0, 0
	for {
		head := make([]byte, 7)
		if _, err := io.ReadFull(p, head); err != nil {
			return
		}
		payload := make([]byte, binary.BigEndian.Uint32(head[3:])+1)
		if _, err := io.ReadFull(p, payload); err != nil {
			return
		}
		channel := binary.BigEndian.Uint16(head[1:])
		switch head[0] {
		case wire.FrameMethod:
			id := wire.MethodID(binary.BigEndian.Uint32(payload))
			if id == wire.ChannelOpenID {
				p.channels.Add(1)
				p.messages = 0
			}
			if m := answers[id]; m != nil {
				p.say(channel, m)
			}
		case wire.FrameHeader:
			size = int(binary.BigEndian.Uint64(payload[4:]))
			left = size
		case wire.FrameBody:
			if left -= len(payload) - 1; left == 0 {
				p.messages++
				got(p, channel, size)
			}
		}
	}
}

// A broker that closes the connection for a message's size is told smaller ones by the
// next connection, and a single record that is too large is given up.
func TestConnectionThatIsClosedForASize(t *testing.T) {
	for _, code := range []uint16{amqp.ContentTooLarge, amqp.FrameError} {
		url, _ := peers(t, func(p *peer, channel uint16, size int) {
			if size > 10_000 {
				p.say(0, &wire.ConnectionClose{Code: code, Text: "message size is too large"})
				return
			}
			p.confirm(channel)
		})
		h := newHandler(t, url, handler.Options{Batch: handler.Batch{Records: 1000}})
		for i := range 1000 {
			slog.New(h).Info("small", "i", i)
		}
		slog.New(h).Info("large", "text", strings.Repeat("x", 20_000))
		slog.New(h).Info("last")
		closeClean(t, h)
		if s := h.Stats(); s.Confirmed != 1001 || s.Dropped.Oversize != 1 || s.Reconnects > 10 {
			t.Errorf("%d: got %+v", code, s)
		}
	}
}

// A broker that names a size and refuses smaller ones, or what was not sent at all, is
// not asked again and again.
func TestBrokerThatIsWrongAboutItsSize(t *testing.T) {
	const text = "PRECONDITION_FAILED - message size 60000 is larger than configured max size "
	for _, most := range []string{"65536", "0", "99999999999999999999"} {
		url, channels := peers(t, func(p *peer, channel uint16, size int) {
			if size > 10_000 {
				p.say(channel, &wire.ChannelClose{Code: amqp.PreconditionFailed, Text: text + most})
				return
			}
			p.confirm(channel)
		})
		h := newHandler(t, url, handler.Options{Batch: handler.Batch{Records: 1000}})
		for i := range 1000 {
			slog.New(h).Info("small", "i", i)
		}
		closeClean(t, h)
		if s := h.Stats(); s.Confirmed != 1000 || channels.Load() > 20 {
			t.Errorf("%s: got %+v over %d channels", most, s, channels.Load())
		}
	}
	url, channels := peers(t, func(p *peer, channel uint16, _ int) {
		p.confirm(channel)
		p.say(channel, &wire.ChannelClose{Code: amqp.PreconditionFailed, Text: text + "65536"})
	})
	h := newHandler(t, url, handler.Options{})
	for range 3 {
		slog.New(h).Info("confirmed, and refused")
		if err := h.Flush(soonContext(t)); err != nil {
			t.Fatal(err)
		}
	}
	if n := channels.Load(); n > 20 {
		t.Errorf("%d channels", n)
	}
}

// Flush ends though others log without a pause, faster than the network.
func TestUnconfirmedFlushBesideOthers(t *testing.T) {
	some := make(chan struct{}, 1)
	url, _ := peers(t, func(p *peer, _ uint16, _ int) {
		if p.messages == 10_000 {
			some <- struct{}{}
		}
	})
	h := newHandler(t, url, handler.Options{Unconfirmed: true})
	stop := make(chan struct{})
	var logging sync.WaitGroup
	for range 2 {
		logging.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					slog.New(h).Info("m", "text", strings.Repeat("x", 200))
				}
			}
		})
	}
	<-some
	for range 3 {
		if err := h.Flush(soonContext(t)); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	logging.Wait()
	if err := h.Close(soonContext(t)); err != nil {
		t.Error(err)
	}
}

// calling calls back for each record.
type calling func()

func (c calling) Enabled(context.Context, slog.Level) bool { return true }
func (c calling) Handle(context.Context, slog.Record) error {
	c()
	return nil
}
func (c calling) WithAttrs([]slog.Attr) slog.Handler { return c }
func (c calling) WithGroup(string) slog.Handler      { return c }

// The Fallback may call Flush and Close with a context that has no end: neither waits
// for the very function that calls it, nor for another call that does.
func TestFallbackMayFlushAndClose(t *testing.T) {
	for _, first := range []bool{true, false} {
		b := limited(t, 100_000)
		ready := make(chan *handler.Handler, 1)
		called, closing := make(chan error, 10), make(chan struct{})
		var calls atomic.Int32
		fallback := func() {
			h := <-ready
			ready <- h
			if !first {
				<-closing
			}
			err := h.Flush(context.Background())
			if first && err == nil && calls.Add(1) == 1 {
				err = h.Close(context.Background())
			} else if h.Close(context.Background()) == nil && first {
				err = errors.New("a call within another has waited for it")
			}
			called <- err
		}
		h := newHandler(t, b.URL, handler.Options{MaxRecord: 1000, Fallback: calling(fallback)})
		for range 3 {
			slog.New(h).Info(strings.Repeat("x", 5000))
		}
		ready <- h
		if !first {
			go func() {
				for h.Handle(t.Context(), slog.Record{}) == nil { // until Close is at it
					runtime.Gosched()
				}
				close(closing)
			}()
			if err := h.Close(context.Background()); err != nil {
				t.Error(err)
			}
		}
		for range 3 {
			if err := <-called; err != nil {
				t.Error(err)
			}
		}
		closeClean(t, h)
		if s := h.Stats(); s.Fallback.Taken < 3 {
			t.Errorf("got %+v", s)
		}
	}
}

// What OnError is told is its own: it may change it.
func TestOnErrorMayChangeWhatItIsTold(t *testing.T) {
	url, _ := peers(t, func(p *peer, channel uint16, _ int) {
		p.say(channel, &wire.BasicNack{DeliveryTag: p.messages})
	})
	told := make(chan struct{}, 100)
	for range 2 {
		h := newHandler(t, url, handler.Options{OnError: func(err error) {
			var known *handler.Error
			if errors.As(err, &known) && strings.HasPrefix(known.Problem, "publish records: the broker refuses") {
				known.Problem = "changed"
				told <- struct{}{}
			}
		}})
		slog.New(h).Info("refused")
		<-told
		discard(h)
	}
}
