package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
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
}

const defaultListen = "127.0.0.1:5672"

func (e *embeddedFlags) register(f *pflag.FlagSet) {
	f.BoolVar(&e.on, "embedded", false, "start a broker in this process and watch it")
	f.StringVar(&e.listen, "listen", defaultListen, "`ADDRESS` that the embedded broker serves\nOne that other machines reach needs --user and --password-file.")
	f.StringVar(&e.user, "user", "", "`NAME` that clients of the embedded broker log in with")
	f.StringVar(&e.passwordFile, "password-file", "", "file at `PATH` that holds their password")
}

// check finds flags that do not go together.
func (e *embeddedFlags) check(f *pflag.FlagSet) error {
	for _, name := range []string{"listen", "user", "password-file"} {
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
	return nil
}

// start starts the broker and says how to reach it.
func (e *embeddedFlags) start(u *ui) (*broker.Server, error) {
	cfg := broker.Config{Addr: e.listen, User: e.user}
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
	u.notice("embedded broker at %s", s.URL())
	return s, nil
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
