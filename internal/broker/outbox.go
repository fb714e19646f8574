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

// An outbox holds the bytes on their way to one client. Any goroutine adds to
// it, without ever waiting; one writer goroutine, run, owns the socket's
// writing half and sends everything that is pending with each call.
//
// It is bounded by its users: deliveries stop while it has no room, and the
// connection is not read while its own replies are congested.
type outbox struct {
	nc           net.Conn
	limit        int
	writeTimeout time.Duration
	resume       func() // called by run once a starved outbox has room again

	mu      sync.Mutex
	pending []byte    // guarded by mu; empty once closed
	closed  bool      // guarded by mu; run ends when nothing is pending
	closeBy time.Time // for all writing once closed; guarded by mu

	size    atomic.Int64 // len(pending)
	starved atomic.Bool  // somebody was told that there is no room
	failed  atomic.Bool  // nothing added will be sent

	wake    chan struct{} // capacity 1: pending or closed changed
	drained chan struct{} // capacity 1: pending was taken by run
	done    chan struct{} // closed when run has returned
}

func newOutbox(nc net.Conn, limit int, writeTimeout time.Duration, resume func()) *outbox {
	return &outbox{
		nc: nc, limit: limit, writeTimeout: writeTimeout, resume: resume,
		wake:    make(chan struct{}, 1),
		drained: make(chan struct{}, 1),
		done:    make(chan struct{}),
	}
}

// send queues a method. Methods for one connection leave in the order of the
// calls.
func (o *outbox) send(channel uint16, m wire.Method) {
	o.mu.Lock()
	if !o.closed {
		o.pending = wire.AppendMethod(o.pending, channel, m)
	}
	o.signalLocked()
	o.mu.Unlock()
}

// sendContent queues a method and the message it announces.
func (o *outbox) sendContent(channel uint16, m wire.Method, msg *message, frameMax int) {
	o.mu.Lock()
	if !o.closed {
		o.pending = wire.AppendMethod(o.pending, channel, m)
		o.pending = msg.appendTo(o.pending, channel, frameMax)
	}
	o.signalLocked()
	o.mu.Unlock()
}

// deliver is sendContent for a basic.deliver, without allocating.
func (o *outbox) deliver(channel uint16, d wire.BasicDeliver, msg *message, frameMax int) {
	o.mu.Lock()
	if !o.closed {
		o.pending = wire.AppendDeliver(o.pending, channel, d)
		o.pending = msg.appendTo(o.pending, channel, frameMax)
	}
	o.signalLocked()
	o.mu.Unlock()
}

func (o *outbox) signalLocked() {
	o.size.Store(int64(len(o.pending)))
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
func (o *outbox) congested() bool { return o.size.Load() > 2*int64(o.limit) }

// flush writes what is pending. For the handshake, before run has started.
func (o *outbox) flush() error {
	o.mu.Lock()
	buf := o.pending
	o.pending = nil
	o.mu.Unlock()
	return o.write(buf)
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
		buf, closed := o.take(spare)
		if len(buf) > 0 {
			if err := o.write(buf); err != nil {
				o.fail()
				return
			}
			beat.Reset(heartbeat)
			spare = reusable(buf, 2*o.limit)
			continue
		}
		if closed {
			return
		}
		spare = buf
		select {
		case <-o.wake:
		case <-beat.C:
			o.mu.Lock()
			if !o.closed { // close-ok is the last frame
				o.pending = wire.AppendHeartbeat(o.pending)
			}
			o.mu.Unlock()
		}
	}
}

// take swaps the pending bytes for an empty buffer and lets those go on who
// waited for room.
func (o *outbox) take(spare []byte) (buf []byte, closed bool) {
	o.mu.Lock()
	buf, o.pending = o.pending, spare[:0]
	closed = o.closed
	o.size.Store(0)
	o.mu.Unlock()
	select {
	case o.drained <- struct{}{}:
	default:
	}
	if o.starved.Swap(false) {
		o.resume()
	}
	return buf, closed
}

// write sends buf. The time is for some of it, not for all: a client that reads
// slowly may go on.
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
	}
	return nil
}

// writeChunk is how much is written under one deadline at most.
const writeChunk = 64 << 10

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
	o.signalLocked()
	o.mu.Unlock()
}

// fail drops what is pending, and takes no more.
func (o *outbox) fail() {
	o.mu.Lock()
	o.failed.Store(true)
	o.closed, o.pending = true, nil
	o.signalLocked()
	o.mu.Unlock()
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
