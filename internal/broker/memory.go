package broker

import (
	"sync/atomic"
	"time"

	"github.com/slogcast/slogcast/internal/wire"
)

// A memory counts what all queues hold, and what has come of messages that are
// not complete. Past its limit an alarm is on: a connection that publishes is
// told so, and is not read until the alarm is off (RabbitMQ's "memory alarms").
// Consumers go on, and that is what ends the alarm. Before it comes to that,
// relieveLocked drops what may be dropped.
type memory struct {
	used     int64
	incoming int64         // of used, in messages that are not complete
	blocked  chan struct{} // while the alarm is on; closed when it goes off
	alarm    atomic.Bool   // blocked is not nil; for reading without Server.mu
	changed  chan struct{} // capacity 1: the alarm went on or off, or relieved grew
	tried    int64         // what was used after the last attempt to use less
	relieved uint64        // messages dropped to stay below the limit
}

// retainLocked counts one more queue entry that holds m.
func (s *Server) retainLocked(m *message) {
	n := int64(entryCost)
	if m.refs == 0 {
		n += m.cost()
	}
	m.refs++
	s.countLocked(n)
}

// releaseLocked undoes retainLocked.
func (s *Server) releaseLocked(m *message) {
	n := int64(entryCost)
	m.refs--
	if m.refs == 0 {
		n += m.cost()
	}
	s.countLocked(-n)
}

// countLocked adds n bytes to what is used; unlock acts on it.
func (s *Server) countLocked(n int64) { s.memory.used += n }

// unlock gives back Server.mu, after what must be done before anybody else looks:
// dead letters are sent on, and memory is brought below its limit, or the
// alarm is on. The alarm goes off at nine tenths of the limit, lest it flutter.
func (s *Server) unlock() {
	defer s.mu.Unlock()
	for len(s.waking) > 0 || len(s.dead) > 0 {
		s.wakeLocked()
		s.buryLocked()
	}
	m := &s.memory
	if m.used > s.cfg.Memory && (m.blocked == nil || m.used > m.tried+s.cfg.Memory/64) {
		s.relieveLocked()
		m.tried = m.used // not for each acknowledgement that comes now
	}
	switch {
	case m.blocked == nil && m.used > s.cfg.Memory:
		m.blocked = make(chan struct{})
	case m.blocked != nil && m.used <= s.cfg.Memory/10*9:
		close(m.blocked)
		m.blocked = nil
	default:
		return
	}
	m.alarm.Store(m.blocked != nil)
	m.notify()
}

// wakeLocked delivers from queues whose consumers have changed places.
func (s *Server) wakeLocked() {
	for i := 0; i < len(s.waking); i++ {
		if q := s.waking[i]; !q.deleted {
			q.pumpLocked()
		}
		s.waking[i] = nil
	}
	s.waking = s.waking[:0]
}

// notify wakes reportAlarms.
func (m *memory) notify() {
	select {
	case m.changed <- struct{}{}:
	default:
	}
}

// reportAlarms tells the Logger of the alarm until the server closes. It is a
// goroutine of its own, since nobody waits for a Logger under Server.mu.
func (s *Server) reportAlarms() {
	var relieved uint64
	var told time.Time // of what was relieved; again after a minute
	for reported := false; ; {
		select {
		case <-s.memory.changed:
		case <-s.timers.quit:
			return
		}
		s.mu.Lock()
		on, used, dropped := s.memory.blocked != nil, s.memory.used, s.memory.relieved
		s.mu.Unlock()
		if dropped > relieved && time.Since(told) > time.Minute {
			s.cfg.Logger.Warn("broker: memory limit reached, the oldest of streams and of queues with a length limit is dropped", "messages", dropped-relieved)
			relieved, told = dropped, time.Now()
		}
		if on && !reported {
			s.cfg.Logger.Warn("broker: memory limit reached, publishers are blocked", "bytes", used)
		} else if !on && reported {
			s.cfg.Logger.Info("broker: memory limit no longer reached", "bytes", used)
		}
		reported = on
	}
}

// awaitMemory holds the reader of a connection that has published while the
// alarm is on, or until the connection is to end. It is called after each
// message, not only when all that has arrived is handled: one buffer of small
// messages to a fanout of many queues would be far over the limit.
func (c *conn) awaitMemory() {
	for told := false; ; {
		c.srv.mu.Lock()
		blocked := c.srv.memory.blocked
		c.srv.mu.Unlock()
		if blocked == nil {
			if told {
				c.out.send(0, &wire.Bare{Method: wire.ConnectionUnblockedID})
			}
			return
		}
		if !told && c.canBlock {
			told = true
			c.out.send(0, &wire.ConnectionBlocked{Reason: "low on memory"})
		}
		select {
		case <-blocked:
		case <-c.quit:
			return
		case <-c.out.done:
			return
		}
	}
}
