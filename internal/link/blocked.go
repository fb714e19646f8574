package link

import (
	"sync"

	"github.com/slogcast/slogcast/internal/wire"
)

// blocked is whether the broker takes messages. The library would tell a listener
// that is slow for no longer than five seconds, and then for ever leave out that
// it takes them again.
type blocked struct {
	changed chan struct{} // has a value when reason may be another one

	mu     sync.Mutex // guards what follows
	active bool
	reason string
}

// set notes connection.blocked or connection.unblocked, of which payload is the
// beginning.
func (b *blocked) set(payload []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.active, b.reason = false, ""
	if id, _ := wire.PeekMethod(payload); id == wire.ConnectionBlockedID {
		b.active = true
		if n := len(payload); n > 5 {
			b.reason = string(payload[5:min(n, 5+int(payload[4]))])
		}
	}
	select {
	case b.changed <- struct{}{}:
	default:
	}
}

// Blocked reports whether the broker takes no messages for now, and why
// (https://www.rabbitmq.com/docs/connection-blocked).
func (c *Conn) Blocked() (reason string, active bool) {
	b := &c.frames.blocked
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.reason, b.active
}

// BlockedChanged has a value when Blocked may say something else than before.
func (c *Conn) BlockedChanged() <-chan struct{} { return c.frames.blocked.changed }
