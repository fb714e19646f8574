// Package link keeps a connection to a RabbitMQ broker for handler and sink.
//
// It parses the URLs, dials them in turn, says in plain words what went wrong
// and what to do about it, and dials again for as long as it is wanted. It owns
// the socket below amqp091-go, whose writes would wait for ever on a peer that has
// stopped reading: here nothing waits for the network, the connection is given up
// when nothing moves on it, and can be closed from outside at any time. The
// messages of a Publisher and a Consumer go past the library, which still opens
// the connection and its channels, keeps it alive, and hears why it ends:
//
//	amqp091-go, Publisher, Consumer
//	frames     where messages and confirms join and leave the stream
//	crypto/tls with amqps
//	socket     what the network does not take at once; whether anything moves
//
// Goroutines: the library has a reader, which runs frames.Read and with it what is
// said of confirms and deliveries, and a sender of heartbeats; socket has one while
// the network is slow. All end with the connection. Supervise calls back from the
// goroutine of its caller.
//
// It does not use the library's Config.Recovery, which gives up after a few
// attempts, knows one URL, and does not send again what was not confirmed. Nobody
// outside can reach the library's Connection or publish beside a Publisher.
package link

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"math"
	"net"
	"syscall"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Config says where and how to connect. Its zero value is not usable: it needs
// an Endpoint.
type Config struct {
	// Endpoints are tried in turn, beginning with one at random.
	Endpoints []Endpoint

	// Name is the connection's name in RabbitMQ's management and its log.
	Name string

	// Heartbeat is asked for, if the URL does not; the broker may ask for less.
	// Default 10 s. A peer that is silent for one and a half of it is given up.
	Heartbeat time.Duration

	// DialTimeout bounds TCP, TLS and the AMQP handshake together, if the URL's
	// connection_timeout does not. Default 10 s.
	DialTimeout time.Duration

	// TLS is used with amqps:// in place of what the URL says. May be nil. Its
	// functions may panic, and not return.
	TLS *tls.Config

	// Credentials is asked at every dial, for secrets that change. If nil, user
	// and password are those in the URL. It may panic, and not return.
	Credentials func(context.Context) (user, password string, err error)

	// Notify is told of every change, from the goroutine of Supervise. May be nil.
	Notify func(State)

	// FailFast makes Supervise return the first error that no retry can mend
	// (a refused login, a missing vhost, an exchange of another type) as long
	// as no connection has been of use yet.
	FailFast bool

	logins     *logins           // shared by all dials of one Supervise
	handshakes chan struct{}     // likewise: has a value for each that is under way
	failed     map[string]string // likewise: the address, of those that a host's name has, that was of no use last
	resolver   *net.Resolver     // may be nil
}

func (c Config) withDefaults() Config {
	c.Heartbeat = cmp.Or(c.Heartbeat, 10*time.Second)
	c.DialTimeout = cmp.Or(c.DialTimeout, 10*time.Second)
	if c.Notify == nil {
		c.Notify = func(State) {}
	}
	if c.logins == nil {
		c.logins = newLogins(c.Credentials)
		c.handshakes = make(chan struct{}, mostHandshakes)
		c.failed = make(map[string]string)
	}
	return c
}

// Conn is an open connection.
type Conn struct {
	Endpoint Endpoint

	conn   *amqp.Connection
	raw    *socket      // at the bottom
	frames *frames      // at the top
	lost   <-chan error // see Lost
	useful bool         // see Useful
}

// Dial connects to one endpoint. It blocks until the handshake is done, fails,
// or ctx ends.
func Dial(ctx context.Context, cfg Config, to Endpoint) (*Conn, error) {
	cfg = cfg.withDefaults()
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(to.timeout, cfg.DialTimeout))
	defer cancel()
	c := &Conn{Endpoint: to}
	sasl, err := cfg.logins.get(ctx, &to)
	if err != nil {
		return nil, err
	}
	properties := amqp.NewConnectionProperties()
	properties.SetClientConnectionName(cfg.Name)
	conn, err := amqp.DialConfig(to.url, amqp.Config{
		SASL:       sasl,
		Heartbeat:  cfg.Heartbeat,
		Properties: properties,
		Dial:       func(network, _ string) (net.Conn, error) { return c.open(ctx, cfg, network) },
	})
	if c.raw != nil && !c.raw.stopDial() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		failure := c.failed()
		if c.raw != nil {
			c.raw.Close()
			cfg.failed[to.host] = c.raw.RemoteAddr().String()
		}
		return nil, describe(to, context.Cause(ctx), cmp.Or(failure, err), err)
	}
	c.conn = conn
	c.raw.silence.Store(int64(silence(conn.Config.Heartbeat)))
	c.lost = errorsOf(conn.NotifyClose(make(chan *amqp.Error, 1)))
	return c, nil
}

