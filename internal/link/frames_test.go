package link

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/slogcast/slogcast/internal/wire"
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
func (c *scriptConn) SetWriteDeadline(time.Time) error { return nil }

// method returns a method frame.
func method(channel uint16, id wire.MethodID, arguments string) string {
	b := binary.BigEndian.AppendUint16([]byte{wire.FrameMethod}, channel)
	b = binary.BigEndian.AppendUint32(b, uint32(4+len(arguments)))
	b = binary.BigEndian.AppendUint32(b, uint32(id))
	return string(append(append(b, arguments...), frameEnd))
}

// answerFrame returns basic.ack or basic.nack.
func answerFrame(channel uint16, id wire.MethodID, tag uint64, bits byte) string {
	return method(channel, id, string(append(binary.BigEndian.AppendUint64(nil, tag), bits)))
}

// newTestPublisher returns a Publisher on channel 7 of frames that read from r. Its
// frames have at most 100 bytes of payload.
func newTestPublisher(r io.Reader) (*Publisher, *scriptConn) {
	c := &scriptConn{Reader: r}
	f := newFrames(c)
	f.begun = true
	p := &Publisher{frames: f, socket: newSocket(c, time.Minute), channel: 7, most: 100, answered: make(chan struct{}, 1)}
	f.publisher.Store(p)
	return p, c
}

