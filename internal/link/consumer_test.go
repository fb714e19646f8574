package link

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/slogcast/slogcast/internal/wire"
)

// frame returns a frame of any kind.
func frame(kind byte, channel uint16, payload string) string {
	b := binary.BigEndian.AppendUint16([]byte{kind}, channel)
	b = binary.BigEndian.AppendUint32(b, uint32(len(payload)))
	return string(append(append(b, payload...), frameEnd))
}

func deliver(channel uint16, tag uint64) string {
	return method(channel, wire.BasicDeliverID, "\x03tag"+string(binary.BigEndian.AppendUint64(nil, tag))+"\x00\x04logs\x08shop.log")
}

func header(channel uint16, size uint64, properties string) string {
	return frame(wire.FrameHeader, channel, "\x00\x3c\x00\x00"+string(binary.BigEndian.AppendUint64(nil, size))+properties)
}

// newTestConsumer returns a Consumer on channel 7 of frames that read from r.
func newTestConsumer(r io.Reader) (*Consumer, *frames) {
	f := newFrames(&scriptConn{Reader: r})
	in := newConsumer(7, 1<<20)
	f.consumer.Store(in)
	return in, f
}

// withoutHearts leaves out the heartbeats, of which the library gets more when
// reading is slow.
func withoutHearts(b []byte) string { return strings.ReplaceAll(string(b), string(heartbeat), "") }

func TestMessagesAreTakenOutOfWhatTheLibraryReads(t *testing.T) {
	heart, cancel := string(heartbeat), method(7, 60<<16|30, "\x03tag\x01")
	other := deliver(6, 9) + header(6, 1, "\x00\x00") + frame(wire.FrameBody, 6, "x")
	long := strings.Repeat("y", 3<<20)
	stream := heart + deliver(7, 1) + heart + header(7, 5, "\x80\x00\x04text") + other + frame(wire.FrameBody, 7, "he") + heart + frame(wire.FrameBody, 7, "llo") +
		deliver(7, 2) + header(7, 0, "\x00\x00") + cancel +
		deliver(7, 3) + header(7, uint64(len(long)), "\x00\x00") + frame(wire.FrameBody, 7, long[:1<<20]) + frame(wire.FrameBody, 7, long[1<<20:2<<20]) + frame(wire.FrameBody, 7, long[2<<20:])
	want := []Delivery{
		{Tag: 1, Properties: []byte("\x80\x00\x04text"), Body: []byte("hello")},
		{Tag: 2, Properties: []byte{0, 0}},
		{Tag: 3, Properties: []byte{0, 0}, Body: []byte(long)},
	}
	for name, r := range map[string]io.Reader{
		"at once":       strings.NewReader(stream),
		"byte by byte":  iotest.OneByteReader(strings.NewReader(stream)),
		"half as asked": iotest.HalfReader(strings.NewReader(stream)),
	} {
		t.Run(name, func(t *testing.T) {
			in, f := newTestConsumer(r)
			got, err := io.ReadAll(iotest.HalfReader(f))
			if err != nil || withoutHearts(got) != other+cancel {
				t.Errorf("the library reads %q, %v", got, err)
			}
			select {
			case <-in.Arrived():
			default:
				t.Error("nobody was told")
			}
			messages := in.Take(nil)
			if len(messages) != len(want) {
				t.Fatalf("got %d messages, want %d", len(messages), len(want))
			}
			for i, m := range messages {
				if m.Tag != want[i].Tag || !bytes.Equal(m.Properties, want[i].Properties) || !bytes.Equal(m.Body, want[i].Body) {
					t.Errorf("message %d: got tag %d, %q, %d bytes", i, m.Tag, m.Properties, len(m.Body))
				}
			}
			if again := in.Take(messages); len(again) != 0 {
				t.Errorf("got %d messages again", len(again))
			}
		})
	}
}

