package broker

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/slogcast/slogcast/internal/wire"
)

// An outbox holds what is on its way to one client. Any goroutine adds to it,
// without ever waiting; one writer goroutine, run, owns the socket's writing
// half and sends everything that is pending with each call.
//
// It is bounded by its users: deliveries stop while it has no room, and the
// connection is not read while its own replies are congested. A large body is
// not copied: the message that all queues and outboxes share is counted until
// the body is written.
type outbox struct {
	nc           net.Conn
	limit        int
	writeTimeout time.Duration
	resume       func()         // called by run once a starved outbox has room again
	release      func(*message) // called by run once a shared body is on its way, or given up

	mu      sync.Mutex
	pending parcel    // guarded by mu; empty once closed
	closed  bool      // guarded by mu; run ends when nothing is pending
	closeBy time.Time // for all writing once closed; guarded by mu

	size    atomic.Int64 // bytes not yet written, shared bodies included
	shared  atomic.Int64 // of size, in shared bodies
	starved atomic.Bool  // somebody was told that there is no room
	failed  atomic.Bool  // nothing added will be sent

	frame []byte // owned by run: the frame of a shared body that is written

	wake    chan struct{} // capacity 1: pending or closed changed
	drained chan struct{} // capacity 1: run has written some
	done    chan struct{} // closed when run has returned
}

// A parcel is bytes to send, and the bodies that go between them.
type parcel struct {
	bytes  []byte
	bodies []sharedBody
}

// A sharedBody is the body of a message that is sent as it is.
type sharedBody struct {
	at       int // index in the bytes of the parcel before which it goes
	msg      *message
	channel  uint16
	frameMax int
}

// largeBody is the size from which a body is shared and not copied.
const largeBody = 32 << 10

// largestFrame bounds the buffer that the frames of a shared body go through.
const largestFrame = 128 << 10

func newOutbox(nc net.Conn, limit int, writeTimeout time.Duration, resume func(), release func(*message)) *outbox {
	return &outbox{
		nc: nc, limit: limit, writeTimeout: writeTimeout, resume: resume, release: release,
		wake:    make(chan struct{}, 1),
		drained: make(chan struct{}, 1),
		done:    make(chan struct{}),
	}
}

// send queues a method. Methods for one connection leave in the order of the
// calls.
func (o *outbox) send(channel uint16, m wire.Method) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return
	}
	before := len(o.pending.bytes)
	o.pending.bytes = wire.AppendMethod(o.pending.bytes, channel, m)
	o.addedLocked(before)
}

// A content is a message as it goes to one client.
type content struct {
	msg      *message
	header   queueHeader
	frameMax int
}

// sendContent queues a method and the message it announces. It reports whether
// the outbox shares the body now; the caller, who holds Server.mu, has it
// counted then.
func (o *outbox) sendContent(channel uint16, m wire.Method, c content) (shares bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return false
	}
	before := len(o.pending.bytes)
	o.pending.bytes = wire.AppendMethod(o.pending.bytes, channel, m)
	return o.addContentLocked(before, channel, c)
}

// deliver is sendContent for a basic.deliver, without allocating.
func (o *outbox) deliver(channel uint16, d wire.BasicDeliver, c content) (shares bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return false
	}
	before := len(o.pending.bytes)
	o.pending.bytes = wire.AppendDeliver(o.pending.bytes, channel, d)
	return o.addContentLocked(before, channel, c)
}

func (o *outbox) addContentLocked(before int, channel uint16, c content) (shares bool) {
	body := c.msg.body
	o.pending.bytes = c.msg.appendHeader(o.pending.bytes, channel, c.header)
	if shares = len(body) >= largeBody; shares {
		o.pending.bodies = append(o.pending.bodies, sharedBody{len(o.pending.bytes), c.msg, channel, min(c.frameMax, largestFrame)})
		o.shared.Add(int64(len(body)))
		o.size.Add(int64(len(body)))
	} else {
		o.pending.bytes = wire.AppendBody(o.pending.bytes, channel, body, c.frameMax)
	}
	o.addedLocked(before)
	return shares
}

// addedLocked counts what was appended to the pending bytes.
func (o *outbox) addedLocked(before int) {
	o.size.Add(int64(len(o.pending.bytes) - before))
	o.signal()
}

func (o *outbox) signal() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// room reports whether a delivery may be added. After false, resume is called
// as soon as there is room. A failed outbox never has: its consumers stay until
// the reader has noticed, and would empty their queues into nothing.
func (o *outbox) room() bool {
	if o.failed.Load() {
		return false
	}
	if o.size.Load() < int64(o.limit) {
		return true
	}
	o.starved.Store(true)
	// The writer may have emptied the outbox before it could see the flag.
	return o.size.Load() < int64(o.limit)
}

// congested reports whether the client reads so little that not even replies
// should be added.
func (o *outbox) congested() bool { return o.size.Load()-o.shared.Load() > 2*int64(o.limit) }

// flush writes what is pending. For the handshake, before run has started.
func (o *outbox) flush() error {
	p, _ := o.take(nil)
	return o.write(p.bytes)
}

