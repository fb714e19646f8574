// Package link keeps a connection to a RabbitMQ broker for handler and sink.
//
// It parses the URLs, dials them in turn, says in plain words what went wrong
// and what to do about it, and dials again for as long as it is wanted. It owns
// the socket below amqp091-go: every write has a deadline, and the socket can
// be closed from outside whatever the library is waiting for. The library sets
// no write deadline of its own, and would wait for ever on a peer that has
// stopped reading. The messages of a Publisher and a Consumer go past the library,
// which still opens the connection and its channels, keeps it alive, and hears
// why it ends:
//
//	amqp091-go, Publisher, Consumer
//	frames     where messages and confirms join and leave the stream
//	crypto/tls with amqps
//	socket     deadlines
//
// It does not use the library's Config.Recovery, which gives up after a few
// attempts, knows one URL, and does not send again what was not confirmed.
package link

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"math"
	"net"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Config says where and how to connect. Its zero value is not usable: it needs
// an Endpoint.
type Config struct {
	// Endpoints are tried in turn.
	Endpoints []Endpoint

	// Name is the connection's name in RabbitMQ's management and its log.
	Name string

	// Heartbeat is asked for; the broker may ask for less. Default 10 s.
	// A peer that is silent for one and a half of it is given up.
	Heartbeat time.Duration

	// DialTimeout bounds TCP, TLS and the AMQP handshake together. Default 10 s.
	DialTimeout time.Duration

	// WriteTimeout bounds each write to the socket. Default 5 s.
	WriteTimeout time.Duration

	// TLS is used with amqps:// in place of what the URL says. May be nil.
	TLS *tls.Config

	// Credentials is asked at every dial, for secrets that change. If nil, user
	// and password are those in the URL.
	Credentials func(context.Context) (user, password string, err error)

	// Notify is told of every change, from the goroutine of Supervise. May be nil.
	Notify func(State)

	// FailFast makes Supervise return the first error that no retry can mend
	// (a refused login, a missing vhost, an exchange of another type) as long
	// as no connection has been of use yet.
	FailFast bool
}

func (c Config) withDefaults() Config {
	c.Heartbeat = cmp.Or(c.Heartbeat, 10*time.Second)
	c.DialTimeout = cmp.Or(c.DialTimeout, 10*time.Second)
	c.WriteTimeout = cmp.Or(c.WriteTimeout, 5*time.Second)
	if c.Notify == nil {
		c.Notify = func(State) {}
	}
	return c
}

// Conn is an open connection. Its channels come from the library; its end is
// ours.
type Conn struct {
	*amqp.Connection
	Endpoint Endpoint

	raw    *socket          // at the bottom
	frames *frames          // at the top
	done   chan *amqp.Error // closed when the library has let go of the connection
	useful bool             // see Useful
}

// Dial connects to one endpoint. It blocks until the handshake is done, fails,
// or ctx ends.
func Dial(ctx context.Context, cfg Config, to Endpoint) (*Conn, error) {
	cfg = cfg.withDefaults()
	ctx, cancel := context.WithTimeout(ctx, cfg.DialTimeout)
	defer cancel()
	c := &Conn{Endpoint: to}
	sasl, err := cfg.login(ctx, &to)
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
	if c.raw != nil && !c.raw.handshake() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		if c.raw != nil {
			c.raw.Close()
		}
		return nil, describe(to, cmp.Or(context.Cause(ctx), err), err)
	}
	c.Connection = conn
	c.done = conn.NotifyClose(make(chan *amqp.Error, 1))
	return c, nil
}

// open connects the layers below the library: socket, TLS, frames.
func (c *Conn) open(ctx context.Context, cfg Config, network string) (net.Conn, error) {
	raw, err := new(net.Dialer).DialContext(ctx, network, c.Endpoint.host)
	if err != nil {
		return nil, err
	}
	// The handshake knows no context; closing the socket ends it.
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	c.raw = &socket{Conn: raw, timeout: cfg.WriteTimeout, handshake: stop}
	conn := net.Conn(c.raw)
	if c.Endpoint.TLS() {
		// By the library it would be above frames, and those hold ciphertext.
		how, err := c.Endpoint.tlsConfig(cfg.TLS)
		if err != nil {
			return nil, err
		}
		client := tls.Client(conn, how)
		if err := client.HandshakeContext(ctx); err != nil {
			return nil, err
		}
		conn = client
	}
	c.frames = newFrames(conn)
	return c.frames, nil
}

// login returns how to log in: nil for the way the URL says.
func (c *Config) login(ctx context.Context, to *Endpoint) ([]amqp.Authentication, error) {
	if c.Credentials == nil {
		return nil, nil
	}
	user, password, err := c.Credentials(ctx)
	if err != nil {
		return nil, &Error{Problem: fmt.Sprintf("connect to %s: get credentials: %v", to, err), err: err}
	}
	to.user, to.external = user, false
	return []amqp.Authentication{&amqp.PlainAuth{Username: user, Password: password}}, nil
}

// Useful says that the connection has done its work for a while: when it is
// lost, the next one is tried at once. It is for the goroutine of Supervise.
func (c *Conn) Useful() { c.useful = true }

// Abort closes the socket at once. Whatever waits for the connection returns
// with an error.
func (c *Conn) Abort() { c.raw.Close() }

// Close says goodbye to the broker, until ctx ends, and closes the socket.
func (c *Conn) Close(ctx context.Context) {
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		c.Connection.Close()
	}()
	select {
	case <-closed:
	case <-ctx.Done():
	}
	c.Abort()
	<-closed
}

// maxFrame returns how many bytes a frame may have.
func (c *Conn) maxFrame() int {
	if c.Config.FrameSize == 0 { // no limit
		return math.MaxInt32
	}
	return c.Config.FrameSize
}

// Lost is closed, after the reason where there is one, when the connection has
// ended.
func (c *Conn) Lost() <-chan *amqp.Error { return c.done }
