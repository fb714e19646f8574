package broker

// Stats are counts at one moment, and totals since Listen.
type Stats struct {
	Connections int   // open, without those in their handshake
	Channels    int   // open
	Queues      int   // declared
	Consumers   int   // started
	Ready       int   // messages in all queues waiting to be delivered
	Unacked     int   // messages delivered and not yet acknowledged
	Bytes       int64 // held, as Config.Memory counts
	Blocked     bool  // publishers are held back

	Published  uint64 // messages taken from publishers
	Delivered  uint64 // messages sent to consumers, redeliveries included
	Unroutable uint64 // messages published that no queue was bound for
	Dropped    uint64 // messages dropped from the head of a full queue
	Rejected   uint64 // messages a full queue refused
	Expired    uint64 // messages whose time to live was over
}

// totals are the counters behind Stats.
type totals struct {
	published, delivered, unroutable, dropped, rejected, expired uint64
}

// Stats returns the state of the server.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Stats{
		Connections: s.open,
		Queues:      len(s.queues),
		Consumers:   s.consumers,
		Bytes:       s.memory.used,
		Blocked:     s.memory.blocked != nil,
		Published:   s.totals.published,
		Delivered:   s.totals.delivered,
		Unroutable:  s.totals.unroutable,
		Dropped:     s.totals.dropped,
		Rejected:    s.totals.rejected,
		Expired:     s.totals.expired,
	}
	for c := range s.conns {
		st.Channels += len(c.channels)
		for _, ch := range c.channels {
			st.Unacked += ch.unacked.count()
		}
	}
	for _, q := range s.queues {
		st.Ready += q.count()
	}
	return st
}
