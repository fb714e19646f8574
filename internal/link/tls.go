package link

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"
)

// tlsConfig returns how to speak TLS with the endpoint: a copy of given or, when
// that is nil, what the URL's parameters say
// (https://www.rabbitmq.com/docs/uri-query-parameters).
func (e *Endpoint) tlsConfig(given *tls.Config) (*tls.Config, error) {
	cfg := given.Clone()
	if cfg == nil {
		cfg = &tls.Config{ServerName: e.uri.ServerName}
		if file := e.uri.CACertFile; file != "" {
			roots, err := readRoots(file)
			if err != nil {
				return nil, fmt.Errorf("read cacertfile: %w", err)
			}
			cfg.RootCAs = roots
		}
		if e.uri.CertFile != "" {
			own, err := tls.LoadX509KeyPair(e.uri.CertFile, e.uri.KeyFile)
			if err != nil {
				return nil, fmt.Errorf("read certfile and keyfile: %w", err)
			}
			cfg.Certificates = []tls.Certificate{own}
		}
	}
	if cfg.ServerName == "" {
		cfg.ServerName = e.uri.Host
	}
	return cfg, nil
}

// readRoots reads certificates in PEM.
func readRoots(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errors.New("there is no certificate in PEM in it")
	}
	return roots, nil
}

const (
	// mostHandshakes bounds how many goroutines a function that does not return may
	// keep.
	mostHandshakes = 8

	// unwinding is how long a handshake whose connection was closed may take to end.
	unwinding = time.Second
)

// shakeHands does client's handshake until ctx ends, in a goroutine of its own:
// the functions of a program's tls.Config may panic, end the goroutine, and not
// return.
func (c Config) shakeHands(ctx context.Context, client *tls.Conn) error {
	select {
	case c.handshakes <- struct{}{}:
	case <-ctx.Done():
		return &Error{Problem: "functions of the TLS configuration do not return", err: context.Cause(ctx)}
	}
	done := make(chan error, 1)
	go func() {
		err := error(&Error{Problem: "a function of the TLS configuration ended its goroutine"})
		defer func() {
			if p := recover(); p != nil {
				err = &Error{Problem: fmt.Sprintf("a function of the TLS configuration panicked (%T)", p)}
			}
			done <- err
			<-c.handshakes
		}()
		err = client.HandshakeContext(ctx)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-done:
		return err
	case <-time.After(unwinding):
		return &Error{Problem: "a function of the TLS configuration does not return", err: context.Cause(ctx)}
	}
}