// run sends what is pending until the outbox is closed or a write fails, and
// a heartbeat frame when it sent nothing for an interval (zero: never). After
// a failed write it closes the socket, which ends the reading side too.
func (o *outbox) run(heartbeat time.Duration) {
	defer close(o.done)
	beat := newBeat(heartbeat)
	defer beat.Stop()
	var spare []byte
	for {
		p, closed := o.take(spare)
		if len(p.bytes) > 0 {
			if err := o.writeParcel(p); err != nil {
				o.fail()
				return
			}
			beat.Reset(heartbeat)
			spare = reusable(p.bytes, 2*o.limit)
			continue
		}
		if closed {
			return
		}
		spare = p.bytes
		select {
		case <-o.wake:
		case <-beat.C:
			o.mu.Lock()
			if !o.closed { // close-ok is the last frame
				before := len(o.pending.bytes)
				o.pending.bytes = wire.AppendHeartbeat(o.pending.bytes)
				o.addedLocked(before)
			}
			o.mu.Unlock()
		}
	}
}

// take swaps what is pending for an empty parcel.
func (o *outbox) take(spare []byte) (p parcel, closed bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	p, o.pending = o.pending, parcel{bytes: spare[:0]}
	return p, o.closed
}

// writeParcel sends a parcel. Its bodies are released also when that fails.
func (o *outbox) writeParcel(p parcel) (err error) {
	from := 0
	for _, b := range p.bodies {
		if err == nil {
			err = o.write(p.bytes[from:b.at])
		}
		if err == nil {
			err = o.writeBody(b)
		}
		from = b.at
		o.shared.Add(-int64(len(b.msg.body)))
		o.release(b.msg)
	}
	if err != nil {
		return err
	}
	return o.write(p.bytes[from:])
}

// writeBody sends a body frame by frame.
func (o *outbox) writeBody(b sharedBody) error {
	for body := b.msg.body; len(body) > 0; {
		n := min(len(body), b.frameMax-wire.FrameOverhead)
		o.frame = wire.AppendFrame(o.frame[:0], wire.Frame{Type: wire.FrameBody, Channel: b.channel, Payload: body[:n]})
		o.size.Add(int64(len(o.frame) - n)) // the frame's own bytes were not counted
		if err := o.write(o.frame); err != nil {
			return err
		}
		body = body[n:]
	}
	return nil
}

// write sends buf, and lets those go on who waited for that. The time is for
// some of it, not for all: a client that reads slowly may go on.
func (o *outbox) write(buf []byte) error {
	for len(buf) > 0 {
		if err := o.setDeadline(); err != nil {
			return err
		}
		n, err := o.nc.Write(buf[:min(len(buf), writeChunk)])
		if err != nil && (n == 0 || !errors.Is(err, os.ErrDeadlineExceeded)) {
			return err
		}
		buf = buf[n:]
		o.wrote(n)
	}
	return nil
}

// writeChunk is how much is written under one deadline at most.
const writeChunk = 64 << 10

// wrote counts what has left, and tells who waits for room. Deliveries go on
// when half of the limit is free.
func (o *outbox) wrote(n int) {
	left := o.size.Add(-int64(n))
	select {
	case o.drained <- struct{}{}:
	default:
	}
	if left <= int64(o.limit/2) && o.starved.Swap(false) {
		o.resume()
	}
}

// setDeadline gives the next write its time.
func (o *outbox) setDeadline() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return o.nc.SetWriteDeadline(o.closeBy)
	}
	return o.nc.SetWriteDeadline(time.Now().Add(o.writeTimeout))
}

// close lets run send what is pending, within a time, and end.
func (o *outbox) close(within time.Duration) {
	o.mu.Lock()
	o.closed, o.closeBy = true, time.Now().Add(within)
	o.nc.SetWriteDeadline(o.closeBy)
	o.signal()
	o.mu.Unlock()
}

// fail drops what is pending, and takes no more.
func (o *outbox) fail() {
	o.mu.Lock()
	o.failed.Store(true)
	dropped := o.pending.bodies
	o.closed, o.pending = true, parcel{}
	o.mu.Unlock()
	for _, b := range dropped {
		o.release(b.msg)
	}
	o.nc.Close()
}

// newBeat returns a stopped timer for a zero interval.
func newBeat(interval time.Duration) *beat {
	if interval <= 0 {
		return &beat{}
	}
	t := time.NewTimer(interval)
	return &beat{C: t.C, t: t}
}

// A beat is a timer that may be off.
type beat struct {
	C <-chan time.Time // nil when off
	t *time.Timer
}

func (b *beat) Reset(d time.Duration) {
	if b.t != nil {
		b.t.Reset(d)
	}
}

func (b *beat) Stop() {
	if b.t != nil {
		b.t.Stop()
	}
}

// reusable returns buf for the next round unless one large message has made
// it larger than is worth keeping.
func reusable(buf []byte, limit int) []byte {
	if cap(buf) > limit {
		return nil
	}
	return buf[:0]
}
