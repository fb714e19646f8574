package link

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Error says what failed and what to do about it. Its text holds no password, and
// what a peer has said in quotes.
type Error struct {
	Problem string // what failed
	Hint    string // what to do; may be empty
	Fatal   bool   // no retry helps until somebody changes something

	err error // for errors.Is and errors.As
}

func (e *Error) Error() string {
	if e.Hint == "" {
		return e.Problem
	}
	return e.Problem + " (" + e.Hint + ")"
}

func (e *Error) Unwrap() error { return e.err }

// Explain returns err as an Error. What it does not know is temporary.
func Explain(err error) *Error {
	if known, ok := errors.AsType[*Error](err); ok {
		return known
	}
	return &Error{Problem: err.Error(), err: err}
}

// describe puts the failure to connect to an endpoint into words. ended is why the
// context has ended, if it has, err the library's error, and failure what reading
// or writing failed with, if that is known: the library calls each failure during
// the login a refusal, and only what the broker has said in words is one.
func describe(to Endpoint, ended, failure, err error) *Error {
	e := &Error{err: err}
	_, lookup := errors.AsType[*net.DNSError](failure)
	refusal, ok := errors.AsType[*amqp.Error](err)
	known, isKnown := errors.AsType[*Error](err)
	switch {
	case isKnown:
		e.err, e.Problem, e.Hint = known.err, known.Problem, known.Hint
	case ok && refusal.Server:
		e.readRefusedConnection(to, refusal)
	case errors.Is(ended, context.DeadlineExceeded) && !lookup:
		e.err, e.Problem, e.Hint = ended, noAnswer, noAnswerHint
	case ended != nil && !errors.Is(ended, context.DeadlineExceeded):
		e.err, e.Problem = ended, "cancelled"
	default:
		e.err = failure
		e.readFailure(failure)
	}
	e.Problem = fmt.Sprintf("connect to %s: %s", to, plain(e.Problem))
	return e
}

const (
	noAnswer     = "no answer in time"
	noAnswerHint = "check host and port, a firewall, and whether the broker is overloaded"
)

const grantHint = "grant it with rabbitmqctl set_permissions -p VHOST USER CONFIGURE WRITE READ, or use another vhost in the URL"

// readRefusedConnection reads what a broker says that does not want the connection.
func (e *Error) readRefusedConnection(to Endpoint, refusal *amqp.Error) {
	reason := strings.ToLower(refusal.Reason)
	e.Fatal = true
	switch {
	case refusal.Code == amqp.NotAllowed && strings.Contains(reason, "limit"):
		e.Problem = fmt.Sprintf("the broker takes no more connections: %q", refusal.Reason)
		e.Hint = "close others, or raise the limit with rabbitmqctl set_user_limits or set_vhost_limits"
	case refusal.Code == amqp.AccessRefused && strings.Contains(reason, "vhost"),
		refusal.Code == amqp.NotAllowed && strings.Contains(reason, "refused for user"):
		e.Problem, e.Hint = fmt.Sprintf("%s may not use vhost %q", to.Who(), to.path), grantHint
	case refusal.Code == amqp.AccessRefused && to.external:
		e.Problem = "login with the client certificate refused"
		e.Hint = "add a user of the name that the broker takes from the certificate, by its ssl_cert_login_from: the whole subject by default, or its common name"
	case refusal.Code == amqp.AccessRefused:
		e.Problem = fmt.Sprintf("login as %q refused", to.user)
		e.Hint = "check user and password in the URL; guest may log in from the broker's own machine only"
	case refusal.Code == amqp.NotAllowed && strings.Contains(reason, "not found"):
		e.Problem = fmt.Sprintf("vhost %q does not exist", to.path)
		e.Hint = "create it with rabbitmqctl add_vhost, or use another after the / in the URL; the default vhost is an empty path"
	default:
		e.Problem = fmt.Sprintf("the broker answered %d %q", refusal.Code, refusal.Reason)
		e.Fatal = !passing(refusal.Code)
	}
}

