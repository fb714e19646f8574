package main

import (
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"github.com/slogcast/slogcast/cmd/logtail/internal/view"
	"github.com/slogcast/slogcast/cmd/logtail/internal/web"
)

// pageFlags say where the page is served, to whom, and how much it holds.
type pageFlags struct {
	listen       string
	ring         size
	user         string
	passwordFile string
	tokenFile    string
	tlsCert      string
	tlsKey       string
	proxy        bool
	hosts        []string
}

// groupPage is the heading of the page's flags.
const groupPage = "Page"

const (
	defaultPage = "127.0.0.1:7480"
	defaultRing = 256 << 20

	// besideRing is what a program with a ring takes beside it.
	besideRing = 48 << 20
)

func newPageFlags() pageFlags { return pageFlags{listen: defaultPage, ring: defaultRing} }

func (p *pageFlags) register(f *pflag.FlagSet) {
	p.registerListen(f)
	f.Var(&p.ring, "ring", "hold records in memory up to this `SIZE`; the oldest go first")
	f.StringVar(&p.user, "user", "", "`NAME` to log in with, in place of the token")
	f.StringVar(&p.passwordFile, "password-file", "", "file at `PATH` that holds the password")
	f.StringVar(&p.tokenFile, "token-file", "", "file at `PATH` that holds the token\nWithout it, it is another one each time.")
	f.StringVar(&p.tlsCert, "tls-cert", "", "certificate at `PATH`, in PEM, to serve https\nIt is read anew when the file changes.")
	f.StringVar(&p.tlsKey, "tls-key", "", "its key at `PATH`, in PEM")
	f.BoolVar(&p.proxy, "behind-proxy", false, "a proxy in front serves https")
	f.StringArrayVar(&p.hosts, "allow-host", nil, "`NAME` by which browsers reach the page, beside addresses\nThose of --tls-cert count, too. A page of another name can't be made to read this one. Repeatable.")
}

func (p *pageFlags) registerListen(f *pflag.FlagSet) {
	f.StringVar(&p.listen, "listen", p.listen, "`ADDRESS` that the page is served at\nOne that other machines reach needs --user and --password-file, or --token-file, and --tls-cert and\n--tls-key, or --behind-proxy.")
}

// check finds flags that do not go together, and what an address that others
// reach has to have.
func (p *pageFlags) check() error {
	switch {
	case (p.user == "") != (p.passwordFile == ""):
		return usagef("--user and --password-file go together")
	case (p.tlsCert == "") != (p.tlsKey == ""):
		return usagef("--tls-cert and --tls-key go together")
	case p.user != "" && p.tokenFile != "":
		return usagef("--user and --token-file both say who may see the page; give one of them")
	case p.tlsCert != "" && p.proxy:
		return usagef("--tls-cert and --behind-proxy both say who serves https; give one of them")
	}
	host, _, err := net.SplitHostPort(p.listen)
	if err != nil {
		return usagef("--listen: %w; want HOST:PORT", err)
	}
	addr, err := netip.ParseAddr(host)
	switch {
	case host == "localhost" || err == nil && addr.IsLoopback():
		return nil
	case p.user == "" && p.tokenFile == "":
		return usagef("other machines reach --listen %s: that needs --user and --password-file, or --token-file", p.listen)
	case p.tlsCert == "" && !p.proxy:
		return usagef("other machines reach --listen %s: that needs --tls-cert and --tls-key, or --behind-proxy", p.listen)
	}
	return nil
}

// page is a page that listens.
type page struct {
	ring     *view.Ring
	server   *web.Server
	listener net.Listener
}

// open listens, and says where.
func (p *pageFlags) open(u *ui, title string) (*page, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	limitMemory(int64(p.ring) + besideRing)
	secure := p.proxy || p.tlsCert != ""
	cfg := web.Config{Ring: view.New(int64(p.ring)), Title: title, User: p.user, Hosts: slices.Clone(p.hosts), Secure: secure, OpenMetrics: !secure}
	fragment := ""
	var err error
	switch {
	case p.user != "":
		cfg.Password, err = readPassword(p.passwordFile)
	case p.tokenFile != "":
		if cfg.Token, err = firstLine(p.tokenFile); err != nil {
			err = fmt.Errorf("read token: %w", err)
		}
	default:
		cfg.Token = rand.Text()
		fragment = "#token=" + cfg.Token
	}
	if err != nil {
		return nil, err
	}
	if p.tlsCert != "" {
		pair := &keyPair{ui: u, cert: p.tlsCert, key: p.tlsKey}
		cert, err := pair.load()
		if err != nil {
			return nil, fmt.Errorf("read --tls-cert and --tls-key: %w", err)
		}
		cfg.TLS = &tls.Config{GetCertificate: pair.get, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
		cfg.Hosts = append(cfg.Hosts, cert.Leaf.DNSNames...)
	}
	listener, err := net.Listen("tcp", p.listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%w; --listen 127.0.0.1:0 takes a free port", err)
	}
	if err != nil {
		return nil, err
	}
	server, err := web.New(cfg)
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	u.notice("the page is at %s%s", p.address(listener, cfg.Hosts), fragment)
	return &page{cfg.Ring, server, listener}, nil
}

// keyPair is a certificate with its key. Who renews them writes the files anew,
// and what comes next has them.
type keyPair struct {
	ui        *ui
	cert, key string // paths

	mu     sync.Mutex // guards what follows
	times  [2]time.Time
	loaded *tls.Certificate
}

// get is a tls.Config's GetCertificate. Files that are not in order, as while they
// are being written, leave what there was.
func (k *keyPair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.changed() == k.times {
		return k.loaded, nil
	}
	if _, err := k.load(); err != nil {
		k.ui.notice("read --tls-cert and --tls-key anew: %v; what was read before stays", err)
	} else {
		k.ui.notice("--tls-cert and --tls-key are read anew")
	}
	return k.loaded, nil
}

// changed returns when the files were; it is as before where that can't be told.
func (k *keyPair) changed() [2]time.Time {
	times := k.times
	for i, path := range []string{k.cert, k.key} {
		if info, err := os.Stat(path); err == nil {
			times[i] = info.ModTime()
		}
	}
	return times
}

func (k *keyPair) load() (*tls.Certificate, error) {
	k.times = k.changed() // before they are read
	cert, err := tls.LoadX509KeyPair(k.cert, k.key)
	if err != nil {
		return nil, err
	}
	k.loaded = &cert
	if until := cert.Leaf.NotAfter; time.Now().After(until) {
		k.ui.notice("the certificate %s has expired at %s: browsers refuse it", k.cert, until.Local().Format(time.DateTime))
	}
	return k.loaded, nil
}

// address is the page's URL, as far as it can be known from here.
func (p *pageFlags) address(l net.Listener, hosts []string) string {
	scheme := "http"
	if p.tlsCert != "" {
		scheme = "https"
	}
	host, port, _ := net.SplitHostPort(l.Addr().String())
	if addr, err := netip.ParseAddr(host); err == nil && addr.IsUnspecified() {
		host = "localhost"
		if len(hosts) > 0 {
			host = hosts[0]
		}
	}
	return scheme + "://" + net.JoinHostPort(host, port) + "/"
}

// limitMemory keeps what the collector has not freed yet from being as much as
// the ring. $GOMEMLIMIT goes first.
func limitMemory(bytes int64) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(bytes)
	}
}
