package broker

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/slogcast/slogcast/internal/wire"
)

// A conn is one client connection. Its reader goroutine, serve, owns every
// field without another remark; its outbox has the writer goroutine.
type conn struct {
	srv   *Server
	nc    net.Conn
	in    *wire.Reader
	out   *outbox
	since time.Time // immutable

	user      string
	frameMax  int           // immutable once open
	heartbeat time.Duration // immutable once open; zero for none
	canBlock  bool          // the client understands connection.blocked
	canCancel bool          // the client understands basic.cancel from us
	canRefuse bool          // the client understands connection.close at login

	opened      bool                // the handshake is over; written under srv.mu
	evicted     bool                // cut to make room for another handshake; guarded by srv.mu
	abandoned   bool                // abandon was called
	channelMax  int                 // immutable once open
	channels    map[uint16]*channel // written under srv.mu
	unconfirmed []*channel          // with confirms not yet sent
	published   bool                // the last frame was part of a message

	stopping atomic.Bool   // connection.close was sent
	quit     chan struct{} // closed when the server ends the connection
	quitOnce sync.Once     // closes quit
	done     chan struct{} // closed when the connection is gone from srv

	deadlineMu sync.Mutex
	deadline   time.Time // for all reading; zero: by heartbeat; guarded by deadlineMu
}

func newConn(s *Server, nc net.Conn) *conn {
	c := &conn{
		srv: s, nc: nc, since: time.Now(),
		frameMax: handshakeFrameMax,
		channels: make(map[uint16]*channel),
		quit:     make(chan struct{}),
		done:     make(chan struct{}),
	}
	c.in = wire.NewReader(c, c.frameMax)
	c.out = newOutbox(nc, s.cfg.OutboxLimit, s.cfg.WriteTimeout, c.resume, c.releaseBody)
	return c
}

// Read reads from the socket under the deadline of the moment. It makes conn
// the source of its own frame reader.
func (c *conn) Read(p []byte) (int, error) {
	c.deadlineMu.Lock()
	d := c.deadline
	if d.IsZero() && c.heartbeat > 0 {
		// AMQP 0-9-1 section 4.2.7: a peer silent for two intervals is gone.
		d = time.Now().Add(2 * c.heartbeat)
	}
	err := c.nc.SetReadDeadline(d)
	c.deadlineMu.Unlock()
	if err != nil {
		return 0, err
	}
	return c.nc.Read(p)
}

// setDeadline sets the deadline for all further reading.
func (c *conn) setDeadline(d time.Time) {
	c.deadlineMu.Lock()
	c.deadline = d
	c.nc.SetReadDeadline(d)
	c.deadlineMu.Unlock()
}

// clearDeadline returns to the deadline of the heartbeat, unless the end of
// the connection has begun.
func (c *conn) clearDeadline() {
	c.deadlineMu.Lock()
	defer c.deadlineMu.Unlock()
	if !c.stopping.Load() {
		c.deadline = time.Time{}
	}
}

// serve runs the connection until it ends.
func (c *conn) serve() {
	defer c.nc.Close()
	c.setDeadline(time.Now().Add(c.srv.cfg.HandshakeTimeout))
	err := c.handshake()
	if err == nil {
		c.clearDeadline()
		c.srv.wg.Go(func() { c.out.run(c.heartbeat / 2) })
		err = c.readFrames()
		c.abandon()
		err = c.sayGoodbye(err)
		c.out.close(closeTimeout)
		<-c.out.done
	} else {
		err = c.sayGoodbye(err)
	}
	c.linger()
	if err != nil {
		c.srv.log(c, "broker: connection ended", err)
	}
}

// errClosed ends the reading of a connection that ends as agreed.
var errClosed = errors.New("connection closed")

// readFrames handles frames until the connection is to end.
func (c *conn) readFrames() error {
	for {
		if !c.in.Buffered() {
			c.flushConfirms()
		}
		if c.published {
			c.published = false
			if c.srv.memory.alarm.Load() {
				c.flushConfirms()
				c.awaitMemory()
			}
		}
		f, err := c.in.ReadFrame()
		if err != nil {
			return frameException(f, err)
		}
		if err := c.handleFrame(f); err != nil {
			return err
		}
		if c.out.congested() {
			c.awaitReader()
		}
	}
}

// frameException returns what to tell a client about an error of ReadFrame,
// if it can be told. The words are RabbitMQ's.
func frameException(f wire.Frame, err error) error {
	problem := "unknown_frame"
	switch {
	case !isFrameError(err):
		return err
	case errors.Is(err, wire.ErrFrameTooLarge):
		problem = "frame_too_large"
	case errors.Is(err, wire.ErrFrameEnd):
		problem = "invalid_frame_end_marker"
	}
	return raise(frameError, "type %d: %s", f.Type, problem)
}

// isFrameError reports whether what the client sends is not frames.
func isFrameError(err error) bool {
	return errors.Is(err, wire.ErrFrameTooLarge) || errors.Is(err, wire.ErrFrameEnd) || errors.Is(err, wire.ErrFrameType)
}

// awaitReader waits until the client has taken most of what is on its way.
func (c *conn) awaitReader() {
	for c.out.congested() {
		select {
		case <-c.out.drained:
		case <-c.out.done:
			return
		case <-c.quit:
			return
		}
	}
}

