package link

import (
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/slogcast/slogcast/internal/wire"
)

// Delivery is a message as it came.
type Delivery struct {
	Tag        uint64
	Properties []byte // flags and list, as in a content header (AMQP 0-9-1 section 4.2.6.1)
	Body       []byte
	Skipped    uint64 // bytes announced for a body that is longer than MaxBody, and left out

	chunk *chunk // has Properties, and Body unless that is large
}

// chunk is memory that messages share, and that is used again when none of them
// needs it any more.
type chunk struct {
	mem  []byte       // owned by the library's reader
	uses atomic.Int32 // messages in it, and the reader while it is not full
}

// MaxBody is the most bytes of a message that are read, as many as RabbitMQ takes
// by default in any series. Of a longer one the broker's announcement is all that
// is kept: a peer can announce 2^64-1.
const MaxBody = 128 << 20

// deliverySize is about what a Delivery itself takes.
const deliverySize = 80

// Size is about how many bytes of memory the message takes.
func (d *Delivery) Size() int { return deliverySize + len(d.Properties) + len(d.Body) }

// Consumer receives messages over a channel of its own. Like a Publisher's, they
// go past the library, which would decode all their properties, allocate for each,
// and hand every single one from goroutine to goroutine. What else is done on the
// channel is done with the library. But for Arrived, Crowded and Ended, one
// goroutine uses a Consumer.
//
// Reading never waits for Take: the broker must not take us for dead, nor we the
// broker, and what the library asks for is answered behind the messages that are
// under way. Crowded tells when it is time to have the broker stop.
type Consumer struct {
	conn    *Conn
	library *amqp.Channel
	closed  <-chan error // see Closed

	channel uint16
	most    int                  // bytes of a frame's payload
	ended   <-chan amqp.Delivery // the library's, which gets none
	arrived chan struct{}        // has a value when Take may have something
	enough  chan struct{}        // has a value when half of the prefetch waits for Take
	crowded chan struct{}        // has a value when more than readAhead waits for Take
	rests   atomic.Bool          // see Rest

	// Owned by the library's reader: the message that is coming.
	coming Delivery
	want   byte   // the kind of frame that comes next for it; wire.FrameMethod between messages
	left   uint64 // bytes of its body to come
	chunk  *chunk // for the next messages
	waste  []byte // for what is skipped

	mu    sync.Mutex // guards what follows
	spare []*chunk   // that nobody uses
	ready []Delivery
	half  int  // of the prefetch
	bytes int  // of ready
	news  bool // a message came since tell
}

// ReadAhead is about how many bytes of messages may wait for Take, which prefetch
// counts in messages alone: one may have 10 bytes or many megabytes.
const ReadAhead = 8 << 20

// chunkSize is how much memory messages share that are not large, and mostSpare how
// many chunks are kept for later.
const (
	chunkSize = 512 << 10
	mostSpare = ReadAhead / chunkSize
)

// Consumer opens a channel to consume on. A connection has one Consumer.
func (c *Conn) Consumer() (*Consumer, error) {
	ch, err := c.openChannel()
	if err != nil {
		return nil, err
	}
	in := newConsumer(uint16(c.frames.opened.Load()), c.maxFrame()-wire.FrameOverhead)
	in.conn, in.library, in.closed = c, ch, errorsOf(ch.NotifyClose(make(chan *amqp.Error, 1)))
	c.frames.consumer.Store(in)
	return in, nil
}

func newConsumer(channel uint16, most int) *Consumer {
	return &Consumer{
		channel: channel,
		most:    most,
		arrived: make(chan struct{}, 1),
		enough:  make(chan struct{}, 1),
		crowded: make(chan struct{}, 1),
		want:    wire.FrameMethod,
	}
}

// Arrived has a value when there may be something new to Take.
func (in *Consumer) Arrived() <-chan struct{} { return in.arrived }

