package broker

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"time"

	"github.com/slogcast/slogcast/internal/wire"
)

// handshakeFrameMax is the largest frame before the limit is negotiated.
// RabbitMQ 4.1 raised it to 8192 for the sake of long tokens.
const handshakeFrameMax = 8192

// errNotAMQP reports a client that does not speak AMQP 0-9-1.
var errNotAMQP = errors.New("not an AMQP 0-9-1 client")

// handshake takes the connection from its first byte to connection.open-ok.
func (c *conn) handshake() error {
	header, err := c.in.ReadProtocolHeader()
	if err != nil {
		return err
	}
	if header != wire.ProtocolHeader {
		// AMQP 0-9-1 section 4.2.2: answer with the version spoken here.
		c.setWriteDeadline()
		c.nc.Write([]byte(wire.ProtocolHeader))
		return errNotAMQP
	}
	if err := c.login(); err != nil {
		return err
	}
	if err := c.tune(); err != nil {
		return err
	}
	return c.openVHost()
}

// ask sends a method of the handshake and reads the answer.
func (c *conn) ask(m wire.Method) (wire.Method, error) {
	c.out.send(0, m)
	if err := c.out.flush(); err != nil {
		return nil, err
	}
	return c.readControl()
}

// readControl reads the next method on channel 0.
func (c *conn) readControl() (wire.Method, error) {
	for {
		f, err := c.in.ReadFrame()
		switch {
		case err != nil:
			return nil, frameException(f, err)
		case f.Type == wire.FrameHeartbeat:
			continue
		case f.Type != wire.FrameMethod || f.Channel != 0:
			return nil, raise(unexpectedFrame, "type %d on channel %d during the handshake", f.Type, f.Channel)
		}
		return parseMethod(f.Payload)
	}
}

// login sends connection.start and checks the answer.
func (c *conn) login() error {
	m, err := c.ask(&wire.ConnectionStart{
		VersionMajor: 0, VersionMinor: 9,
		ServerProperties: serverProperties(),
		Mechanisms:       []byte("PLAIN"),
		Locales:          []byte("en_US"),
	})
	if err != nil {
		return err
	}
	ok, is := m.(*wire.ConnectionStartOk)
	if !is {
		return outOfTurn(m)
	}
	if v, _ := ok.ClientProperties.Get("capabilities"); v != nil {
		caps, _ := v.(wire.Table)
		c.canBlock = caps.Bool("connection.blocked")
		c.canCancel = caps.Bool("consumer_cancel_notify")
		c.canRefuse = caps.Bool("authentication_failure_close")
	}
	if ok.Mechanism != "PLAIN" {
		return &exception{code: commandInvalid, method: m.ID(), text: fmt.Sprintf("unknown authentication mechanism '%s'", ok.Mechanism)}
	}
	return c.authenticate(ok.Response)
}

// outOfTurn is the exception for a method that has no place in the handshake.
func outOfTurn(m wire.Method) error {
	return &exception{code: channelError, text: "unexpected method in the handshake", method: m.ID()}
}

// errRefused reports a failed login to a client that can't be told.
var errRefused = errors.New("login refused")

// authenticate checks a PLAIN response (RFC 4616).
func (c *conn) authenticate(response []byte) error {
	parts := bytes.Split(response, []byte{0})
	if len(parts) != 3 {
		return raise(syntaxError, "response %s invalid", "of PLAIN")
	}
	c.user = string(parts[1])
	cfg := &c.srv.cfg
	// Digests have one length, so comparing them takes one time.
	user, wantUser := sha256.Sum256(parts[1]), sha256.Sum256([]byte(cfg.User))
	password, wantPassword := sha256.Sum256(parts[2]), sha256.Sum256([]byte(cfg.Password))
	good := subtle.ConstantTimeCompare(user[:], wantUser[:]) & subtle.ConstantTimeCompare(password[:], wantPassword[:])
	local := cfg.User != guest || isLocal(c.nc.RemoteAddr())
	if good == 1 && local {
		return nil
	}
	if !c.canRefuse {
		return errRefused
	}
	return raise(accessRefused, "Login was refused using authentication mechanism PLAIN. For details see the broker logfile.")
}

