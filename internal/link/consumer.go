package link

import (
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/slogcast/slogcast/internal/wire"
)

// Delivery is a message as it came.
type Delivery struct {
	Tag        uint64
	Properties []byte // flags and list, as in a content header (AMQP 0-9-1 section 4.2.6.1)
	Body       []byte
}

// deliverySize is about what a Delivery itself takes.
const deliverySize = 64

// Consumer receives messages over a channel of its own. Like a Publisher's, they
// go past the library, which would decode all their properties, allocate for each,
// and hand every single one from goroutine to goroutine. What else is done on the
// channel is done with the library. But for Arrived and Ended, one goroutine
// uses a Consumer.
type Consumer struct {
	*amqp.Channel

	channel uint16
	most    int                  // bytes of a frame's payload
	ended   <-chan amqp.Delivery // the library's, which gets none
	arrived chan struct{}        // has a value when Take may have something

	// Owned by the library's reader: the message that is coming.
	coming Delivery
	want   byte   // the kind of frame that comes next for it; wire.FrameMethod between messages
	left   uint64 // bytes of its body to come
	chunk  []byte // for the next messages; those that have come point into it

	taken chan struct{} // has a value when Take has made room

	mu      sync.Mutex // guards what follows
	ready   []Delivery
	bytes   int  // of ready
	news    bool // a message came since tell
	hurried bool // nothing waits for Take: not before the next one
	readAll bool // nor then
}

// readAhead is about how many bytes of messages are read before Take, which
// prefetch counts in messages alone: a batch may have a megabyte. Reading waits
// for Take no longer than patience, and then goes on: the broker must not take us
// for dead, nor we the broker.
const readAhead = 2 << 20

// chunkSize is how much memory small messages share.
const chunkSize = 64 << 10

// Consumer opens a channel to consume on. A connection has one Consumer.
func (c *Conn) Consumer() (*Consumer, error) {
	ch, err := c.conn.Channel()
	if err != nil {
		return nil, err
	}
	in := &Consumer{
		Channel: ch,
		channel: uint16(c.frames.opened.Load()),
		most:    c.maxFrame() - wire.FrameOverhead,
		arrived: make(chan struct{}, 1),
		taken:   make(chan struct{}, 1),
		want:    wire.FrameMethod,
	}
	c.frames.consumer.Store(in)
	return in, nil
}

// Start starts an exclusive consumer of the queue, with acknowledgements.
func (in *Consumer) Start(queue, tag string) (err error) {
	in.ended, err = in.Consume(queue, tag, false, true, false, false, nil)
	return err
}

// Arrived has a value when there may be something new to Take.
func (in *Consumer) Arrived() <-chan struct{} { return in.arrived }

// Ended is closed when no more messages come: the consumer is cancelled, or the
// channel closed. Those that came before can be taken still.
func (in *Consumer) Ended() <-chan amqp.Delivery { return in.ended }

// Take returns the messages that have arrived, oldest first, and forgets what it
// returned the last time, whose memory it uses again.
func (in *Consumer) Take(last []Delivery) []Delivery {
	clear(last) // lets go of bodies
	in.mu.Lock()
	defer in.mu.Unlock()
	taken := in.ready
	in.ready, in.bytes, in.hurried = last[:0], 0, false
	in.makeRoom()
	return taken
}

// ReadAll has what comes from now on read at once, whether it is taken or not:
// what the library is asked for is answered behind it.
func (in *Consumer) ReadAll() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.readAll = true
	in.makeRoom()
}

func (in *Consumer) makeRoom() {
	select {
	case in.taken <- struct{}{}:
	default:
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
	select {
	case in.arrived <- struct{}{}:
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
	header, err := in.readPayload(f, in.space(size), size)
	if err != nil {
		return true, err
	}
	in.left = binary.BigEndian.Uint64(header[4:])
	in.coming.Properties = header[fixed:]
	// What is announced need not come.
	in.coming.Body = in.space(int(min(in.left, 1<<20)))
	in.want = wire.FrameBody
	in.complete()
	return true, nil
}

func (in *Consumer) readBody(f *frames, size int) (mine bool, err error) {
	if uint64(size) > in.left {
		return false, nil
	}
	if in.coming.Body, err = in.readPayload(f, in.coming.Body, size); err != nil {
		return true, err
	}
	in.left -= uint64(size)
	in.complete()
	return true, nil
}

// complete hands over the message once nothing of it is missing, and waits for
// Take when there is much by now.
func (in *Consumer) complete() {
	if in.left > 0 {
		return
	}
	in.want = wire.FrameMethod
	in.mu.Lock()
	in.ready = append(in.ready, in.coming)
	in.bytes += deliverySize + len(in.coming.Properties) + len(in.coming.Body)
	in.news = true
	in.mu.Unlock()
	if !in.full() {
		return
	}
	in.tell()
	late := time.NewTimer(patience)
	defer late.Stop()
	for in.full() {
		select {
		case <-in.taken:
		case <-late.C:
			in.mu.Lock()
			in.hurried = true
			in.mu.Unlock()
		}
	}
}

// full reports whether reading should wait for Take.
func (in *Consumer) full() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.bytes > readAhead && !in.hurried && !in.readAll
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

// space returns room for n bytes that nobody else uses.
func (in *Consumer) space(n int) []byte {
	if n > chunkSize/4 {
		return make([]byte, 0, n)
	}
	if cap(in.chunk)-len(in.chunk) < n {
		in.chunk = make([]byte, 0, chunkSize)
	}
	at := len(in.chunk)
	in.chunk = in.chunk[:at+n]
	return in.chunk[at : at : at+n]
}