// handleFrame handles one frame. Its error ends the connection.
func (c *conn) handleFrame(f wire.Frame) error {
	switch {
	case f.Type == wire.FrameHeartbeat:
		if f.Channel != 0 {
			return raise(unexpectedFrame, "type %d on channel %d", f.Type, f.Channel)
		}
		if len(f.Payload) > 0 {
			return frameException(f, wire.ErrFrameType)
		}
		return nil
	case c.stopping.Load():
		return c.discard(f)
	case f.Channel == 0:
		return c.handleControl(f)
	}
	ch := c.channels[f.Channel]
	if ch == nil {
		return c.handleUnopened(f)
	}
	err := ch.handleFrame(f)
	var e *exception
	if errors.As(err, &e) && !e.hard() {
		ch.fail(e)
		return nil
	}
	return err
}

// handleControl handles a frame on channel 0.
func (c *conn) handleControl(f wire.Frame) error {
	if f.Type != wire.FrameMethod {
		return raise(unexpectedFrame, "type %d on channel 0", f.Type)
	}
	m, err := parseMethod(f.Payload)
	if err != nil {
		return err
	}
	switch m := m.(type) {
	case *wire.ConnectionClose:
		c.abandon()
		c.out.send(0, &wire.Bare{Method: wire.ConnectionCloseOkID})
		return errClosed
	case *wire.ConnectionUpdateSecret:
		// There is one user and his password does not expire: accepted, as
		// by a RabbitMQ whose backend has no tokens.
		c.out.send(0, &wire.Bare{Method: wire.ConnectionUpdateSecretOkID})
		return nil
	default:
		return &exception{code: channelError, text: "unexpected method in connection state running", method: m.ID()}
	}
}

// maxChannels is how many channels all connections may have open.
const maxChannels = 32768

// handleUnopened handles a frame on a channel that is not open.
func (c *conn) handleUnopened(f wire.Frame) error {
	if f.Type != wire.FrameMethod {
		return errNotMethod()
	}
	m, err := parseMethod(f.Payload)
	if err != nil {
		return err
	}
	switch {
	case m.ID() == wire.ChannelCloseID:
		// The client's channel.close crossed ours on the way.
		c.out.send(f.Channel, &wire.Bare{Method: wire.ChannelCloseOkID})
		return nil
	case m.ID() != wire.ChannelOpenID:
		return &exception{code: channelError, text: "expected 'channel.open'", method: m.ID()}
	case len(c.channels) >= c.channelMax:
		return &exception{code: notAllowed, method: m.ID(), text: fmt.Sprintf(
			"number of channels opened (%d) has reached the negotiated channel_max (%d)", len(c.channels), c.channelMax)}
	}
	s := c.srv
	s.mu.Lock()
	full := s.channels >= maxChannels
	if !full {
		s.channels++
		c.channels[f.Channel] = newChannel(c, f.Channel)
	}
	s.unlock()
	if full {
		return &exception{code: notAllowed, method: m.ID(), text: fmt.Sprintf("channel limit of all connections (%d) is reached", maxChannels)}
	}
	c.out.send(f.Channel, &wire.ChannelOpenOk{})
	return nil
}

// parseMethod parses a method, or says what is wrong with it.
func parseMethod(payload []byte) (wire.Method, error) {
	m, err := wire.ParseMethod(payload)
	id, _ := wire.PeekMethod(payload)
	switch {
	case errors.Is(err, wire.ErrUnknownMethod):
		return nil, &exception{code: commandInvalid, text: "unknown method", method: id}
	case errors.Is(err, wire.ErrUTF8):
		return nil, &exception{code: frameError, text: "Malformed UTF-8 in shortstr", method: id}
	case err != nil:
		return nil, errUndecodable(id)
	}
	return m, nil
}

// errUndecodable is the exception for arguments without the layout they should
// have. It is a frame error in RabbitMQ, not a syntax error.
func errUndecodable(id wire.MethodID) error {
	return &exception{code: frameError, text: "cannot decode the arguments", method: id}
}

// errNotMethod is the exception for content that was not announced.
func errNotMethod() error {
	return raise(unexpectedFrame, "expected method frame, got non method frame instead")
}

// abandon gives back all the connection holds: unacknowledged messages,
// consumers, exclusive queues, its place. A client that is told of the end of
// its connection finds all that done.
func (c *conn) abandon() {
	if c.abandoned {
		return
	}
	c.abandoned = true
	s := c.srv
	s.mu.Lock()
	defer s.unlock()
	s.open--
	// All consumers end before anything goes back: what one channel has not
	// acknowledged must not go to another of the same dying connection.
	for _, ch := range c.channels {
		ch.stopLocked()
	}
	for id, ch := range c.channels {
		s.requeueLocked(ch.unacked.takeAll())
		c.forgetLocked(id)
	}
	for _, q := range s.queues {
		if q.owner == c {
			s.deleteQueueLocked(q)
		}
	}
}

// releaseBody gives back a body that the outbox has shared.
func (c *conn) releaseBody(m *message) {
	c.srv.mu.Lock()
	defer c.srv.unlock()
	c.srv.releaseLocked(m)
}

// resume delivers again what had no room in the outbox.
func (c *conn) resume() {
	c.srv.mu.Lock()
	defer c.srv.unlock()
	for _, ch := range c.channels {
		ch.pumpLocked()
	}
}