// Enough has a value when half of the prefetch waits for Take, or did: who lets
// messages gather must not leave the broker without one that it may send.
func (in *Consumer) Enough() <-chan struct{} { return in.enough }

// Crowded has a value when more than ReadAhead bytes wait for Take, or did.
func (in *Consumer) Crowded() <-chan struct{} { return in.crowded }

// Ended is closed when no more messages come: the consumer is cancelled, or the
// channel closed. Those that came before can be taken still.
func (in *Consumer) Ended() <-chan amqp.Delivery { return in.ended }

// Take returns the messages that have arrived, oldest first, and forgets what it
// returned the last time: the slice is used again, and what the messages have only
// once they are released.
func (in *Consumer) Take(last []Delivery) []Delivery {
	clear(last) // lets go of bodies
	in.mu.Lock()
	defer in.mu.Unlock()
	taken := in.ready
	in.ready, in.bytes = last[:0], 0
	return taken
}

// Rest has the network read no more than once in 2 ms, as long as that brings all
// there is: for a message or two at a time, reading costs more than all else. It is
// for whoever lets messages gather for longer anyway.
func (in *Consumer) Rest(on bool) { in.rests.Store(on) }

// rest waits before the next read, after one that brought so many bytes.
func (in *Consumer) rest(got int, read time.Time) {
	const every, all = 2 * time.Millisecond, buffered / 2
	if !in.rests.Load() || got > all {
		return
	}
	if early := every - time.Since(read); early > 0 {
		time.Sleep(early)
	}
}

// Release gives back the memory of messages that were taken: nothing of them is
// valid any more. Of those that are not released the garbage collector takes care.
func (in *Consumer) Release(messages []Delivery) {
	for i := range messages {
		in.letGo(messages[i].chunk)
	}
}

// letGo notes that one less uses a chunk, nil for none.
func (in *Consumer) letGo(c *chunk) {
	if c == nil || c.uses.Add(-1) > 0 {
		return
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.spare) < mostSpare {
		in.spare = append(in.spare, c)
	}
}

// tell makes Arrived ready when messages have come since it last did.
func (in *Consumer) tell() {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.news {
		return
	}
	in.news = false
	raise(in.arrived)
}

// raise gives a channel its value, if it has none.
func raise(flag chan struct{}) {
	select {
	case flag <- struct{}{}:
	default:
	}
}

// errFrameEnd is what the library calls a malformed frame.
var errFrameEnd = errors.New("malformed frame: it has no end")

// read reads a frame of the Consumer's channel from f, unless it is the
// library's: that is told of all but messages, and of what makes no sense.
func (in *Consumer) read(f *frames, kind byte, size int) (mine bool, err error) {
	if kind != in.want || size > in.most {
		return false, nil
	}
	switch kind {
	case wire.FrameMethod:
		return in.readDeliver(f, size)
	case wire.FrameHeader:
		return in.readHeader(f, size)
	case wire.FrameBody:
		return in.readBody(f, size)
	}
	return false, nil
}

// readDeliver reads basic.deliver: consumer tag, delivery tag, whether it was
// delivered before, exchange, routing key.
func (in *Consumer) readDeliver(f *frames, size int) (mine bool, err error) {
	const longest = 4 + 256 + 8 + 1 + 256 + 256
	if size < 4+1+8 || size > longest {
		return false, nil
	}
	frame, err := f.in.Peek(frameHead + size + 1)
	if err != nil || frame[frameHead+size] != frameEnd {
		return false, nil // the library finds the same
	}
	payload := frame[frameHead : frameHead+size]
	tag := 4 + 1 + int(payload[4])
	if binary.BigEndian.Uint32(payload) != uint32(wire.BasicDeliverID) || tag+8 > size {
		return false, nil
	}
	in.coming = Delivery{Tag: binary.BigEndian.Uint64(payload[tag:])}
	in.want = wire.FrameHeader
	_, _ = f.in.Discard(len(frame)) // it is there
	return true, nil
}

