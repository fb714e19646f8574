package link

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/slogcast/slogcast/internal/wire"
)

// buffered is how many bytes are read from the network, or held for it, at a
// time. The library alone reads 4 KiB.
const buffered = 64 << 10

// patience is how long the library may get nothing from a peer that sends: much
// less than one and a half of the shortest heartbeat, a second.
const patience = 300 * time.Millisecond

const (
	frameHead = wire.FrameOverhead - 1 // bytes before the payload: type, channel, size
	frameEnd  = 0xCE

	answerSize = 4 + 8 + 1 // of basic.ack and basic.nack: method, delivery tag, bits
	answerLen  = frameHead + answerSize + 1
)

// heartbeat is a frame that says nothing but that the peer lives.
var heartbeat = []byte{wire.FrameHeartbeat, 0, 0, 0, 0, 0, 0, frameEnd}

// frames is what the library takes for its connection. It knows where a frame
// begins and ends, in both directions, so that a Publisher's messages go between
// those of the library, and the broker's answers to them, and a Consumer's
// messages, are taken out of what comes.
type frames struct {
	net.Conn
	opened    atomic.Uint32             // the channel opened last
	publisher atomic.Pointer[Publisher] // nil while there is none
	consumer  atomic.Pointer[Consumer]  // likewise
	blocked   blocked
	failure   atomic.Pointer[error] // of the first read that failed
	heard     atomic.Int64          // bytes that have come, but for heartbeats

	// Owned by the library's reader.
	in    *bufio.Reader
	rest  int       // bytes that come next and are the library's
	ahead []byte    // and before them these
	got   int       // bytes that came last
	last  time.Time // and when
	given time.Time // of those times, when the library last got something

	mu      sync.Mutex // guards what follows; held while writing
	begun   bool       // the protocol header has been written
	partial []byte     // of a frame that the library has not written whole
	held    []byte     // whole frames, to be written
	handed  uint64     // bytes that have been written
	done    bool       // the connection's end has been written
}

func newFrames(c net.Conn) *frames {
	f := &frames{Conn: c, blocked: blocked{changed: make(chan struct{}, 1)}}
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
		in.rest(n.got, n.last)
	}
	got, err := n.Conn.Read(p)
	n.got, n.last = got, time.Now()
	n.heard.Add(int64(got))
	if err != nil {
		n.failure.CompareAndSwap(nil, &err)
	}
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
	if kind == wire.FrameHeartbeat {
		f.heard.Add(-int64(len(heartbeat)))
	}
	mine := false
	if in := f.consumer.Load(); in != nil && in.channel == channel {
		if mine, err = in.read(f, kind, size); err != nil {
			return err
		}
	}
	if !mine && kind == wire.FrameMethod && size >= 4 {
		mine, err = f.method(channel, size)
	}
	if !mine && kind == wire.FrameHeader {
		if err := f.checkContent(size); err != nil {
			return err
		}
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
	switch method := wire.MethodID(binary.BigEndian.Uint32(id[frameHead:])); method {
	case wire.ChannelOpenOkID:
		f.opened.Store(uint32(channel))
	case wire.ConnectionBlockedID, wire.ConnectionUnblockedID:
		if frame, err := f.in.Peek(frameHead + min(size, 4+1+255)); err == nil {
			f.blocked.set(frame[frameHead:])
		}
	case wire.BasicAckID, wire.BasicNackID:
		p := f.publisher.Load()
		if p == nil || p.channel != channel || size != answerSize {
			return false, nil
		}
		frame, err := f.in.Peek(answerLen)
		if err != nil || frame[answerLen-1] != frameEnd {
			return false, err
		}
		a := Answer{Last: binary.BigEndian.Uint64(frame[frameHead+4:]), Refused: method == wire.BasicNackID}
		if a.First = a.Last; frame[frameHead+12]&1 != 0 {
			a.First = 0
		}
		if err := p.answer(a); err != nil {
			return false, err
		}
		_, _ = f.in.Discard(len(frame)) // it is there
		return true, nil
	}
	return false, nil
}

