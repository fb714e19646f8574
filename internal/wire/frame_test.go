package wire

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestReadFrame(t *testing.T) {
	const frameMax = MinFrameMax
	largest := bytes.Repeat([]byte{7}, frameMax)
	for _, test := range []struct {
		name  string
		input []byte
		want  Frame
		err   error
	}{
		{"method", []byte{1, 0, 5, 0, 0, 0, 2, 8, 9, frameEnd}, Frame{FrameMethod, 5, []byte{8, 9}}, nil},
		{"heartbeat", AppendHeartbeat(nil), Frame{FrameHeartbeat, 0, []byte{}}, nil},
		{"largest", AppendFrame(nil, Frame{FrameBody, 65535, largest}), Frame{FrameBody, 65535, largest}, nil},
		{"too large", AppendFrame(nil, Frame{FrameBody, 1, append(largest, 1)}), Frame{}, ErrFrameTooLarge},
		{"announced giant", []byte{3, 0, 1, 0xff, 0xff, 0xff, 0xff}, Frame{}, ErrFrameTooLarge},
		{"bad end", []byte{1, 0, 1, 0, 0, 0, 0, 0}, Frame{}, ErrFrameEnd},
		{"bad type", []byte{4, 0, 1, 0, 0, 0, 0, frameEnd}, Frame{}, ErrFrameType},
		{"nothing", nil, Frame{}, io.EOF},
		{"half a header", []byte{1, 0, 1}, Frame{}, io.ErrUnexpectedEOF},
		{"half a payload", []byte{1, 0, 1, 0, 0, 0, 2, 8}, Frame{}, io.ErrUnexpectedEOF},
		{"no end", []byte{1, 0, 1, 0, 0, 0, 2, 8, 9}, Frame{}, io.ErrUnexpectedEOF},
	} {
		t.Run(test.name, func(t *testing.T) {
			for name, src := range map[string]io.Reader{
				"whole": bytes.NewReader(test.input), "byte by byte": iotest.OneByteReader(bytes.NewReader(test.input)),
			} {
				got, err := NewReader(src, frameMax).ReadFrame()
				if !errors.Is(err, test.err) {
					t.Fatalf("%s: got error %v, want %v", name, err, test.err)
				}
				if err == nil && (got.Type != test.want.Type || got.Channel != test.want.Channel || !bytes.Equal(got.Payload, test.want.Payload)) {
					t.Errorf("%s: got %v, want %v", name, got, test.want)
				}
			}
		})
	}
}

func TestReaderNeedsOneReadForManyFrames(t *testing.T) {
	var input []byte
	for range 100 {
		input = AppendHeartbeat(input)
	}
	src := &countingReader{r: bytes.NewReader(input)}
	r := NewReader(src, MinFrameMax)
	for i := range 100 {
		if _, err := r.ReadFrame(); err != nil {
			t.Fatal(err)
		}
		if got, want := r.Buffered(), i < 99; got != want {
			t.Fatalf("Buffered after frame %d: got %t, want %t", i, got, want)
		}
	}
	if src.reads != 1 {
		t.Errorf("got %d reads, want 1", src.reads)
	}
}

type countingReader struct {
	r     io.Reader
	reads int
}

func (c *countingReader) Read(p []byte) (int, error) {
	c.reads++
	return c.r.Read(p)
}

// TestReaderBufferGrowsWithInput tests that an announced size alone makes
// nobody allocate.
func TestReaderBufferGrowsWithInput(t *testing.T) {
	input := append([]byte{FrameBody, 0, 1, 0, 64, 0, 0}, make([]byte, 10000)...)
	r := NewReader(bytes.NewReader(input), 8<<20)
	if _, err := r.ReadFrame(); err != io.ErrUnexpectedEOF {
		t.Fatalf("got %v, want unexpected EOF", err)
	}
	if len(r.buf) > 32<<10 {
		t.Errorf("the buffer has %d bytes for 10007 that came", len(r.buf))
	}
}

