package broker

import (
	"fmt"

	"github.com/slogcast/slogcast/internal/wire"
)

// HistorySuffix is what the name of an exchange is followed by in the name of
// the stream that keeps its records.
const HistorySuffix = ".history"

// KeepHistory makes a stream of at most so many bytes of bodies that keeps what
// is published to an exchange, which it makes too, as a fanout, if it is not
// there. Both are as if a client had declared them.
func (s *Server) KeepHistory(exchange string, size int64) error {
	s.mu.Lock()
	defer s.unlock()
	name := exchange + HistorySuffix
	x := s.exchanges[exchange]
	if x == nil {
		if err := s.declareExchangeLocked(&wire.ExchangeDeclare{Exchange: exchange, Type: fanout, Durable: true}); err != nil {
			return fmt.Errorf("broker: keep history: %w", err)
		}
		x = s.exchanges[exchange]
	}
	q := s.queues[name]
	if q == nil {
		args, err := parseQueueArgs(name, wire.Table{{Key: "x-queue-type", Value: streams.name}, {Key: "x-max-length-bytes", Value: size}})
		if err == nil {
			q, err = s.addQueueLocked(name, args)
		}
		if err != nil {
			return fmt.Errorf("broker: keep history: %w", err)
		}
	}
	if err := s.addBindingLocked(newBinding(x, target{queue: q}, "#", nil), nil); err != nil {
		return fmt.Errorf("broker: keep history: %w", err)
	}
	return nil
}
