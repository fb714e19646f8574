package link

import (
	"bufio"
	"encoding/binary"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// buffered is how many bytes are read from the network, or held for it, at a
// time. The library alone reads 4 KiB.
const buffered = 64 << 10

// patience is how long the library may get nothing from a peer that sends, and
// reading may wait for a Consumer's Take: much less than one and a half of the
// shortest heartbeat, a second, and than the 15 s after which RabbitMQ closes a
// connection that takes nothing.
const patience = 300 * time.Millisecond

// What a frame begins and ends with, and the methods that matter here: class
// and method (AMQP 0-9-1 sections 4.2.3 and 1.3).
const (
	frameMethod = 1
	frameHeader = 2
	frameBody   = 3
	frameHead   = 7 // bytes before the payload: type, channel, size
	frameEnd    = 0xCE

	answerSize = 4 + 8 + 1 // of basic.ack and basic.nack: method, delivery tag, bits
	answerLen  = frameHead + answerSize + 1

	connectionClose   = 10<<16 | 50
	connectionCloseOk = 10<<16 | 51
	channelOpenOk     = 20<<16 | 11
	channelClose      = 20<<16 | 40
	channelCloseOk    = 20<<16 | 41
	basicPublish      = 60<<16 | 40
	basicDeliver      = 60<<16 | 60
	basicAck          = 60<<16 | 80
	basicNack         = 60<<16 | 120
)

// heartbeat is a frame that says nothing but that the peer lives.
var heartbeat = []byte{8, 0, 0, 0, 0, 0, 0, frameEnd}

// frames is what the library takes for its connection. It knows where a frame
// begins and ends, so that a Publisher's messages go between those of the
// library, and the broker's answers to them, and a Consumer's messages, are taken
// out of what comes.
type frames struct {
	net.Conn
	opened    atomic.Uint32             // the channel opened last
	publisher atomic.Pointer[Publisher] // nil while there is none
	consumer  atomic.Pointer[Consumer]  // likewise

	// Owned by the library's reader.
	in    *bufio.Reader
	rest  int       // bytes that come next and are the library's
	ahead []byte    // and before them these
	last  time.Time // when bytes last came
	given time.Time // of those times, when the library last got something

	mu   sync.Mutex // guards what follows; held while writing
	held []byte     // a Publisher's messages, to be written
	done bool       // the connection's end has been written
}

func newFrames(c net.Conn) *frames {
	f := &frames{Conn: c}
	f.in = bufio.NewReaderSize(network{f}, buffered)
	return f
}

// network is the connection below frames. Before it is waited for, whoever waits
// for answers or messages is told of what has come.
type network struct{ *frames }

func (n network) Read(p []byte) (int, error) {
	if p := n.publisher.Load(); p != nil {
		p.tell()
	}
	if in := n.consumer.Load(); in != nil {
		in.tell()
	}
	got, err := n.Conn.Read(p)
	n.last = time.Now()
	return got, err
}

// Read reads what is the library's.
func (f *frames) Read(p []byte) (int, error) {
	for f.rest == 0 && len(f.ahead) == 0 {
		if err := f.next(); err != nil {
			return 0, err
		}
	}
	if len(f.ahead) > 0 {
		n := copy(p, f.ahead)
		f.ahead = f.ahead[n:]
		return n, nil
	}
	n, err := f.in.Read(p[:min(len(p), f.rest)])
	f.rest -= n
	return n, err
}

// next looks at the frame that begins here, and says whose it is. What is no
// frame is left to the library to find fault with.
func (f *frames) next() error {
	head, err := f.in.Peek(frameHead)
	if err != nil {
		return f.pass(err)
	}
	kind, channel, size := head[0], binary.BigEndian.Uint16(head[1:]), int(min(binary.BigEndian.Uint32(head[3:]), math.MaxInt32-frameHead-1))
	mine := false
	if in := f.consumer.Load(); in != nil && in.channel == channel {
		if mine, err = in.read(f, kind, size); err != nil {
			return err
		}
	}
	if !mine && kind == frameMethod && size >= 4 {
		mine, err = f.method(channel, size)
	}
	switch {
	case err != nil:
		return f.pass(err)
	case !mine:
		f.rest, f.given = frameHead+size+1, f.last
	case f.last.Sub(f.given) >= patience:
		// The library gives up a peer that it gets nothing from.
		f.ahead, f.given = heartbeat, f.last
	}
	return nil
}

// method looks at a method frame. It reports whether that was a Publisher's.
func (f *frames) method(channel uint16, size int) (mine bool, err error) {
	id, err := f.in.Peek(frameHead + 4)
	if err != nil {
		return false, err
	}
	switch method := binary.BigEndian.Uint32(id[frameHead:]); method {
	case channelOpenOk:
		f.opened.Store(uint32(channel))
	case basicAck, basicNack:
		p := f.publisher.Load()
		if p == nil || p.channel != channel || size != answerSize {
			return false, nil
		}
		frame, err := f.in.Peek(answerLen)
		if err != nil || frame[answerLen-1] != frameEnd {
			return false, err
		}
		p.answer(binary.BigEndian.Uint64(frame[frameHead+4:]), frame[frameHead+12]&1 != 0, method == basicAck)
		_, _ = f.in.Discard(len(frame)) // it is there
		return true, nil
	}
	return false, nil
}

// pass leaves to the library what has come of a frame before err.
func (f *frames) pass(err error) error {
	if f.rest = f.in.Buffered(); f.rest == 0 {
		return err
	}
	return nil
}

// Write writes what the library has, a whole frame mostly, behind what is held.
func (f *frames) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(p) >= frameHead+4 && p[0] == frameMethod {
		f.noteEndLocked(binary.BigEndian.Uint16(p[1:]), binary.BigEndian.Uint32(p[frameHead:]))
	}
	if err := f.flushLocked(); err != nil {
		return 0, err
	}
	return f.Conn.Write(p)
}

// noteEndLocked notes that the library ends the connection, or the Publisher's
// channel. A message behind that would be an error of its own, and take the
// place of the one that was the reason.
func (f *frames) noteEndLocked(channel uint16, method uint32) {
	switch method {
	case connectionClose, connectionCloseOk:
		f.done = true
	case channelClose, channelCloseOk:
		if p := f.publisher.Load(); p != nil && p.channel == channel {
			f.done = true
		}
	}
}

// flush writes what is held.
func (f *frames) flush() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.flushLocked()
}

func (f *frames) flushLocked() error {
	if len(f.held) == 0 {
		return nil
	}
	_, err := f.Conn.Write(f.held)
	f.held = f.held[:0]
	return err
}
