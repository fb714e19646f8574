package broker

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/slogcast/slogcast/internal/wire"
)

// Config sets the address, the login and the bounds of a Server. A zero field
// has its default. Listen copies it and never writes to it.
type Config struct {
	// Addr is the TCP address to listen on; port 0 takes a free one.
	// The default is "127.0.0.1:5672".
	Addr string

	// TLS makes the server speak TLS, and nothing else. Without it all goes in
	// the clear, the password too; where other machines can reach Addr, Logger
	// gets a warning of that. It is not copied.
	TLS *tls.Config

	// User and Password are the one login, by SASL PLAIN or AMQPLAIN. The default is
	// guest with the password guest, which only a client on this machine may
	// use (RabbitMQ's rule for that user). An Addr that other machines can
	// reach needs both, and a user that is not guest.
	User, Password string

	// Memory is how many bytes all queues may hold before publishers are
	// blocked: bodies, properties and a fixed overhead for each message.
	// Messages that have come in part count too, and may take half of it.
	// Each connection may go over it by one message. The default is 256 MiB.
	Memory int64

	// MaxBody is the largest body of a message. The default is 64 MiB, a
	// quarter of Memory; RabbitMQ 3.10 takes 128 MiB and RabbitMQ 4 takes 16.
	MaxBody int

	// MaxConnections is how many connections may be open. The default is 256.
	MaxConnections int

	// MaxChannels is how many channels a connection may have open, at most
	// 65535. The default is 2047, as in RabbitMQ. All connections together may
	// have 32768.
	MaxChannels int

	// MaxQueues, MaxExchanges, MaxBindings and MaxConsumers bound what all
	// connections declare. The defaults are 4096, 1024, 65536 and 4096.
	MaxQueues, MaxExchanges, MaxBindings, MaxConsumers int

	// FrameMax is the largest frame offered to clients, 4096 to 16 MiB.
	// The default is 131072.
	FrameMax int

	// OutboxLimit is how many bytes may wait for a connection that reads
	// slowly before nothing more is delivered to it. The default is 1 MiB.
	OutboxLimit int

	// Heartbeat is the interval suggested to clients, in whole seconds. The
	// default is 60 s, as in RabbitMQ; a negative one turns heartbeats off.
	Heartbeat time.Duration

	// HandshakeTimeout is how long a new connection may take until it is
	// open. The default is 10 s.
	HandshakeTimeout time.Duration

	// WriteTimeout is how long a connection may accept no byte of what is
	// sent to it before it is closed. The default is 30 s.
	WriteTimeout time.Duration

	// Logger gets the broker's own notices: logins refused, connections
	// closed for an error, what is taken for less than it asks for. Its attrs
	// hold text from clients. The default is none.
	Logger *slog.Logger
}

// withDefaults returns a copy of c, which may be nil, with every zero field
// replaced.
func (c *Config) withDefaults() Config {
	var cfg Config
	if c != nil {
		cfg = *c
	}
	setDefault(&cfg.Addr, "127.0.0.1:5672")
	if cfg.User == "" && cfg.Password == "" {
		cfg.User, cfg.Password = guest, guest
	}
	setDefault(&cfg.Memory, 256<<20)
	setDefault(&cfg.MaxBody, 64<<20)
	setDefault(&cfg.MaxConnections, 256)
	setDefault(&cfg.MaxChannels, 2047)
	setDefault(&cfg.MaxQueues, 4096)
	setDefault(&cfg.MaxExchanges, 1024)
	setDefault(&cfg.MaxBindings, 65536)
	setDefault(&cfg.MaxConsumers, 4096)
	setDefault(&cfg.FrameMax, 131072)
	setDefault(&cfg.OutboxLimit, 1<<20)
	setDefault(&cfg.Heartbeat, 60*time.Second)
	setDefault(&cfg.HandshakeTimeout, 10*time.Second)
	setDefault(&cfg.WriteTimeout, 30*time.Second)
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return cfg
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// maxFrameMax bounds what a connection may buffer of one frame.
const maxFrameMax = 16 << 20

// guest is the user that may not come from another machine.
const guest = "guest"

// validate reports the first setting that can't work.
func (c *Config) validate() error {
	switch {
	case c.User == "" || c.Password == "":
		return errors.New("broker: a user and a password are needed, or neither")
	case c.FrameMax < wire.MinFrameMax || c.FrameMax > maxFrameMax:
		return fmt.Errorf("broker: FrameMax is %d, it must be %d to %d", c.FrameMax, wire.MinFrameMax, maxFrameMax)
	case c.MaxChannels < 1 || c.MaxChannels > 65535:
		return fmt.Errorf("broker: MaxChannels is %d, it must be 1 to 65535", c.MaxChannels)
	case c.Heartbeat > 65535*time.Second || c.Heartbeat > 0 && c.Heartbeat%time.Second != 0:
		return fmt.Errorf("broker: Heartbeat is %v, it must be 1 s to 65535 s, in whole seconds", c.Heartbeat)
	case c.Memory < 0 || c.MaxBody < 0 || c.OutboxLimit < 0:
		return errors.New("broker: a limit in bytes is negative")
	case c.MaxConnections < 0 || c.MaxQueues < 0 || c.MaxExchanges < 0 || c.MaxBindings < 0 || c.MaxConsumers < 0:
		return errors.New("broker: a limit is negative")
	}
	return c.validateAddr()
}

// validateAddr refuses to serve other machines with the login everybody knows.
func (c *Config) validateAddr() error {
	if _, _, err := net.SplitHostPort(c.Addr); err != nil {
		return fmt.Errorf("broker: address %q: want host:port", c.Addr)
	}
	if c.User == guest && !c.loopback() {
		return fmt.Errorf("broker: address %q can be reached from other machines: set a user other than %s, and a password", c.Addr, guest)
	}
	return nil
}

// loopback reports whether no other machine can reach Addr.
func (c *Config) loopback() bool {
	host, _, _ := net.SplitHostPort(c.Addr)
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

// network keeps an IPv4 address to IPv4: "tcp" would take 0.0.0.0 for every
// address of either kind.
func (c *Config) network() string {
	if host, _, err := net.SplitHostPort(c.Addr); err == nil && net.ParseIP(host).To4() != nil {
		return "tcp4"
	}
	return "tcp"
}