func TestReadProtocolHeader(t *testing.T) {
	r := NewReader(bytes.NewReader(append([]byte(ProtocolHeader), AppendHeartbeat(nil)...)), MinFrameMax)
	if h, err := r.ReadProtocolHeader(); h != ProtocolHeader || err != nil {
		t.Errorf("got %q, %v", h, err)
	}
	if f, err := r.ReadFrame(); f.Type != FrameHeartbeat || err != nil {
		t.Errorf("got %v, %v after the header", f, err)
	}
	if _, err := NewReader(bytes.NewReader([]byte("AMQP")), MinFrameMax).ReadProtocolHeader(); err != io.ErrUnexpectedEOF {
		t.Errorf("got %v for half a header", err)
	}
}

func TestNoProgress(t *testing.T) {
	if _, err := NewReader(stuckReader{}, MinFrameMax).ReadFrame(); err != io.ErrNoProgress {
		t.Errorf("got %v, want %v", err, io.ErrNoProgress)
	}
}

type stuckReader struct{}

func (stuckReader) Read([]byte) (int, error) { return 0, nil }

func TestAppendBodySplits(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789"), 1000)
	r := NewReader(bytes.NewReader(AppendBody(nil, 3, body, MinFrameMax)), MinFrameMax)
	var got []byte
	frames := 0
	for ; ; frames++ {
		f, err := r.ReadFrame()
		if err == io.EOF {
			break
		}
		if err != nil || f.Type != FrameBody || f.Channel != 3 {
			t.Fatalf("got %v, %v", f, err)
		}
		got = append(got, f.Payload...)
	}
	if !bytes.Equal(got, body) || frames != 3 {
		t.Errorf("got %d bytes in %d frames, want %d in 3", len(got), frames, len(body))
	}
	if b := AppendBody(nil, 3, nil, MinFrameMax); b != nil {
		t.Errorf("an empty body has frames: %v", b)
	}
}

// FuzzFrame reads frames from any bytes, whole and in pieces, and writes them
// again.
func FuzzFrame(f *testing.F) {
	f.Add([]byte{1, 0, 5, 0, 0, 0, 2, 8, 9, frameEnd}, uint16(3))
	f.Add(append(AppendHeartbeat(nil), AppendBody(nil, 1, make([]byte, 5000), MinFrameMax)...), uint16(100))
	f.Add([]byte{3, 0, 1, 0xff, 0xff, 0xff, 0xff}, uint16(1))
	f.Fuzz(func(t *testing.T, input []byte, piece uint16) {
		whole := NewReader(bytes.NewReader(input), MinFrameMax)
		pieces := NewReader(&pieceReader{input, int(piece%512) + 1}, MinFrameMax)
		read := 0
		for {
			a, errA := whole.ReadFrame()
			b, errB := pieces.ReadFrame()
			if (errA == nil) != (errB == nil) || a.Type != b.Type || !bytes.Equal(a.Payload, b.Payload) {
				t.Fatalf("whole: %v %v, in pieces: %v %v", a, errA, b, errB)
			}
			if len(whole.buf) > 8*MinFrameMax {
				t.Fatalf("the buffer grew to %d bytes", len(whole.buf))
			}
			if errA != nil {
				return
			}
			again := AppendFrame(nil, a)
			if !bytes.Equal(again, input[read:read+len(again)]) {
				t.Fatalf("frame %v changed", a)
			}
			read += len(again)
		}
	})
}

// A pieceReader returns at most n bytes at a time.
type pieceReader struct {
	b []byte
	n int
}

func (p *pieceReader) Read(dst []byte) (int, error) {
	if len(p.b) == 0 {
		return 0, io.EOF
	}
	n := copy(dst[:min(len(dst), p.n)], p.b)
	p.b = p.b[n:]
	return n, nil
}