// checkContent looks at a content header that is the library's, of size bytes. The
// library gathers whatever body is announced, and a peer can announce 2^64-1. Who
// publishes has asked for nothing.
func (f *frames) checkContent(size int) error {
	const fixed = 2 + 2 + 8
	head, err := f.in.Peek(frameHead + min(size, fixed))
	if err != nil || size < fixed {
		return nil // the library finds the same
	}
	most := uint64(MaxBody)
	if f.publisher.Load() != nil {
		most = 0
	}
	if n := binary.BigEndian.Uint64(head[frameHead+4:]); n > most {
		err := fmt.Errorf("the broker sends a body of %d bytes that nobody has asked for", n)
		f.failure.CompareAndSwap(nil, &err)
		return err
	}
	return nil
}

// pass leaves to the library what has come of a frame before err.
func (f *frames) pass(err error) error {
	if f.rest = f.in.Buffered(); f.rest == 0 {
		return err
	}
	return nil
}

// Write takes what the library has. Its frames are written behind what is held,
// whole ones only: whatever a Publisher has goes between two of them.
func (f *frames) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.partial = append(f.partial, p...)
	rest := f.partial
	if !f.begun {
		if len(rest) < len(wire.ProtocolHeader) {
			return len(p), nil
		}
		f.begun = true
		f.held = append(f.held, rest[:len(wire.ProtocolHeader)]...)
		rest = rest[len(wire.ProtocolHeader):]
	}
	for len(rest) >= frameHead {
		size := frameHead + int(binary.BigEndian.Uint32(rest[3:])) + 1
		if len(rest) < size {
			break
		}
		f.holdLocked(rest[:size])
		rest = rest[size:]
	}
	f.partial = f.partial[:copy(f.partial, rest)]
	return len(p), f.flushLocked()
}

// holdLocked holds a frame of the library's. It notes what ends the connection, or
// the Publisher's channel: a message behind that would be an error of its own, and
// take the place of the one that was the reason.
func (f *frames) holdLocked(frame []byte) {
	if frame[0] == wire.FrameMethod && len(frame) > frameHead+4 {
		switch wire.MethodID(binary.BigEndian.Uint32(frame[frameHead:])) {
		case wire.ConnectionStartOkID:
			f.held = appendStartOk(f.held, frame[frameHead:len(frame)-1])
			return
		case wire.ConnectionCloseID, wire.ConnectionCloseOkID:
			f.done = true
		case wire.ChannelCloseID, wire.ChannelCloseOkID:
			if p := f.publisher.Load(); p != nil && p.channel == binary.BigEndian.Uint16(frame[1:]) {
				p.ended = true
			}
		}
	}
	f.held = append(f.held, frame...)
}

// appendStartOk appends connection.start-ok with the wish to be told in words when
// the login is refused. RabbitMQ otherwise closes the socket without any, as a
// network may do (https://www.rabbitmq.com/docs/auth-notification).
func appendStartOk(dst, payload []byte) []byte {
	m, err := wire.ParseMethod(payload)
	ok, is := m.(*wire.ConnectionStartOk)
	if err != nil || !is {
		return wire.AppendFrame(dst, wire.Frame{Type: wire.FrameMethod, Payload: payload})
	}
	for i, property := range ok.ClientProperties {
		if capabilities, is := property.Value.(wire.Table); is && property.Key == "capabilities" {
			ok.ClientProperties[i].Value = append(capabilities, wire.Field{Key: "authentication_failure_close", Value: true})
		}
	}
	return wire.AppendMethod(dst, 0, ok)
}

func (f *frames) flushLocked() error {
	if len(f.held) == 0 {
		return nil
	}
	_, err := f.Conn.Write(f.held)
	f.handed += uint64(len(f.held))
	f.held = f.held[:0]
	return err
}
