package link

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
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