// What makes no sense is for the library, or an error of reading.
func TestMalformedMessages(t *testing.T) {
	heart := string(heartbeat)
	begun := deliver(7, 1) + header(7, 3, "\x00\x00")
	cut := func(s string) string { return strings.TrimSuffix(s, "\xce") + "!" }
	for _, tt := range []struct {
		name, stream string
		library      string // what it gets
		want         error
	}{
		{"header without a message", header(7, 1, "\x00\x00"), header(7, 1, "\x00\x00"), nil},
		{"body without a header", deliver(7, 1) + frame(wire.FrameBody, 7, "x"), frame(wire.FrameBody, 7, "x"), nil},
		{"message in a message", begun + deliver(7, 2), deliver(7, 2), nil},
		{"more body than announced", begun + frame(wire.FrameBody, 7, "four"), frame(wire.FrameBody, 7, "four"), nil},
		{"deliver too short", method(7, wire.BasicDeliverID, "\x03tag"), method(7, wire.BasicDeliverID, "\x03tag"), nil},
		{"tag that ends outside", method(7, wire.BasicDeliverID, "\xff123456789012"), method(7, wire.BasicDeliverID, "\xff123456789012"), nil},
		{"header too short", deliver(7, 1) + frame(wire.FrameHeader, 7, "\x00\x3c"), frame(wire.FrameHeader, 7, "\x00\x3c"), nil},
		{"frame larger than agreed", begun + frame(wire.FrameBody, 7, strings.Repeat("x", 1<<20+1)), frame(wire.FrameBody, 7, strings.Repeat("x", 1<<20+1)), nil},
		{"deliver without an end", cut(deliver(7, 1)), cut(deliver(7, 1)), nil},
		{"header without an end", deliver(7, 1) + cut(header(7, 1, "\x00\x00")) + heart, "", errFrameEnd},
		{"body without an end", begun + cut(frame(wire.FrameBody, 7, "abc")), "", errFrameEnd},
		{"half a body", begun + "\x03\x00\x07\x00\x00\x00\x03a", "", io.ErrUnexpectedEOF},
		{"a body that does not come", deliver(7, 1) + header(7, MaxBody, "\x00\x00"), "", nil},
	} {
		in, f := newTestConsumer(iotest.OneByteReader(strings.NewReader(tt.stream)))
		got, err := io.ReadAll(f)
		if withoutHearts(got) != tt.library || !errors.Is(err, tt.want) {
			t.Errorf("%s: the library reads %d bytes, %v, want %d, %v", tt.name, len(got), err, len(tt.library), tt.want)
		}
		if n := len(in.Take(nil)); n != 0 {
			t.Errorf("%s: got %d messages", tt.name, n)
		}
	}
}

// TestWhoReadsTooFarAheadIsTold reads what nobody takes: the library's frames
// behind it must get through, and the broker is to be stopped meanwhile.
func TestWhoReadsTooFarAheadIsTold(t *testing.T) {
	const size = 1 << 20
	message := deliver(7, 1) + header(7, size, "\x00\x00") + frame(wire.FrameBody, 7, strings.Repeat("x", size))
	const fits = ReadAhead/size - 1
	in, f := newTestConsumer(strings.NewReader(strings.Repeat(message, fits)))
	if _, err := io.ReadAll(f); err != nil {
		t.Fatal(err)
	}
	select {
	case <-in.Crowded():
		t.Errorf("crowded by %d MiB", fits)
	default:
	}
	cancelled := method(7, wire.BasicCancelOkID, "\x03tag")
	f.in.Reset(strings.NewReader(message + message + cancelled))
	got, err := io.ReadAll(f)
	if err != nil || withoutHearts(got) != cancelled {
		t.Errorf("the library reads %d bytes, %v", len(got), err)
	}
	<-in.Crowded()
	if n := len(in.Take(nil)); n != fits+2 {
		t.Errorf("got %d messages", n)
	}
}

// TestABodyBeyondTheLimitIsSkipped has one that never ends, and one that does.
func TestABodyBeyondTheLimitIsSkipped(t *testing.T) {
	chunk := frame(wire.FrameBody, 7, strings.Repeat("x", 1<<20))
	many := strings.NewReader(chunk)
	parts := []io.Reader{strings.NewReader(deliver(7, 1) + header(7, MaxBody+1<<20, "\x00\x00"))}
	for range MaxBody>>20 + 1 {
		parts = append(parts, strings.NewReader(chunk))
	}
	parts = append(parts, strings.NewReader(deliver(7, 2)+header(7, 2, "\x00\x00")+frame(wire.FrameBody, 7, "ok")+deliver(7, 3)+header(7, 1<<64-1, "\x00\x00")), many)
	in, f := newTestConsumer(io.MultiReader(parts...))
	if got, err := io.ReadAll(f); err != nil || withoutHearts(got) != "" {
		t.Errorf("the library reads %d bytes, %v", len(got), err)
	}
	got := in.Take(nil)
	if len(got) != 3 || got[0].Skipped != MaxBody+1<<20 || string(got[1].Body) != "ok" || got[2].Skipped != 1<<64-1 {
		t.Fatalf("got %d messages", len(got))
	}
	if n := cap(got[0].Body) + cap(got[2].Body) + cap(in.waste); n > 2<<20 {
		t.Errorf("they hold %d bytes", n)
	}
}

