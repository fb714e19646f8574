package link

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Error says what failed and what to do about it. Its text holds no password.
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

// describe puts the failure to connect to an endpoint into words. The cause is
// the context's when that has ended the attempt.
func describe(to Endpoint, cause, err error) *Error {
	e := &Error{err: err}
	problem := ""
	refusal, isAMQP := errors.AsType[*amqp.Error](err)
	dns, isDNS := errors.AsType[*net.DNSError](err)
	header, isHeader := errors.AsType[tls.RecordHeaderError](err)
	certificate, isCertificate := errors.AsType[*tls.CertificateVerificationError](err)
	switch {
	case isAMQP && refusal.Code == amqp.AccessRefused && strings.Contains(strings.ToLower(refusal.Reason), "vhost"):
		problem, e.Fatal = fmt.Sprintf("%s may not use vhost %q", to.Who(), to.path), true
		e.Hint = "grant it with rabbitmqctl set_permissions -p VHOST USER CONFIGURE WRITE READ, or use another vhost in the URL"
	case isAMQP && refusal.Code == amqp.AccessRefused && to.external:
		problem, e.Fatal = "login with the client certificate refused", true
		e.Hint = "add a user of the name that the broker takes from the certificate, by its ssl_cert_login_from: the whole subject by default, or its common name"
	case isAMQP && refusal.Code == amqp.AccessRefused:
		problem, e.Fatal = fmt.Sprintf("login as %q refused", to.user), true
		e.Hint = "check user and password in the URL; guest may log in from the broker's own machine only"
	case isAMQP && refusal.Code == amqp.NotAllowed && strings.Contains(refusal.Reason, "not found"):
		problem, e.Fatal = fmt.Sprintf("vhost %q does not exist", to.path), true
		e.Hint = "create it with rabbitmqctl add_vhost, or use another after the / in the URL; the default vhost is an empty path"
	case isAMQP && refusal.Code == amqp.NotAllowed && strings.Contains(refusal.Reason, "refused for user"):
		problem, e.Fatal = fmt.Sprintf("%s may not use vhost %q", to.Who(), to.path), true
		e.Hint = "grant it with rabbitmqctl set_permissions -p VHOST USER CONFIGURE WRITE READ, or use another vhost in the URL"
	case isAMQP && refusal.Server:
		problem = fmt.Sprintf("the broker answered %d %s", refusal.Code, refusal.Reason)
	case errors.Is(cause, context.Canceled):
		problem = "cancelled"
	case isDNS && dns.IsNotFound:
		problem = fmt.Sprintf("host %q not found", dns.Name)
		e.Hint = "check the host name in the URL"
	case isDNS:
		problem = fmt.Sprintf("host %q can't be looked up: %s", dns.Name, dns.Err)
		e.Hint = "check the name servers of this machine"
	case errors.Is(cause, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		problem = "no answer in time"
		e.Hint = "check host and port, a firewall, and whether the broker is overloaded"
	case errors.Is(err, syscall.ECONNREFUSED):
		problem = "connection refused"
		e.Hint = "nothing listens there: check host and port, and whether RabbitMQ is running"
	case isHeader && header.Conn != nil:
		problem, e.Fatal = "the port does not speak TLS", true
		e.Hint = "use amqp://, or the broker's TLS port, 5671 by default"
	case isCertificate:
		problem, e.Fatal = fmt.Sprintf("the broker's certificate is not trusted: %v", certificate.Err), true
		e.Hint = "name your certificate authority with ?cacertfile=FILE, and the host name the certificate was made for"
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), isAMQP && !refusal.Server:
		problem = "the other side closed the connection during the handshake"
		e.Hint = "check that the port is RabbitMQ's AMQP port (5672, or 5671 with amqps://), and the broker's log"
	default:
		problem = withoutAddress(err)
	}
	e.Problem = fmt.Sprintf("connect to %s: %s", to, problem)
	return e
}

// withoutAddress drops net's repetition of the address from an error's text.
func withoutAddress(err error) string {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err.Error()
	}
	return err.Error()
}
