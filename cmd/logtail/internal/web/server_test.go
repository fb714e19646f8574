package web

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slogcast/slogcast/cmd/logtail/internal/view"
)

// certificate is one that this test alone believes in.
func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"logs.example"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// start serves until the test ends.
func start(t *testing.T, cfg Config) (address string) {
	t.Helper()
	server, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

// Over https any number of pages share a connection, and the cookie is for it
// alone; user and password open the page.
func TestTLS(t *testing.T) {
	address := start(t, Config{
		Ring: view.New(1 << 20), User: "ops", Password: "hunter2", Hosts: []string{"logs.example"}, Secure: true,
		TLS: &tls.Config{Certificates: []tls.Certificate{certificate(t)}, NextProtos: []string{"h2", "http/1.1"}},
	})
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		},
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	resp, err := client.Post("https://logs.example:7480/api/session", "application/json", strings.NewReader(`{"user":"ops","password":"hunter2"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	cookies := resp.Cookies()
	if resp.StatusCode != 204 || resp.ProtoMajor != 2 || len(cookies) != 1 || !cookies[0].Secure || cookies[0].Name != "__Host-logtail-7480" {
		t.Errorf("%s over %s, %v", resp.Status, resp.Proto, cookies)
	}
	req, err := http.NewRequest("GET", "https://logs.example:7480/api/download", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("ops", "hunter2")
	if resp, err = client.Do(req); err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Error(resp.Status)
	}
}

// A page that takes nothing keeps no other waiting, and the end of the server not
// either.
func TestPageThatTakesNothing(t *testing.T) {
	ring := view.New(8 << 20)
	s := &site{ring: ring, url: "http://" + start(t, Config{Ring: ring, Token: token})}
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /api/rows?from=1 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "+token+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	s.fill(20_000) // more than the connection holds
	next := float64(ring.Stats().Next)
	stream(t, s, "last=1", func(row map[string]any) bool { return row["at"] == next && row["end"] == true })
}

// What is sent and is no request, or never ends, is left.
func TestNoRequest(t *testing.T) {
	s := newSite(t, 1<<20)
	for _, text := range []string{"\x16\x03\x01", "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "GET / HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("x", 1<<20) + "\r\n\r\n"} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, text+"\r\n\r\n") // it may be refused meanwhile
		answer := make([]byte, 16)
		if _, err := io.ReadFull(conn, answer); err == nil && !bytes.HasPrefix(answer, []byte("HTTP/1.1 4")) {
			t.Errorf("%.20q: %q", text, answer)
		}
		_ = conn.Close()
	}
}

// pipes is a listener of connections that are made by dial, in this process.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	conn, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return conn, nil
}

func (p pipes) Close() error   { close(p); return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p pipes) dial() net.Conn {
	ours, theirs := net.Pipe()
	p <- theirs
	return ours
}

// serve serves an empty ring until stop is called.
func serve(t *testing.T) (l pipes, stop func()) {
	t.Helper()
	server, err := New(Config{Ring: view.New(1 << 20), Token: token})
	if err != nil {
		t.Fatal(err)
	}
	l = make(pipes)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, l) }()
	return l, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// As many connections as there may be, of who asks for nothing more, keep nobody
// out.
func TestIdleConnectionsMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, stop := serve(t)
		defer stop()
		began := time.Now()
		for range maxConnections + 10 {
			conn := l.dial()
			defer conn.Close()
			go io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadAll(resp.Body); err != nil {
				t.Fatal(err)
			}
		}
		if waited := time.Since(began); waited > 0 { // the bubble's time
			t.Errorf("waited %v for room", waited)
		}
	})
}

// A body that does not come keeps no connection: there are only so many.
func TestBodyThatNeverComes(t *testing.T) {
	for _, request := range []string{
		"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n",
		"POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n",
		"POST /api/session HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{",
		"GET / HTTP/1.1\r\nHost: evil.example\r\nTransfer-Encoding: chunked\r\n\r\n",
	} {
		synctest.Test(t, func(t *testing.T) {
			l, stop := serve(t)
			defer stop()
			conn := l.dial()
			go io.WriteString(conn, request)
			// If the server keeps it, nothing is left that could go on, which fails the test.
			if answer, err := io.ReadAll(conn); err != nil {
				t.Errorf("%.20q: %q, %v", request, answer, err)
			}
		})
	}
}