// TestHalfOfThePrefetchIsEnough hands over two messages of the four that there may be.
func TestHalfOfThePrefetchIsEnough(t *testing.T) {
	message := header(7, 0, "\x00\x00")
	in, f := newTestConsumer(strings.NewReader(deliver(7, 1) + message + deliver(7, 2) + message))
	in.half = 2
	if _, err := io.ReadAll(f); err != nil {
		t.Fatal(err)
	}
	select {
	case <-in.Enough():
	default:
		t.Error("it is not told")
	}
	if got := in.Take(nil); len(got) != 2 {
		t.Errorf("got %d messages", len(got))
	}
}

// TestALongMessageKeepsTheLibraryAwake has the pauses fall into bodies, where
// no frame is the library's for longer than it waits.
func TestALongMessageKeepsTheLibraryAwake(t *testing.T) {
	const size = 50_000
	stream := strings.Repeat(deliver(7, 1)+header(7, size, "\x00\x00")+frame(wire.FrameBody, 7, strings.Repeat("x", size)), 40)
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		_, f := newTestConsumer(r)
		go func() {
			defer w.Close()
			for cut := 20_000; cut < len(stream); cut += size + 75 { // within each body
				_, _ = io.WriteString(w, stream[:cut][max(0, cut-size-75):])
				<-time.After(time.Second) // of the bubble's clock
			}
		}()
		got, err := io.ReadAll(f)
		if n := bytes.Count(got, heartbeat); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) || n < 30 {
			t.Errorf("got %d heartbeats in 40 s, %v", n, err)
		}
	})
}

// TestReleasedMemoryIsUsedAgain reads messages of all sizes, of which some are kept
// for long: whatever is released meanwhile, those stay as they came.
func TestReleasedMemoryIsUsedAgain(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var stream strings.Builder
	var want [][]byte
	for tag := range 400 {
		size := []int{0, 10, 1000, 30_000, chunkSize/4 - 14, chunkSize/4 + 1, 700_000}[random.IntN(7)]
		body := bytes.Repeat([]byte{byte(tag)}, size)
		want = append(want, body)
		stream.WriteString(deliver(7, uint64(tag)) + header(7, uint64(size), "\x00\x00"))
		if size > 0 {
			stream.WriteString(frame(wire.FrameBody, 7, string(body)))
		}
	}
	in, f := newTestConsumer(iotest.HalfReader(strings.NewReader(stream.String())))
	var came, held []Delivery
	release := func(d Delivery) {
		if !bytes.Equal(d.Body, want[d.Tag]) || string(d.Properties) != "\x00\x00" {
			t.Fatalf("message %d is not what came", d.Tag)
		}
		in.Release([]Delivery{d})
		clear(d.Body) // it is not ours any more
	}
	for err := error(nil); err == nil; {
		if err = f.next(); err != nil {
			break
		}
		came = in.Take(came)
		held = append(held, came...)
		for len(held) > 40 {
			at := random.IntN(len(held))
			release(held[at])
			held = slices.Delete(held, at, at+1)
		}
	}
	if n := len(held); n != 40 {
		t.Fatalf("%d messages are held", n)
	}
	for _, d := range held {
		release(d)
	}
	if n := len(in.spare); n == 0 || n > mostSpare {
		t.Errorf("%d chunks are spare", n)
	}
}

// pieces reads a piece at a time, and notes when.
type pieces struct {
	rest []string
	at   []time.Time
}

func (p *pieces) Read(b []byte) (int, error) {
	p.at = append(p.at, time.Now())
	if len(p.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.rest[0])
	if p.rest[0] = p.rest[0][n:]; p.rest[0] == "" {
		p.rest = p.rest[1:]
	}
	return n, nil
}

// TestRest has messages that come a few at a time, and then many at once.
func TestRest(t *testing.T) {
	const few, many = 5, 40
	message := deliver(7, 1) + header(7, 1000, "\x00\x00") + frame(wire.FrameBody, 7, strings.Repeat("x", 1000))
	for _, on := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var r pieces
			for range few {
				r.rest = append(r.rest, message)
			}
			for range many {
				r.rest = append(r.rest, strings.Repeat(message, 40))
			}
			in, f := newTestConsumer(&r)
			in.Rest(on)
			began := time.Now()
			if got, err := io.ReadAll(f); err != nil || withoutHearts(got) != "" {
				t.Errorf("the library reads %d bytes, %v", len(got), err)
			}
			want := 0 * time.Millisecond
			if on {
				want = 2 * few * time.Millisecond
			}
			if took := time.Since(began); took != want {
				t.Errorf("rest %v: took %v of the bubble's clock, want %v", on, took, want)
			}
			if n := len(in.Take(nil)); n != few+many*40 {
				t.Errorf("got %d messages", n)
			}
		})
	}
}
