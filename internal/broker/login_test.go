package broker_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/slogcast/slogcast/internal/broker"
	"github.com/slogcast/slogcast/internal/wire"
)

// dialAs logs in by a mechanism of SASL.
func dialAs(url string, auth amqp.Authentication) error {
	conn, err := amqp.DialConfig(url, amqp.Config{SASL: []amqp.Authentication{auth}, Vhost: "/"})
	if err == nil {
		err = conn.Close()
	}
	return err
}

func TestMechanisms(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		for _, auth := range []amqp.Authentication{
			&amqp.PlainAuth{Username: "guest", Password: "guest"},
			&amqp.AMQPlainAuth{Username: "guest", Password: "guest"},
		} {
			if err := dialAs(url, auth); err != nil {
				t.Errorf("%s: %v", auth.Mechanism(), err)
			}
		}
		if err := dialAs(url, &amqp.AMQPlainAuth{Username: "guest", Password: "wrong"}); err != amqp.ErrCredentials {
			t.Errorf("got %v, want %v", err, amqp.ErrCredentials)
		}
	})
}

// TestServerProperties compares what clients look for with RabbitMQ.
func TestServerProperties(t *testing.T) {
	onBrokers(t, func(t *testing.T, url string) {
		conn := must(amqp.Dial(url))(t)
		defer conn.Close()
		want(t, "product", conn.Properties["product"], any("RabbitMQ"))
		for _, key := range []string{"version", "platform", "copyright", "information", "cluster_name"} {
			if v, _ := conn.Properties[key].(string); v == "" {
				t.Errorf("%s is not there", key)
			}
		}
		caps, _ := conn.Properties["capabilities"].(amqp.Table)
		for _, key := range []string{
			"publisher_confirms", "exchange_exchange_bindings", "basic.nack", "consumer_cancel_notify", "connection.blocked",
			"consumer_priorities", "authentication_failure_close", "per_consumer_qos", "direct_reply_to",
		} {
			want(t, key, caps[key], any(true))
		}
		r := dialRaw(t, url)
		r.start("\x00guest\x00guest", nil)
		tune := expect[*wire.ConnectionTune](r)
		want(t, "channel_max", tune.ChannelMax, 2047)
		want(t, "frame_max", tune.FrameMax, 131072)
		want(t, "heartbeat", tune.Heartbeat, 60)
	})
}

// TestRefusedLoginsAreSlowedAndLogged tests that guessing gets slow, also with
// many connections at a time, that others are let in meanwhile, and that each
// refusal is told.
func TestRefusedLoginsAreSlowedAndLogged(t *testing.T) {
	var log bytes.Buffer
	inBubble(t, &broker.Config{User: "u", Password: "p", Logger: slog.New(slog.NewTextHandler(&log, nil))}, func(t *testing.T, s *broker.Server) {
		const guesses = 12
		ended := make(chan time.Duration, guesses)
		start := time.Now()
		for range guesses {
			go func() {
				r, done := servePipe(t, s)
				r.start("\x00u\x00guess", wire.Table{{Key: "authentication_failure_close", Value: true}})
				expect[*wire.ConnectionClose](r)
				d := time.Since(start)
				r.nc.Close()
				<-done
				ended <- d
			}()
		}
		var last time.Duration
		for range guesses {
			last = <-ended
		}
		if last < 3*time.Second {
			t.Errorf("%d guesses took %v", guesses, last)
		}
		if n := strings.Count(log.String(), "Login was refused"); n != guesses {
			t.Errorf("%d of %d refusals were logged:\n%s", n, guesses, log.String())
		}
		if !strings.Contains(log.String(), "user=u ") || strings.Contains(log.String(), "guess") {
			t.Errorf("want the user and not the password:\n%s", log.String())
		}
		pass(2 * time.Minute)
		start = time.Now()
		r, done := servePipe(t, s)
		r.start("\x00u\x00p", nil)
		expect[*wire.ConnectionTune](r)
		want(t, "delay after some quiet", time.Since(start), 0)
		r.nc.Close()
		<-done
	})
}

// certificate makes one for 127.0.0.1 that signs itself.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	der := must(x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key))(t)
	pool := x509.NewCertPool()
	pool.AddCert(must(x509.ParseCertificate(der))(t))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func TestTLS(t *testing.T) {
	cert, pool := certificate(t)
	s := listen(t, &broker.Config{TLS: &tls.Config{Certificates: []tls.Certificate{cert}}})
	if !strings.HasPrefix(s.URL(), "amqps://") {
		t.Errorf("got URL %s", s.URL())
	}
	conn := must(amqp.DialTLS(s.DialURL(), &tls.Config{RootCAs: pool}))(t)
	ch := must(conn.Channel())(t)
	q := tempQueue(t, ch, nil)
	body := strings.Repeat("x", 1<<20)
	publish(t, ch, q, body)
	want(t, "body came back", string(get(t, ch, q).Body) == body, true)
	ok(t, conn.Close())
	if _, err := amqp.Dial("amqp://" + s.Addr().String()); err == nil {
		t.Error("a client without TLS was let in")
	}
}

// TestWarnsOfPlainText tests that who listens for other machines is told what
// they can read.
func TestWarnsOfPlainText(t *testing.T) {
	for addr, warned := range map[string]bool{"0.0.0.0:0": true, "127.0.0.1:0": false} {
		var log bytes.Buffer
		s := must(broker.Listen(&broker.Config{Addr: addr, User: "u", Password: "p", Logger: slog.New(slog.NewTextHandler(&log, nil))}))(t)
		ok(t, s.Close())
		want(t, addr, strings.Contains(log.String(), "in the clear"), warned)
	}
}
