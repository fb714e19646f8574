package link

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
)

func TestANameServersFailureIsNoMissingHost(t *testing.T) {
	for _, tt := range []struct {
		cause error
		err   net.DNSError
		want  string
	}{
		{nil, net.DNSError{Err: "no such host", Name: "mq", IsNotFound: true}, `host "mq" not found (check the host name`},
		{nil, net.DNSError{Err: "server misbehaving", Name: "mq", IsTemporary: true}, `host "mq" can't be looked up: server misbehaving (check the name servers`},
		{context.DeadlineExceeded, net.DNSError{Err: "i/o timeout", Name: "mq", IsTimeout: true}, `host "mq" can't be looked up: i/o timeout (check the name servers`},
		{context.Canceled, net.DNSError{Err: "operation was canceled", Name: "mq"}, "cancelled"},
	} {
		failure := &net.OpError{Op: "dial", Net: "tcp", Err: &tt.err}
		err := describe(Endpoint{}, tt.cause, failure, failure)
		if !strings.Contains(err.Error(), tt.want) || err.Fatal {
			t.Errorf("%s: got %v, want %q and retries", tt.err.Err, err, tt.want)
		}
	}
}

// The network may end a dial in the moment before its context ends.
func TestADialThatIsLateHasNoAnswer(t *testing.T) {
	for _, late := range []error{context.DeadlineExceeded, os.ErrDeadlineExceeded} {
		failure := &net.OpError{Op: "dial", Net: "tcp", Err: late}
		if err := describe(Endpoint{}, nil, failure, failure); !strings.Contains(err.Error(), noAnswer) {
			t.Errorf("got %v", err)
		}
	}
}

// A certificate may be of anybody, and have any text for a name.
func TestNamesInACertificateAreShownPlain(t *testing.T) {
	name := x509.HostnameError{Certificate: &x509.Certificate{DNSNames: []string{"\x1b[31m\n\u202e\\ 'mq'"}}, Host: "host"}
	err := describe(Endpoint{}, nil, &tls.CertificateVerificationError{Err: name}, name)
	if !strings.Contains(err.Error(), `certificate is valid for \x1b[31m\n\u202e\ 'mq', not host`) || !err.Fatal {
		t.Errorf("got %q", err)
	}
}

func TestNoCommonWayToLogIn(t *testing.T) {
	if err := describe(Endpoint{}, nil, amqp.ErrSASL, amqp.ErrSASL); !strings.Contains(err.Error(), "none of the ways to log in") || !strings.Contains(err.Hint, "auth_mechanism") {
		t.Errorf("got %v", err)
	}
}

// A hint is about what was said, and nothing else.
func TestHintsAboutTLS(t *testing.T) {
	for hint, failure := range map[string]error{
		"this machine's clock": &tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Reason: x509.Expired}},
		"?cacertfile=FILE":     &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}},
		"TLS versions":         tls.AlertError(70),  // protocol_version
		"client certificate":   tls.AlertError(116), // certificate_required
	} {
		if err := describe(Endpoint{}, nil, failure, failure); !strings.Contains(err.Hint, hint) || !err.Fatal {
			t.Errorf("got %q, want %q in the hint", err, hint)
		}
	}
}