// readHeader reads a content header: class, weight, size of the body, properties.
func (in *Consumer) readHeader(f *frames, size int) (mine bool, err error) {
	const fixed = 2 + 2 + 8
	if size < fixed+2 {
		return false, nil
	}
	head, err := f.in.Peek(frameHead + fixed)
	if err != nil {
		return true, err
	}
	in.left = binary.BigEndian.Uint64(head[frameHead+4:])
	// What is announced need not come.
	body := int(min(in.left, 1<<20))
	if in.left > MaxBody {
		body = 0
	}
	var header []byte
	header, in.coming.Body = in.space(size, body)
	if header, err = in.readPayload(f, header, size); err != nil {
		return true, err
	}
	in.coming.Properties = header[fixed:]
	if in.left > MaxBody {
		in.coming.Skipped = in.left
		in.hand() // the rest may never come
	}
	in.want = wire.FrameBody
	in.complete()
	return true, nil
}

func (in *Consumer) readBody(f *frames, size int) (mine bool, err error) {
	if uint64(size) > in.left {
		return false, nil
	}
	if in.coming.Skipped > 0 {
		in.waste, err = in.readPayload(f, in.waste[:0], size)
	} else {
		in.coming.Body, err = in.readPayload(f, in.coming.Body, size)
	}
	if err != nil {
		return true, err
	}
	in.left -= uint64(size)
	in.complete()
	return true, nil
}

// complete hands over the message once nothing of it is missing.
func (in *Consumer) complete() {
	if in.left > 0 {
		return
	}
	in.want = wire.FrameMethod
	if in.coming.Skipped == 0 {
		in.hand()
	}
}

// hand hands over the message.
func (in *Consumer) hand() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.ready = append(in.ready, in.coming)
	in.bytes += in.coming.Size()
	in.news = true
	if len(in.ready) == in.half {
		raise(in.enough)
	}
	if in.bytes > ReadAhead {
		raise(in.crowded)
		raise(in.arrived)
	}
}

// readPayload reads a frame, and appends its payload to dst.
func (in *Consumer) readPayload(f *frames, dst []byte, size int) ([]byte, error) {
	_, _ = f.in.Discard(frameHead) // it has been looked at
	at := len(dst)
	dst = slices.Grow(dst, size)[:at+size]
	if _, err := io.ReadFull(f.in, dst[at:]); err != nil {
		return nil, err
	}
	if end, err := f.in.ReadByte(); err != nil || end != frameEnd {
		return nil, errors.Join(errFrameEnd, err)
	}
	return dst, nil
}

// space returns room for the header and the body of the message that is coming.
func (in *Consumer) space(header, body int) (forHeader, forBody []byte) {
	const large = chunkSize / 4
	if header > large {
		return make([]byte, 0, header), make([]byte, 0, body)
	}
	inChunk := header
	if header+body <= large {
		inChunk += body
	}
	if in.chunk == nil || cap(in.chunk.mem)-len(in.chunk.mem) < inChunk {
		in.letGo(in.chunk)
		in.chunk = in.newChunk()
	}
	in.chunk.uses.Add(1)
	in.coming.chunk = in.chunk
	at, end := len(in.chunk.mem), len(in.chunk.mem)+inChunk
	in.chunk.mem = in.chunk.mem[:end]
	forHeader, forBody = in.chunk.mem[at:at:at+header], in.chunk.mem[at+header:at+header:end]
	if inChunk < header+body {
		forBody = make([]byte, 0, body)
	}
	return forHeader, forBody
}

// newChunk returns a chunk that nobody uses but the reader.
func (in *Consumer) newChunk() (c *chunk) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if n := len(in.spare); n > 0 {
		c, in.spare = in.spare[n-1], in.spare[:n-1]
		c.mem = c.mem[:0]
	} else {
		c = &chunk{mem: make([]byte, 0, chunkSize)}
	}
	c.uses.Store(1)
	return c
}