// readFailure reads what the network, TLS or the library has failed with.
func (e *Error) readFailure(failure error) {
	dns, isDNS := errors.AsType[*net.DNSError](failure)
	header, isHeader := errors.AsType[tls.RecordHeaderError](failure)
	certificate, isCertificate := errors.AsType[*tls.CertificateVerificationError](failure)
	alert, isAlert := errors.AsType[tls.AlertError](failure)
	_, isLibrary := errors.AsType[*amqp.Error](failure)
	switch {
	case errors.Is(failure, amqp.ErrSASL):
		e.Problem = "the broker has none of the ways to log in that were asked for"
		e.Hint = "choose another auth_mechanism in the URL, or enable it in the broker's auth_mechanisms"
	case isDNS && dns.IsNotFound:
		e.Problem = fmt.Sprintf("host %q not found", dns.Name)
		e.Hint = "check the host name in the URL"
	case isDNS:
		e.Problem = fmt.Sprintf("host %q can't be looked up: %s", dns.Name, dns.Err)
		e.Hint = "check the name servers of this machine"
	case errors.Is(failure, os.ErrDeadlineExceeded), errors.Is(failure, context.DeadlineExceeded):
		e.Problem, e.Hint = noAnswer, noAnswerHint
	case errors.Is(failure, syscall.ECONNREFUSED):
		e.Problem = "connection refused"
		e.Hint = "nothing listens there: check host and port, and whether RabbitMQ is running"
	case isHeader && header.Conn != nil:
		e.Problem, e.Fatal = "the port does not speak TLS", true
		e.Hint = "use amqp://, or the broker's TLS port, 5671 by default"
	case isCertificate:
		e.Problem, e.Fatal = fmt.Sprintf("the broker's certificate is not trusted: %v", certificate.Err), true
		e.Hint = "name your certificate authority with ?cacertfile=FILE, and the host name the certificate was made for"
		if invalid, ok := errors.AsType[x509.CertificateInvalidError](failure); ok && invalid.Reason == x509.Expired {
			e.Hint = "renew it, or set this machine's clock"
		}
	case isAlert || strings.Contains(failure.Error(), "remote error: tls: "):
		text := failure.Error()
		if isAlert {
			text = alert.Error()
		}
		e.Problem, e.Fatal = "the broker refuses the TLS connection: "+withoutAddress(errors.New(text)), true
		e.Hint = "see its TLS versions, ciphers and server names"
		if strings.Contains(text, "certificate") || strings.Contains(text, "handshake failure") {
			e.Hint = "it may want a client certificate, ?certfile=FILE&keyfile=FILE, of an authority that it trusts"
		}
	case errors.Is(failure, io.EOF), errors.Is(failure, io.ErrUnexpectedEOF), errors.Is(failure, syscall.ECONNRESET), errors.Is(failure, syscall.EPIPE):
		e.Problem = "the other side closed the connection during the handshake"
		e.Hint = "check user and password, that the port is RabbitMQ's AMQP port (5672, or 5671 with amqps://), and the broker's log"
	// Who closed a socket that nothing had failed on is the library: it found fault
	// with what came, and was still writing.
	case isLibrary, errors.Is(failure, net.ErrClosed):
		e.Problem = "the other side does not speak AMQP 0-9-1"
		e.Hint = "check that the port is RabbitMQ's AMQP port (5672, or 5671 with amqps://)"
	default:
		e.Problem = withoutAddress(failure)
	}
}

// passing reports whether a broker's refusal with the code may be over soon:
// it is closed by hand (320), has trouble inside (541), or lacks something
// (506). https://www.rabbitmq.com/amqp-0-9-1-reference#constants
func passing(code int) bool {
	return code == amqp.ConnectionForced || code == amqp.InternalError || code == amqp.ResourceError
}

// withoutAddress drops net's repetition of the address from an error's text.
func withoutAddress(err error) string {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err.Error()
	}
	return err.Error()
}

// plain returns text, parts of which are a peer's, with what is no plain character
// as in a quoted string: names in a certificate may hold anything.
func plain(text string) string {
	var b strings.Builder
	for _, r := range text {
		if r == '\'' || r == '\\' {
			b.WriteRune(r)
			continue
		}
		quoted := strconv.QuoteRune(r)
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	return b.String()
}
