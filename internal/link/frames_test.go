package link

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"

	amqp "github.com/rabbitmq/amqp091-go"
)

// scriptConn reads from a reader, and notes each write.
type scriptConn struct {
	net.Conn
	io.Reader
	writes [][]byte
}

func (c *scriptConn) Read(p []byte) (int, error) { return c.Reader.Read(p) }
func (c *scriptConn) Write(p []byte) (int, error) {
	c.writes = append(c.writes, bytes.Clone(p))
	return len(p), nil
}

// method returns a method frame.
func method(channel uint16, id uint32, arguments string) string {
	b := binary.BigEndian.AppendUint16([]byte{frameMethod}, channel)
	b = binary.BigEndian.AppendUint32(b, uint32(4+len(arguments)))
	b = binary.BigEndian.AppendUint32(b, id)
	return string(append(append(b, arguments...), frameEnd))
}

// answerFrame returns basic.ack or basic.nack.
func answerFrame(channel uint16, id uint32, tag uint64, bits byte) string {
	return method(channel, id, string(append(binary.BigEndian.AppendUint64(nil, tag), bits)))
}

// newTestPublisher returns a Publisher on channel 7 of frames that read from r,
// with so many messages open.
func newTestPublisher(r io.Reader, window, open int) (*Publisher, *scriptConn) {
	c := &scriptConn{Reader: r}
	f := newFrames(c)
	p := &Publisher{
		frames: f, channel: 7, most: 100, answers: make([]answer, window),
		answered: make(chan struct{}, 1), first: 1, next: uint64(open) + 1, answerTo: 1,
	}
	f.publisher.Store(p)
	return p, c
}

func TestAnswersAreTakenOutOfWhatTheLibraryReads(t *testing.T) {
	heart := string(heartbeat)
	body := method(7, 60<<16|60, strings.Repeat("x", 300)) // longer than a reader's buffer below
	other := answerFrame(6, basicAck, 1, 0)
	short := method(7, basicAck, "short")
	stream := heart + answerFrame(7, basicAck, 1, 0) + body + answerFrame(7, basicNack, 2, 0) +
		other + short + answerFrame(7, basicAck, 4, 1) + method(7, channelOpenOk, "\x00\x00\x00\x00")
	for name, r := range map[string]io.Reader{
		"at once":       strings.NewReader(stream),
		"byte by byte":  iotest.OneByteReader(strings.NewReader(stream)),
		"half as asked": iotest.HalfReader(strings.NewReader(stream)),
	} {
		t.Run(name, func(t *testing.T) {
			p, _ := newTestPublisher(r, 8, 5)
			got, err := io.ReadAll(iotest.HalfReader(p.frames))
			want := body + other + short + method(7, channelOpenOk, "\x00\x00\x00\x00")
			if err != nil || withoutHearts(got) != want {
				t.Errorf("the library reads %q, %v, want %q", got, err, want)
			}
			for _, want := range []struct {
				n       int
				refused bool
			}{{1, false}, {1, true}, {2, false}, {0, false}} {
				if n, refused := p.Answers(); n != want.n || refused != want.refused {
					t.Errorf("got %d, %v, want %+v", n, refused, want)
				}
			}
			select {
			case <-p.Answered():
			default:
				t.Error("nobody was told")
			}
			if got := p.frames.opened.Load(); got != 7 {
				t.Errorf("got channel %d, want 7", got)
			}
		})
	}
}

// What is no frame is for the library, whole.
func TestWhatIsNoFrameIsPassedOn(t *testing.T) {
	for _, stream := range []string{
		"", "\x01", "HTTP/1.1 400 Bad Request", "AMQP\x00\x01\x00\x00", "\x01\x00\x07\x00\x00\x00\x0d",
		"\x01\x00\x07\xff\xff\xff\xff\x00\x3c\x00\x50", "\x01\x00\x07\x00\x00\x00\x00\xce", "\x01\x00\x07\x00\x00\x00\x04\x00\x3c",
		strings.TrimSuffix(answerFrame(7, basicAck, 1, 0), "\xce") + "!",
		strings.TrimSuffix(answerFrame(7, basicAck, 1, 0), "\xce"),
	} {
		p, _ := newTestPublisher(iotest.OneByteReader(strings.NewReader(stream)), 8, 5)
		if got, err := io.ReadAll(p.frames); err != nil || string(got) != stream {
			t.Errorf("got %q, %v, want %q", got, err, stream)
		}
		if n, _ := p.Answers(); n != 0 {
			t.Errorf("%q was taken for an answer", stream)
		}
	}
}

// The library ends a connection that brings it nothing, while answers come all
// the time.
func TestTheLibraryIsToldThatThePeerLives(t *testing.T) {
	p, _ := newTestPublisher(strings.NewReader(answerFrame(7, basicAck, 1, 0)+answerFrame(7, basicAck, 2, 0)), 8, 2)
	if got, err := io.ReadAll(iotest.OneByteReader(p.frames)); err != nil || !bytes.Equal(got, heartbeat) {
		t.Errorf("got %q, %v, want one heartbeat in place of two answers", got, err)
	}
}

func TestWritesGoTogether(t *testing.T) {
	p, c := newTestPublisher(nil, 8, 0)
	want := func(n int) {
		t.Helper()
		if len(c.writes) != n {
			t.Fatalf("got %d writes, want %d", len(c.writes), n)
		}
		c.writes = nil
	}
	publish := func(size int) {
		t.Helper()
		if err := p.Publish("key", []byte{0, 0}, make([]byte, size)); err != nil {
			t.Fatal(err)
		}
	}
	publish(10)
	publish(10)
	want(0)
	if err := p.Flush(); err != nil {
		t.Fatal(err)
	}
	want(1)
	_ = p.Flush()
	want(0)
	publish(10)
	if _, err := p.frames.Write(heartbeat); err != nil { // of the library
		t.Fatal(err)
	}
	want(2)
	publish(2*buffered + 10)
	want(2)
	_ = p.Flush()
	want(1)
}

func TestNothingIsPublishedBehindTheEnd(t *testing.T) {
	for name, tt := range map[string]struct {
		frame string
		want  error
	}{
		"channel.close":              {method(7, channelClose, "..."), amqp.ErrClosed},
		"channel.close-ok":           {method(7, channelCloseOk, ""), amqp.ErrClosed},
		"connection.close":           {method(0, connectionClose, "..."), amqp.ErrClosed},
		"connection.close-ok":        {method(0, connectionCloseOk, ""), amqp.ErrClosed},
		"another channel's close":    {method(8, channelClose, "..."), nil},
		"another channel's close-ok": {method(8, channelCloseOk, ""), nil},
		"heartbeat":                  {string(heartbeat), nil},
	} {
		p, _ := newTestPublisher(nil, 8, 0)
		if _, err := p.frames.Write([]byte(tt.frame)); err != nil {
			t.Fatal(err)
		}
		if err := p.Publish("", []byte{0, 0}, nil); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", name, err, tt.want)
		}
	}
}
