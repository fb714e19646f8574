package faults

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slogcast/slogcast/handler"
	"github.com/slogcast/slogcast/internal/brokertest"
	"github.com/slogcast/slogcast/sink"
)

// TestExternal logs in with a client certificate alone. The embedded broker has
// no TLS; RabbitMQ needs a plugin and settings.
func TestExternal(t *testing.T) {
	brokertest.NeedNode(t)
	ca := newAuthority(t)
	const user, stranger = "shipping", "stranger"
	certificate, key := ca.issue(t, "broker")
	address := freeAddress(t)
	node := brokertest.StartNode(t, brokertest.NodeConfig{
		Settings: []string{
			"listeners.ssl.1 = " + address,
			"ssl_options.cacertfile = " + ca.file,
			"ssl_options.certfile = " + certificate,
			"ssl_options.keyfile = " + key,
			"ssl_options.verify = verify_peer",
			"ssl_options.fail_if_no_peer_cert = true",
			"ssl_cert_login_from = common_name",
			"auth_mechanisms.1 = EXTERNAL",
			"auth_mechanisms.2 = PLAIN", // for the test itself, on the plain port
		},
		Plugins: []string{"rabbitmq_auth_mechanism_ssl"},
	})
	for _, args := range [][]string{
		{"add_user", user, "unused"},
		{"clear_password", user},
		{"set_permissions", "-p", "/", user, ".*", ".*", ".*"},
	} {
		if out, err := node.Ctl(args...); err != nil {
			t.Fatalf("rabbitmqctl %s: %v\n%s", args[0], err, out)
		}
	}
	as := func(name string) string {
		certificate, key := ca.issue(t, name)
		query := url.Values{
			"cacertfile":     {ca.file},
			"certfile":       {certificate},
			"keyfile":        {key},
			"auth_mechanism": {"external"},
		}
		return (&url.URL{Scheme: "amqps", Host: address, Path: "/", RawQuery: query.Encode()}).String()
	}

	t.Run("known", func(t *testing.T) {
		r := start(t, node.Broker, "", false)
		r.tail = startTail(r, as(user))
		a := r.produce(as(user), handler.Options{}, 0)
		for range 100 {
			a.log()
		}
		r.finish()
		if r.row.received < 100 || r.row.told > 0 {
			t.Errorf("%d of 100 records arrived, the tail misses %d", r.row.received, r.row.told)
		}
	})
	t.Run("unknown", func(t *testing.T) {
		refused := func(who string, err error) {
			t.Helper()
			if err == nil || !strings.Contains(err.Error(), address) || !strings.Contains(err.Error(), "refused") ||
				!strings.Contains(err.Error(), "certificate") || strings.Contains(err.Error(), "guest") {
				t.Errorf("%s: got %v, want an error that says that %s refuses the certificate", who, err, address)
			}
		}
		told := make(chan error, 10)
		h, err := handler.New(as(stranger), &handler.Options{OnError: func(err error) {
			select {
			case told <- err:
			default:
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), soon)
		defer cancel()
		refused("tail", sink.Tail(ctx, sink.Config{URL: as(stranger)}, nil)) // nothing to write
		select {
		case err := <-told:
			refused("handler", err)
		case <-ctx.Done():
			t.Error("the handler tells no error")
		}
		if err := h.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
	})
}

// authority signs certificates.
type authority struct {
	file        string // its own certificate
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	ca := &authority{file: filepath.Join(t.TempDir(), "ca.pem")}
	var err error
	if ca.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	template := certificateOf("authority")
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, &ca.key.PublicKey, ca.key)
	if err != nil {
		t.Fatal(err)
	}
	if ca.certificate, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	writePEM(t, ca.file, "CERTIFICATE", der)
	return ca
}

// issue returns the files of a certificate, for a client or for a server on
// loopback, and of its key.
func (ca *authority) issue(t *testing.T, name string) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := certificateOf(name)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}
	template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.certificate, &private.PublicKey, ca.key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certificate, key = filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key")
	writePEM(t, certificate, "CERTIFICATE", der)
	writePEM(t, key, "PRIVATE KEY", pkcs8)
	return certificate, key
}

func certificateOf(name string) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(time.Hour),
	}
}

func writePEM(t *testing.T, file, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// freeAddress returns a loopback address that nothing listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