// silence is how long nothing may move on a connection with such a heartbeat while
// something should. Without heartbeats nothing says that a slow peer lives.
func silence(heartbeat time.Duration) time.Duration {
	if heartbeat == 0 {
		return time.Minute
	}
	return heartbeat + heartbeat/2
}

// errorsOf returns a channel that passes on what the library's does. It hides the
// library's type, whose nil pointer would be an error.
func errorsOf(closes <-chan *amqp.Error) <-chan error {
	out := make(chan error, 1)
	go func() {
		defer close(out)
		for reason := range closes {
			if reason != nil {
				out <- reason
				return
			}
		}
	}()
	return out
}

// open connects the layers below the library: socket, TLS, frames.
func (c *Conn) open(ctx context.Context, cfg Config, network string) (net.Conn, error) {
	raw, err := cfg.dial(ctx, network, c.Endpoint.host)
	if err != nil {
		return nil, err
	}
	c.raw = newSocket(raw, cfg.DialTimeout)
	// The handshake knows no context; closing the socket ends it.
	c.raw.stopDial = context.AfterFunc(ctx, func() { raw.Close() })
	conn := net.Conn(c.raw)
	if c.Endpoint.TLS() {
		// By the library it would be above frames, and those hold ciphertext.
		how, err := c.Endpoint.tlsConfig(cfg.TLS)
		if err != nil {
			return nil, err
		}
		client := tls.Client(conn, how)
		if err := cfg.shakeHands(ctx, client); err != nil {
			return nil, err
		}
		conn = client
	}
	c.frames = newFrames(conn)
	return c.frames, nil
}

// errOther is of an address that is not tried while there are others.
var errOther = errors.New("another address is tried first")

// dial connects to a host. Of the addresses that its name has, the one that took the
// last connection, and then was of no use, is tried behind the others: a node that hangs
// takes connections.
func (c Config) dial(ctx context.Context, network, host string) (net.Conn, error) {
	d := net.Dialer{Resolver: c.resolver}
	if failed := c.failed[host]; failed != "" {
		others := d
		others.Control = func(_, address string, _ syscall.RawConn) error {
			if address == failed {
				return errOther
			}
			return nil
		}
		conn, err := others.DialContext(ctx, network, host)
		if _, lookup := errors.AsType[*net.DNSError](err); err == nil || lookup {
			return conn, err
		}
		// They may have taken all the time. The next attempt takes them as they come.
		delete(c.failed, host)
	}
	return d.DialContext(ctx, network, host)
}

// failed returns why reading or writing has failed first, nil if it has not. What
// the library says of that is not always the reason.
func (c *Conn) failed() error {
	if c.frames != nil {
		if err := c.frames.failure.Load(); err != nil && !errors.Is(*err, net.ErrClosed) {
			return *err
		}
	}
	if c.raw != nil {
		if err := c.raw.failed(); !errors.Is(err, net.ErrClosed) {
			return err
		}
	}
	return nil
}

// Useful says that the connection has done its work for a while: when it is
// lost, the next one is tried at once. It is for the goroutine of Supervise.
func (c *Conn) Useful() { c.useful = true }

// Abort closes the socket at once. Whatever waits for the connection returns with
// an error, and nothing more is written.
func (c *Conn) Abort() { c.raw.Close() }

// Close says goodbye to the broker, until ctx ends, and closes the socket.
func (c *Conn) Close(ctx context.Context) {
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		c.conn.Close()
	}()
	select {
	case <-closed:
	case <-ctx.Done():
	}
	c.Abort()
	<-closed
}

// Silence is how long nothing may move on the connection while something should.
func (c *Conn) Silence() time.Duration { return time.Duration(c.raw.silence.Load()) }

// maxFrame returns how many bytes a frame may have.
func (c *Conn) maxFrame() int {
	if c.conn.Config.FrameSize == 0 { // no limit
		return math.MaxInt32
	}
	return c.conn.Config.FrameSize
}

// Lost is closed, after the reason where there is one, when the connection has
// ended.
func (c *Conn) Lost() <-chan error { return c.lost }
