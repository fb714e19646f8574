package link

import (
	"fmt"
	"math"
	"sync/atomic"
	"time"
)

// chatter is more than the bytes that a connection's own heartbeats come to in the
// time of Silence.
const chatter = 256

// ask does something that waits for the broker's answer. When nothing but heartbeats
// has passed for the time of Silence meanwhile, the connection is given up: a peer
// that lives and does not answer would be waited for without an end.
func (c *Conn) ask(do func() error) error {
	var done atomic.Bool
	var timer *time.Timer
	heard, written := c.traffic()
	timer = time.AfterFunc(math.MaxInt64, func() {
		if done.Load() {
			return
		}
		nowHeard, nowWritten := c.traffic()
		if nowHeard-heard < int64(len(heartbeat)) && nowWritten-written < chatter {
			c.raw.fail(fmt.Errorf("the broker has not answered for %v", c.Silence()))
			return
		}
		heard, written = nowHeard, nowWritten
		timer.Reset(c.Silence())
	})
	timer.Reset(c.Silence())
	defer func() {
		done.Store(true)
		timer.Stop()
	}()
	return do()
}

// traffic returns how many bytes have come, but for heartbeats, and how many the
// network has taken.
func (c *Conn) traffic() (heard int64, written uint64) {
	written, _ = c.raw.taken()
	return c.frames.heard.Load(), written
}
