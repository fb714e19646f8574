package link

import (
	"fmt"
	"math"
	"sync/atomic"
	"time"
)

const (
	// leastPatience is how long an answer may take however short the heartbeat is: a
	// broker may have to ask other nodes.
	leastPatience = 5 * time.Second

	// chatter is more than the bytes that a connection's own heartbeats come to in the
	// same time, with TLS.
	chatter = 1024
)

// ask does something that waits for the broker's answer. When nothing but heartbeats
// has passed for the time of Silence meanwhile, and some seconds at least, the
// connection is given up: a peer that lives and does not answer would be waited for
// without an end.
func (c *Conn) ask(do func() error) error {
	var done atomic.Bool
	var timer *time.Timer
	heard, written := c.traffic()
	patience := max(c.Silence(), leastPatience)
	timer = time.AfterFunc(math.MaxInt64, func() {
		if done.Load() {
			return
		}
		nowHeard, nowWritten := c.traffic()
		if nowHeard-heard < int64(len(heartbeat)) && nowWritten-written < chatter {
			c.raw.fail(fmt.Errorf("the broker has not answered for %v", patience))
			return
		}
		heard, written = nowHeard, nowWritten
		timer.Reset(patience)
	})
	timer.Reset(patience)
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