// isLocal reports whether a peer is on this machine. What is not an IP address,
// as of a pipe or a Unix socket, is.
func isLocal(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return !ok || tcp.IP.IsLoopback()
}

// tune settles the limits. The client may lower what it is offered.
func (c *conn) tune() error {
	cfg := &c.srv.cfg
	offer := &wire.ConnectionTune{
		ChannelMax: uint16(cfg.MaxChannels),
		FrameMax:   uint32(cfg.FrameMax),
		Heartbeat:  uint16(max(cfg.Heartbeat, 0) / time.Second),
	}
	m, err := c.ask(offer)
	if err != nil {
		return err
	}
	ok, is := m.(*wire.ConnectionTuneOk)
	if !is {
		return outOfTurn(m)
	}
	if err := checkTuned("frame_max", ok.FrameMax, wire.MinFrameMax, offer.FrameMax); err != nil {
		return err
	}
	if err := checkTuned("channel_max", uint32(ok.ChannelMax), 1, uint32(offer.ChannelMax)); err != nil {
		return err
	}
	c.frameMax, c.channelMax = int(ok.FrameMax), int(ok.ChannelMax)
	c.in.SetFrameMax(c.frameMax)
	// The client has the last word on heartbeats, zero for none.
	c.heartbeat = time.Duration(ok.Heartbeat) * time.Second
	return nil
}

// checkTuned refuses a limit that is not within what was offered. Zero is "no
// limit", which is more than any offer.
func checkTuned(field string, got, least, offered uint32) error {
	const format = "negotiated %s = %d is %s than the %s allowed value (%d)"
	switch {
	case got != 0 && got < least:
		return &exception{code: notAllowed, method: wire.ConnectionTuneID, text: fmt.Sprintf(format, field, got, "lower", "minimum", least)}
	case got == 0 || got > offered:
		return &exception{code: notAllowed, method: wire.ConnectionTuneID, text: fmt.Sprintf(format, field, got, "higher", "maximum", offered)}
	}
	return nil
}

// openVHost ends the handshake. There is one virtual host.
func (c *conn) openVHost() error {
	m, err := c.readControl()
	if err != nil {
		return err
	}
	open, is := m.(*wire.ConnectionOpen)
	if !is {
		return outOfTurn(m)
	}
	if open.VirtualHost != "/" {
		return &exception{code: notAllowed, method: m.ID(), text: fmt.Sprintf("vhost %s not found", open.VirtualHost)}
	}
	if err := c.srv.admit(c); err != nil {
		return err
	}
	c.out.send(0, &wire.ConnectionOpenOk{})
	return nil
}

// admit counts c among the open connections.
func (s *Server) admit(c *conn) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return errClosed
	case s.open >= s.cfg.MaxConnections:
		return &exception{code: notAllowed, method: wire.ConnectionOpenID, text: fmt.Sprintf(
			"access to vhost '/' refused for user '%s': connection limit (%d) is reached", c.user, s.cfg.MaxConnections)}
	}
	c.opened = true
	s.greeting--
	s.open++
	return nil
}

func (c *conn) setWriteDeadline() {
	c.nc.SetWriteDeadline(time.Now().Add(c.srv.cfg.WriteTimeout))
}

// serverProperties is what a client learns about the server.
func serverProperties() wire.Table {
	return wire.Table{
		{Key: "product", Value: "slogcast"},
		{Key: "version", Value: version()},
		{Key: "platform", Value: "Go"},
		{Key: "information", Value: "embedded broker, one process, memory only"},
		{Key: "capabilities", Value: wire.Table{
			{Key: "publisher_confirms", Value: true},
			{Key: "exchange_exchange_bindings", Value: false},
			{Key: "basic.nack", Value: true},
			{Key: "consumer_cancel_notify", Value: true},
			{Key: "connection.blocked", Value: true},
			{Key: "consumer_priorities", Value: false},
			{Key: "authentication_failure_close", Value: true},
			{Key: "per_consumer_qos", Value: true},
			{Key: "direct_reply_to", Value: false},
		}},
	}
}

// version returns the version of the main module, as far as the build knows.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
