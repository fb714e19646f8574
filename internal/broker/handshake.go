package broker

import (
	"errors"
	"fmt"
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

// serverProperties is what a client learns about the server: the names and
// types are those of RabbitMQ 3.10. The version is that of the RabbitMQ whose
// behaviour is shown here, since clients compare it with the versions of
// RabbitMQ; who really speaks is in platform and information.
func serverProperties() wire.Table {
	return wire.Table{
		{Key: "capabilities", Value: wire.Table{
			{Key: "publisher_confirms", Value: true},
			{Key: "exchange_exchange_bindings", Value: true},
			{Key: "basic.nack", Value: true},
			{Key: "consumer_cancel_notify", Value: true},
			{Key: "connection.blocked", Value: true},
			{Key: "consumer_priorities", Value: true},
			{Key: "authentication_failure_close", Value: true},
			{Key: "per_consumer_qos", Value: true},
			{Key: "direct_reply_to", Value: true},
		}},
		{Key: "cluster_name", Value: "slogcast"},
		{Key: "copyright", Value: "slogcast contributors"},
		{Key: "information", Value: "slogcast's embedded broker: one process, memory only"},
		{Key: "platform", Value: "slogcast " + version()},
		{Key: "product", Value: "RabbitMQ"},
		{Key: "version", Value: "3.10.8"},
	}
}

// version returns the version of the main module, as far as the build knows.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
