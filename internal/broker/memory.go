package broker

import "github.com/slogcast/slogcast/internal/broker/wire"

// A memory counts what all queues hold. Past its limit an alarm is on: a
// connection that publishes is told so, and is not read until the alarm is
// off (RabbitMQ's "memory alarms"). Consumers go on, and that is what ends
// the alarm.
type memory struct {
	used    int64
	blocked chan struct{} // while the alarm is on; closed when it goes off
}

// retainLocked counts one more queue entry that holds m.
func (s *Server) retainLocked(m *message) {
	if m.refs == 0 {
		s.memory.used += m.cost()
	}
	m.refs++
	s.memory.used += entryCost
	if s.memory.used > s.cfg.Memory && s.memory.blocked == nil {
		s.memory.blocked = make(chan struct{})
		s.cfg.Logger.Warn("broker: memory limit reached, publishers are blocked", "bytes", s.memory.used)
	}
}

// releaseLocked undoes retainLocked. The alarm goes off at nine tenths of the
// limit, lest it flutter.
func (s *Server) releaseLocked(m *message) {
	m.refs--
	if m.refs == 0 {
		s.memory.used -= m.cost()
	}
	s.memory.used -= entryCost
	if s.memory.blocked != nil && s.memory.used <= s.cfg.Memory/10*9 {
		close(s.memory.blocked)
		s.memory.blocked = nil
		s.cfg.Logger.Info("broker: memory limit no longer reached", "bytes", s.memory.used)
	}
}

// awaitMemory holds the reader of a connection that has published while the
// alarm is on, or until the connection is to end.
func (c *conn) awaitMemory() {
	c.published = false
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