func TestAnswersAreTakenOutOfWhatTheLibraryReads(t *testing.T) {
	heart := string(heartbeat)
	body := method(7, 60<<16|60, strings.Repeat("x", 300)) // longer than a reader's buffer below
	other := answerFrame(6, wire.BasicAckID, 1, 0)
	short := method(7, wire.BasicAckID, "short")
	stream := heart + answerFrame(7, wire.BasicAckID, 1, 0) + body + answerFrame(7, wire.BasicNackID, 2, 0) +
		other + short + answerFrame(7, wire.BasicAckID, 4, 1) + method(7, wire.ChannelOpenOkID, "\x00\x00\x00\x00")
	for name, r := range map[string]io.Reader{
		"at once":       strings.NewReader(stream),
		"byte by byte":  iotest.OneByteReader(strings.NewReader(stream)),
		"half as asked": iotest.HalfReader(strings.NewReader(stream)),
	} {
		t.Run(name, func(t *testing.T) {
			p, _ := newTestPublisher(r)
			got, err := io.ReadAll(iotest.HalfReader(p.frames))
			want := body + other + short + method(7, wire.ChannelOpenOkID, "\x00\x00\x00\x00")
			if err != nil || withoutHearts(got) != want {
				t.Errorf("the library reads %q, %v, want %q", got, err, want)
			}
			if got, want := p.Answers(nil), []Answer{{1, 1, false}, {2, 2, true}, {0, 4, false}}; !slices.Equal(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if got := p.Answers(nil); len(got) > 0 {
				t.Errorf("got %+v again", got)
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
		strings.TrimSuffix(answerFrame(7, wire.BasicAckID, 1, 0), "\xce") + "!",
		strings.TrimSuffix(answerFrame(7, wire.BasicAckID, 1, 0), "\xce"),
	} {
		p, _ := newTestPublisher(iotest.OneByteReader(strings.NewReader(stream)))
		if got, err := io.ReadAll(p.frames); err != nil || string(got) != stream {
			t.Errorf("got %q, %v, want %q", got, err, stream)
		}
		if len(p.Answers(nil)) != 0 {
			t.Errorf("%q was taken for an answer", stream)
		}
	}
}

// The library ends a connection that brings it nothing, while answers come all
// the time.
func TestTheLibraryIsToldThatThePeerLives(t *testing.T) {
	p, _ := newTestPublisher(strings.NewReader(answerFrame(7, wire.BasicAckID, 1, 0) + answerFrame(7, wire.BasicAckID, 2, 0)))
	if got, err := io.ReadAll(iotest.OneByteReader(p.frames)); err != nil || !bytes.Equal(got, heartbeat) {
		t.Errorf("got %q, %v, want one heartbeat in place of two answers", got, err)
	}
}

func TestWritesGoTogether(t *testing.T) {
	p, c := newTestPublisher(nil)
	want := func(n int) {
		t.Helper()
		if len(c.writes) != n {
			t.Fatalf("got %d writes, want %d", len(c.writes), n)
		}
		c.writes = nil
	}
	flush := func() {
		t.Helper()
		if done, err := p.Flush(); !done || err != nil {
			t.Fatalf("got %v, %v", done, err)
		}
	}
	publish := func(size int) {
		t.Helper()
		p.Publish("key", []byte{0, 0}, [][]byte{make([]byte, size)})
	}
	publish(10)
	publish(10)
	want(0)
	flush()
	want(1)
	flush()
	want(0)
	publish(10)
	if _, err := p.frames.Write(heartbeat); err != nil { // of the library
		t.Fatal(err)
	}
	want(1)
	publish(10 * buffered)
	want(0)
	flush()
	want(11)
}

// parseFrames returns the frames in b.
func parseFrames(t *testing.T, b []byte) (frames []string) {
	t.Helper()
	for len(b) > 0 {
		n := frameHead + int(binary.BigEndian.Uint32(b[3:])) + 1
		if len(b) < n || b[n-1] != frameEnd {
			t.Fatalf("no frame: %q", b)
		}
		frames, b = append(frames, string(b[:n])), b[n:]
	}
	return frames
}

// Whatever pieces the library writes in, messages go between its frames.
func TestMessagesGoBetweenFramesOfTheLibrary(t *testing.T) {
	library := "AMQP\x00\x00\x09\x01" + method(1, wire.QueueDeclareID, strings.Repeat("q", 50)) + string(heartbeat) + method(2, wire.BasicQosID, "qos")
	for size := 1; size <= len(library); size++ {
		p, c := newTestPublisher(nil)
		p.frames.begun = false
		for at := 0; at < len(library); at += size {
			if _, err := p.frames.Write([]byte(library[at:min(at+size, len(library))])); err != nil {
				t.Fatal(err)
			}
			if at >= 8 {
				p.Publish("", []byte{0, 0}, [][]byte{[]byte("message")})
				if done, err := p.Flush(); !done || err != nil {
					t.Fatalf("got %v, %v", done, err)
				}
			}
		}
		all := bytes.Join(c.writes, nil)
		var got string
		for _, frame := range parseFrames(t, all[8:]) {
			if binary.BigEndian.Uint16([]byte(frame)[1:]) != 7 {
				got += frame
			}
		}
		if want := library[8:]; got != want {
			t.Fatalf("in pieces of %d: got %q, want %q", size, got, want)
		}
	}
}

// The parts of a body come joined by newlines, whatever their sizes and those of
// the frames.
func TestPartsAreJoined(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		p, c := newTestPublisher(nil)
		p.most = 1 + rnd.IntN(50)
		var parts [][]byte
		for range rnd.IntN(20) {
			parts = append(parts, bytes.Repeat([]byte{byte('a' + rnd.IntN(26))}, rnd.IntN(60)*rnd.IntN(2)))
		}
		if seed%10 == 0 {
			parts = append(parts, make([]byte, 3*buffered))
		}
		want := bytes.Join(parts, []byte{'\n'})
		end, _ := p.Publish("key", []byte{0, 0}, slices.Clone(parts))
		if done, err := p.Flush(); !done || err != nil {
			t.Fatalf("got %v, %v", done, err)
		}
		all := bytes.Join(c.writes, nil)
		var got []byte
		for _, frame := range parseFrames(t, all)[2:] {
			got = append(got, frame[frameHead:len(frame)-1]...)
		}
		if !bytes.Equal(got, want) || end != uint64(len(all)) {
			t.Fatalf("seed %d: got %q, want %q; end %d of %d", seed, got, want, end, len(all))
		}
	}
}

func TestNothingIsPublishedBehindTheEnd(t *testing.T) {
	for name, tt := range map[string]struct {
		frame string
		want  error
	}{
		"channel.close":              {method(7, wire.ChannelCloseID, "..."), ErrEnded},
		"channel.close-ok":           {method(7, wire.ChannelCloseOkID, ""), ErrEnded},
		"connection.close":           {method(0, wire.ConnectionCloseID, "..."), ErrEnded},
		"connection.close-ok":        {method(0, wire.ConnectionCloseOkID, ""), ErrEnded},
		"another channel's close":    {method(8, wire.ChannelCloseID, "..."), nil},
		"another channel's close-ok": {method(8, wire.ChannelCloseOkID, ""), nil},
		"heartbeat":                  {string(heartbeat), nil},
	} {
		p, _ := newTestPublisher(nil)
		if _, err := p.frames.Write([]byte(tt.frame)); err != nil {
			t.Fatal(err)
		}
		p.Publish("", []byte{0, 0}, nil)
		if _, err := p.Flush(); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", name, err, tt.want)
		}
	}
}
