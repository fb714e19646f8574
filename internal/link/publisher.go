package link

import (
	"encoding/binary"
	"errors"
	"math"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/slogcast/slogcast/internal/wire"
)

// Publisher publishes messages over a channel of its own. The library opens the
// channel and notices its end; the messages, and the broker's confirms, go past
// it: it would take a lock, a map entry, a channel and some thirty allocations
// for each message. But for the channels that it returns, one goroutine uses a
// Publisher.
type Publisher struct {
	frames  *frames
	socket  *socket
	library *amqp.Channel
	channel uint16
	most    int          // bytes of a message's body in one frame
	plain   bool         // there is no TLS
	start   []byte       // of the payload of basic.publish, up to the routing key
	closed  <-chan error // see Closed

	// The message that has not been handed over whole; no parts when there is none.
	parts [][]byte
	joint bool // a newline comes before the first of them
	size  int  // bytes to come, newlines included

	ended bool // the channel's end has been written; guarded by frames.mu

	answered chan struct{} // has a value when Answers may have one
	mu       sync.Mutex    // guards what follows
	answers  []Answer
	news     bool // an answer came since tell
}

// Answer is what the broker has said of the messages with the delivery tags from
// First to Last, of all up to Last where First is 0, and of all there are where
// both are (AMQP 0-9-1 section 1.8.3.13, basic.ack).
type Answer struct {
	First, Last uint64
	Refused     bool // basic.nack
}

// mostAnswers bounds what a broker may say that nobody has looked at. One that
// says more answers what nobody asked.
const mostAnswers = 4096

// Publisher opens a channel to publish to the exchange, in place of an earlier
// one, which it closes without waiting for that: a broker may be stuck with it. With
// confirms the broker is asked to answer for each message
// (https://www.rabbitmq.com/docs/confirms).
func (c *Conn) Publisher(exchange string, confirms bool) (*Publisher, error) {
	if old := c.frames.publisher.Swap(nil); old != nil {
		go old.library.Close() // ends with the connection; it may be closed
	}
	ch, err := c.openChannel()
	if err != nil {
		return nil, err
	}
	p := &Publisher{
		frames:   c.frames,
		socket:   c.raw,
		library:  ch,
		channel:  uint16(c.frames.opened.Load()),
		most:     min(c.maxFrame(), 2*buffered) - wire.FrameOverhead,
		plain:    !c.Endpoint.TLS(),
		closed:   errorsOf(ch.NotifyClose(make(chan *amqp.Error, 1))),
		answered: make(chan struct{}, 1),
	}
	p.start = binary.BigEndian.AppendUint32(nil, uint32(wire.BasicPublishID))
	p.start = append(p.start, 0, 0) // reserved
	p.start = appendShortString(p.start, exchange)
	c.frames.publisher.Store(p)
	if confirms {
		err = c.ask(func() error { return ch.Confirm(false) })
	}
	return p, err
}

// Closed is closed, after the reason where there is one, when the channel has
// ended.
func (p *Publisher) Closed() <-chan error { return p.closed }

// Publish begins a message whose body is parts, joined by newlines. properties
// are flags and list, as in a content header (AMQP 0-9-1 section 4.2.6.1). It goes
// to the network with the next Flush. Before a message that is not held whole that
// must be called until it is done; until then the Publisher has parts, and changes
// them. Publish returns where the message ends, see Written.
func (p *Publisher) Publish(key string, properties []byte, parts [][]byte) (end uint64, whole bool) {
	size := max(0, len(parts)-1)
	for _, part := range parts {
		size += len(part)
	}
	f := p.frames
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.done || p.ended {
		return math.MaxUint64, true // Flush tells
	}
	buf := p.appendHead(f.held, wire.FrameMethod, len(p.start)+1+len(key)+1)
	buf = append(buf, p.start...)
	buf = appendShortString(buf, key)
	buf = append(buf, 0, frameEnd) // neither mandatory nor immediate

	buf = p.appendHead(buf, wire.FrameHeader, 2+2+8+len(properties))
	buf = append(buf, 0, byte(wire.BasicPublishID.Class()), 0, 0) // class and weight
	buf = binary.BigEndian.AppendUint64(buf, uint64(size))
	f.held = append(append(buf, properties...), frameEnd)
	p.parts, p.joint, p.size = parts, false, size
	bodies := (size + p.most - 1) / p.most
	end = f.handed + uint64(len(f.held)+size+bodies*wire.FrameOverhead)
	if whole = len(f.held)+size <= 2*buffered; whole {
		p.fillLocked(math.MaxInt)
	}
	return end, whole
}

