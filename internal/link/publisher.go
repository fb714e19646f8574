package link

import (
	"encoding/binary"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Publisher publishes messages over a channel of its own. The library opens the
// channel and notices its end; the messages, and the broker's confirms, go past
// it: it would take a lock, a map entry, a channel and some thirty allocations
// for each message. But for Answered and Closed, one goroutine uses a Publisher.
type Publisher struct {
	frames   *frames
	channel  uint16
	most     int    // bytes of a message's body in one frame
	start    []byte // of the payload of basic.publish, up to the routing key
	closed   <-chan *amqp.Error
	answered chan struct{} // has a value when Answers may have one

	mu       sync.Mutex // guards what follows
	answers  []answer   // a ring of the messages that may be open, by delivery tag
	first    uint64     // delivery tag of the oldest open message
	next     uint64     // delivery tag of the message to come
	answerTo uint64     // all below it have their answer
	news     bool       // an answer came since tell
}

// answer is what the broker has said of a message.
type answer byte

const (
	none answer = iota
	ack
	nack
)

// Publisher opens a channel to publish to the exchange. The broker is asked to
// confirm each message (https://www.rabbitmq.com/docs/confirms), and at most
// window may be without an answer; with a window of 0 it is not asked. A
// connection has one Publisher.
func (c *Conn) Publisher(exchange string, window int) (*Publisher, error) {
	ch, err := c.Channel()
	if err != nil {
		return nil, err
	}
	p := &Publisher{
		frames:   c.frames,
		channel:  uint16(c.frames.opened.Load()),
		most:     min(c.maxFrame(), 2*buffered) - frameHead - 1,
		closed:   ch.NotifyClose(make(chan *amqp.Error, 1)),
		answered: make(chan struct{}, 1),
		answers:  make([]answer, window),
		first:    1, next: 1, answerTo: 1,
	}
	p.start = binary.BigEndian.AppendUint32(nil, basicPublish)
	p.start = append(p.start, 0, 0) // reserved
	p.start = appendShortString(p.start, exchange)
	c.frames.publisher.Store(p)
	if window > 0 {
		err = ch.Confirm(false)
	}
	return p, err
}

// Closed is closed, after the reason where there is one, when the channel has
// ended.
func (p *Publisher) Closed() <-chan *amqp.Error { return p.closed }

// Publish sends a message, properties being the flags and the list of them as in
// a content header (AMQP 0-9-1 section 4.2.6.1). It goes to the network with
// the next Flush, or before. Publish keeps neither properties nor body.
// amqp.ErrClosed says that the channel has been closed; another error has ended
// the connection. The caller counts the open messages.
func (p *Publisher) Publish(key string, properties, body []byte) error {
	p.mu.Lock()
	if len(p.answers) > 0 {
		p.answers[p.next%uint64(len(p.answers))] = none
	}
	p.next++
	p.mu.Unlock()

	f := p.frames
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.done {
		return amqp.ErrClosed
	}
	buf := p.appendHead(f.held, frameMethod, len(p.start)+1+len(key)+1)
	buf = append(buf, p.start...)
	buf = appendShortString(buf, key)
	buf = append(buf, 0, frameEnd) // neither mandatory nor immediate

	buf = p.appendHead(buf, frameHeader, 2+2+8+len(properties))
	buf = append(buf, basicPublish>>16>>8, basicPublish>>16&0xFF, 0, 0) // class and weight
	buf = binary.BigEndian.AppendUint64(buf, uint64(len(body)))
	buf = append(append(buf, properties...), frameEnd)

	for len(body) > 0 {
		part := body[:min(len(body), p.most)]
		body = body[len(part):]
		buf = append(append(p.appendHead(buf, frameBody, len(part)), part...), frameEnd)
		if f.held = buf; len(f.held) >= buffered {
			if err := f.flushLocked(); err != nil {
				return err
			}
			buf = f.held
		}
	}
	f.held = buf
	return nil
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

// Flush writes the messages to the network. It blocks until that is done, at
// most for WriteTimeout.
func (p *Publisher) Flush() error { return p.frames.flush() }

// Answered has a value when there may be something new in Answers.
func (p *Publisher) Answered() <-chan struct{} { return p.answered }

// Answers returns how many of the oldest messages the broker has confirmed, and
// lets go of them. When it has refused the oldest (basic.nack), that is let go
// of alone.
func (p *Publisher) Answers() (n int, refused bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for ; p.first < p.next && len(p.answers) > 0; p.first++ {
		switch p.answers[p.first%uint64(len(p.answers))] {
		case none:
			return n, false
		case nack:
			if n > 0 {
				return n, false
			}
			p.first++
			return 1, true
		}
		n++
	}
	return n, false
}

// answer notes what the broker has said of the message with the tag, or of all
// up to it. Messages that are not open, or have their answer, are left alone.
func (p *Publisher) answer(tag uint64, multiple, positive bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case multiple && (tag == 0 || tag >= p.next): // 0 means all
		tag = p.next - 1
	case tag >= p.next:
		return
	}
	what := nack
	if positive {
		what = ack
	}
	from := tag
	if multiple {
		from = max(p.first, p.answerTo)
		p.answerTo = max(p.answerTo, tag+1)
	}
	for ; from <= tag && from >= p.first && len(p.answers) > 0; from++ {
		if at := &p.answers[from%uint64(len(p.answers))]; *at == none {
			*at = what
		}
	}
	p.news = true
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
