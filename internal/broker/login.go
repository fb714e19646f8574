package broker

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/slogcast/slogcast/internal/wire"
)

// A mechanism is a way to log in: it finds the user and the password in the
// response of a client.
type mechanism struct {
	name  string
	parse func(response []byte) (user, password []byte, ok bool)
}

// mechanisms are those offered, in the order of preference.
var mechanisms = []mechanism{
	{"PLAIN", parsePlain},
	{"AMQPLAIN", parseAMQPlain},
}

// parsePlain parses a response by RFC 4616.
func parsePlain(response []byte) (user, password []byte, ok bool) {
	parts := bytes.Split(response, []byte{0})
	if len(parts) != 3 {
		return nil, nil, false
	}
	return parts[1], parts[2], true
}

// parseAMQPlain parses what RabbitMQ calls AMQPLAIN and old clients prefer: the
// fields of a table without its length.
func parseAMQPlain(response []byte) (user, password []byte, ok bool) {
	t, err := wire.ParseFields(response)
	if err != nil {
		return nil, nil, false
	}
	login, _ := t.Get("LOGIN")
	secret, _ := t.Get("PASSWORD")
	u, isUser := login.(string)
	p, isPassword := secret.(string)
	return []byte(u), []byte(p), isUser && isPassword
}

// mechanismNames lists mechanisms as connection.start does.
func mechanismNames() []byte {
	var names []string
	for _, m := range mechanisms {
		names = append(names, m.name)
	}
	return []byte(strings.Join(names, " "))
}

// login sends connection.start and checks the answer.
func (c *conn) login() error {
	m, err := c.ask(&wire.ConnectionStart{
		VersionMajor: 0, VersionMinor: 9,
		ServerProperties: serverProperties(),
		Mechanisms:       mechanismNames(),
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
	for _, mech := range mechanisms {
		if mech.name == ok.Mechanism {
			return c.authenticate(mech, ok.Response)
		}
	}
	return &exception{code: commandInvalid, method: m.ID(), text: fmt.Sprintf("unknown authentication mechanism '%s'", ok.Mechanism)}
}

// outOfTurn is the exception for a method that has no place in the handshake.
func outOfTurn(m wire.Method) error {
	return &exception{code: channelError, text: "unexpected method in the handshake", method: m.ID()}
}

// errRefused reports a failed login. Alone it is that of a client that can't be
// told.
var errRefused = errors.New("login refused")

// authenticate checks a response. It waits for its turn when other logins from
// the same address have been refused; see guard.
func (c *conn) authenticate(mech mechanism, response []byte) error {
	user, password, ok := mech.parse(response)
	if !ok {
		return raise(syntaxError, "response of %s invalid", mech.name)
	}
	c.user = string(user)
	addr := addressOf(c.nc.RemoteAddr())
	if !c.srv.guard.wait(addr, c.srv.timers.quit) {
		return c.refused(mech)
	}
	cfg := &c.srv.cfg
	local := cfg.User != guest || isLocal(c.nc.RemoteAddr())
	if same(user, cfg.User) && same(password, cfg.Password) && local {
		c.srv.guard.passed(addr)
		return nil
	}
	c.srv.guard.failed(addr)
	return c.refused(mech)
}

// refused returns how a client is told that it may not log in.
func (c *conn) refused(mech mechanism) error {
	if !c.canRefuse {
		return errRefused
	}
	return fmt.Errorf("%w: %w", errRefused,
		raise(accessRefused, "Login was refused using authentication mechanism %s. For details see the broker logfile.", mech.name))
}

// same compares in a time that tells nothing of where they differ. Digests have
// one length.
func same(got []byte, want string) bool {
	g, w := sha256.Sum256(got), sha256.Sum256([]byte(want))
	return subtle.ConstantTimeCompare(g[:], w[:]) == 1
}

// isLocal reports whether a peer is on this machine. What is not an IP address,
// as of a pipe or a Unix socket, is.
func isLocal(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return !ok || tcp.IP.IsLoopback()
}