// Whole reports whether all of the last message has been handed over: of one that has
// not no answer can be true, and its parts are still looked at.
func (p *Publisher) Whole() bool { return p.size == 0 }

// fillLocked holds more of the message's body, until about most bytes are held.
func (p *Publisher) fillLocked(most int) {
	f := p.frames
	for p.size > 0 && len(f.held) < most {
		n := min(p.size, p.most)
		p.size -= n
		f.held = append(p.appendBody(p.appendHead(f.held, wire.FrameBody, n), n), frameEnd)
	}
	if p.size == 0 {
		p.parts = nil
	}
}

// appendBody appends the next n bytes of the body.
func (p *Publisher) appendBody(dst []byte, n int) []byte {
	for n > 0 {
		if p.joint {
			p.joint = false
			dst = append(dst, '\n')
			n--
			continue
		}
		part := p.parts[0]
		some := min(n, len(part))
		dst = append(dst, part[:some]...)
		n -= some
		if some < len(part) {
			p.parts[0] = part[some:]
			break
		}
		p.parts = p.parts[1:]
		p.joint = len(p.parts) > 0
	}
	return dst
}

// ErrEnded is returned once the channel or the connection has been closed.
var ErrEnded = errors.New("the channel is closed")

// Flush hands what is held to the network, as much as that takes, and does not
// wait for more than 10 ms. When it is not done, Room has a value once it may go on.
// An error has ended the channel.
func (p *Publisher) Flush() (done bool, err error) {
	f := p.frames
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		switch {
		case f.done || p.ended:
			return false, ErrEnded
		case !p.socket.clear():
			return false, nil
		}
		p.fillLocked(buffered)
		if len(f.held) == 0 {
			return true, nil
		}
		if err := f.flushLocked(); err != nil {
			return false, err
		}
	}
}

// Room has a value when Flush may go on.
func (p *Publisher) Room() <-chan struct{} { return p.socket.room }

// Written returns how many bytes the network has taken: of a message whose end is
// beyond that the broker can't have got the whole. With TLS it returns what has
// been handed over, as what became of that can't be told.
func (p *Publisher) Written() uint64 {
	if p.plain {
		written, _ := p.socket.taken()
		return written
	}
	p.frames.mu.Lock()
	defer p.frames.mu.Unlock()
	return p.frames.handed
}

// Barrier asks the broker for an answer behind the messages published so far, which
// must have been handed over whole: it has routed them before it answers
// (AMQP 0-9-1 section 4.7). The channel gets nil then, or why there is no answer.
func (p *Publisher) Barrier() <-chan error {
	passed := make(chan error, 1)
	go func() { passed <- p.library.Qos(0, 0, false) }() // ends with the connection
	return passed
}

// appendHead begins a frame with a payload of size bytes.
func (p *Publisher) appendHead(dst []byte, kind byte, size int) []byte {
	dst = append(dst, kind)
	dst = binary.BigEndian.AppendUint16(dst, p.channel)
	return binary.BigEndian.AppendUint32(dst, uint32(size))
}

func appendShortString(dst []byte, s string) []byte {
	return append(append(dst, byte(len(s))), s...)
}

// Answered has a value when there may be something new in Answers.
func (p *Publisher) Answered() <-chan struct{} { return p.answered }

// Answers appends what the broker has said since the last call.
func (p *Publisher) Answers(dst []Answer) []Answer {
	p.mu.Lock()
	defer p.mu.Unlock()
	dst = append(dst, p.answers...)
	p.answers = p.answers[:0]
	return dst
}

// answer notes what the broker has said.
func (p *Publisher) answer(a Answer) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.news = true
	if n := len(p.answers); n > 0 {
		last := &p.answers[n-1]
		switch {
		case last.Refused != a.Refused || last.Last == 0 || a.Last == 0:
		case a.First == 0 && last.First == 0, a.First > 0 && a.First == last.Last+1:
			last.Last = max(last.Last, a.Last)
			return nil
		}
		if n == mostAnswers {
			return errors.New("the broker answers for what was not published")
		}
	}
	p.answers = append(p.answers, a)
	return nil
}

// tell makes Answered ready when answers have come since it last did.
func (p *Publisher) tell() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.news {
		return
	}
	p.news = false
	select {
	case p.answered <- struct{}{}:
	default:
	}
}
