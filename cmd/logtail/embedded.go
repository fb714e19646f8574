package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"syscall"

	"github.com/spf13/pflag"

	"github.com/slogcast/slogcast/internal/broker"
)

// embeddedFlags are those of a broker in this process.
type embeddedFlags struct {
	on           bool
	listen       string
	user         string
	passwordFile string
	tlsCert      string
	tlsKey       string
	history      sizeOrNone

	own *tls.Config // by which this process knows its broker; set by start, nil without TLS
}

const defaultListen = "127.0.0.1:5672"

func (e *embeddedFlags) register(f *pflag.FlagSet) {
	f.BoolVar(&e.on, "embedded", false, "start a broker in this process and watch it")
	f.StringVar(&e.listen, "listen", defaultListen, "`ADDRESS` that the embedded broker serves\nOne that other machines reach needs --user and --password-file.")
	f.StringVar(&e.user, "user", "", "`NAME` that clients of the embedded broker log in with")
	f.StringVar(&e.passwordFile, "password-file", "", "file at `PATH` that holds their password")
	f.StringVar(&e.tlsCert, "tls-cert", "", "certificate at `PATH`, in PEM, with which the embedded broker speaks TLS")
	f.StringVar(&e.tlsKey, "tls-key", "", "its key at `PATH`, in PEM")
	e.history.register(f)
}

// check finds flags that do not go together.
func (e *embeddedFlags) check(f *pflag.FlagSet) error {
	for _, name := range []string{"listen", "user", "password-file", "tls-cert", "tls-key", "history-size"} {
		if f.Changed(name) && !e.on {
			return usagef("--%s needs --embedded", name)
		}
	}
	if e.on && f.Changed("url") {
		return usagef("--embedded has a broker of its own; leave --url out")
	}
	if (e.user == "") != (e.passwordFile == "") {
		return usagef("--user and --password-file go together")
	}
	if (e.tlsCert == "") != (e.tlsKey == "") {
		return usagef("--tls-cert and --tls-key go together")
	}
	return nil
}

// defaultHistory is the size of the past that an embedded broker keeps.
const defaultHistory size = 64 << 20

// start starts the broker, with a history of an exchange, and says how to reach
// it.
func (e *embeddedFlags) start(u *ui, exchange string) (*broker.Server, error) {
	cfg := broker.Config{
		Addr: e.listen, User: e.user, Logger: slog.New(noticeHandler{u}),
		Memory: brokerMemory + int64(e.history.size),
	}
	if e.tlsCert != "" {
		cert, err := tls.LoadX509KeyPair(e.tlsCert, e.tlsKey)
		if err != nil {
			return nil, fmt.Errorf("read --tls-cert and --tls-key: %w", err)
		}
		cfg.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
		e.own = onlyWith(cert.Certificate[0])
	}
	if e.passwordFile != "" {
		password, err := readPassword(e.passwordFile)
		if err != nil {
			return nil, err
		}
		cfg.Password = password
	}
	s, err := broker.Listen(&cfg)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%w; --listen 127.0.0.1:0 takes a free port", err)
	}
	if err != nil && e.user == "" {
		return nil, fmt.Errorf("%w (--user, --password-file)", err)
	}
	if err != nil {
		return nil, err
	}
	if e.history.size > 0 {
		if err := s.KeepHistory(exchange, int64(e.history.size)); err != nil {
			s.Close()
			return nil, err
		}
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		// The garbage of large messages is collected before it is as much as
		// the broker may hold.
		debug.SetMemoryLimit(cfg.Memory + cfg.Memory/2)
	}
	u.notice("embedded broker at %s", s.URL())
	return s, nil
}

// onlyWith trusts one certificate, whoever has signed it for whatever name: ours
// need not be of an authority that this machine knows, nor for an address of it.
func onlyWith(certificate []byte) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, // VerifyConnection does it
		VerifyConnection: func(s tls.ConnectionState) error {
			if !bytes.Equal(s.PeerCertificates[0].Raw, certificate) {
				return errors.New("the certificate is not that of --tls-cert")
			}
			return nil
		},
	}
}

// brokerMemory is what an embedded broker may hold beside its history.
const brokerMemory = 256 << 20

// A noticeHandler shows what the embedded broker logs: warnings, such as a
// refused login. What clients have sent is quoted in it.
type noticeHandler struct{ u *ui }

func (noticeHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }

func (h noticeHandler) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool {
		text += fmt.Sprintf(" %s=%q", a.Key, a.Value.String())
		return true
	})
	h.u.notice("%s", text)
	return nil
}

// WithAttrs and WithGroup are not used by the broker.
func (h noticeHandler) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h noticeHandler) WithGroup(string) slog.Handler      { return h }

// sizeOrNone is a size that may be zero.
type sizeOrNone struct{ size }

// register registers it as the size of an embedded broker's history.
func (s *sizeOrNone) register(f *pflag.FlagSet) {
	s.size = defaultHistory
	f.Var(s, "history-size", "`SIZE` of the past to keep for logtail --since; 0 for none")
}

// Set implements pflag.Value.
func (s *sizeOrNone) Set(text string) error {
	if text == "0" {
		s.size = 0
		return nil
	}
	return s.size.Set(text)
}

// readPassword reads the first line of a file that others should not read.
func readPassword(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read password: %w", err)
	}
	line, _, _ := bytes.Cut(b, []byte{'\n'})
	line = bytes.TrimSuffix(line, []byte{'\r'})
	if len(line) == 0 {
		return "", fmt.Errorf("read password: the first line of %s is empty", path)
	}
	return string(line), nil
}
