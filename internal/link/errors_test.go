package link

import (
	"context"
	"net"
	"strings"
	"testing"
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
