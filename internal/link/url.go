package link

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Endpoint is one broker's address, checked.
type Endpoint struct {
	url  string // with its password, and never amqps: for the library alone
	uri  amqp.URI
	text string // without it: for people
	user string
	host string // host:port
	tls  bool
	path string // the vhost

	timeout  time.Duration // for connecting; 0 when the URL does not say
	external bool          // the client certificate says who the user is
}

// String returns the URL without its password.
func (e Endpoint) String() string { return e.text }

// Who returns who logs in, for error texts: a certificate's user is known to
// the broker alone.
func (e Endpoint) Who() string {
	if e.external {
		return "the certificate's user"
	}
	return fmt.Sprintf("user %q", e.user)
}

// TLS reports whether the endpoint is reached with TLS.
func (e Endpoint) TLS() bool { return e.tls }

// shape is what a URL should look like, for error texts.
const shape = `amqp://user:password@host:port/vhost (amqps:// for TLS); in user and password write @ as %40, / as %2F, : as %3A, % as %25, a comma as %2C`

// Parse reads a comma-separated list of AMQP URLs
// (https://www.rabbitmq.com/docs/uri-spec, uri-query-parameters). It refuses
// what the library would take without a word: TLS parameters without TLS, a
// certificate without its key, parameters it does not know. Its errors hold
// nothing of the URL: what is in the wrong place may be a piece of a password.
func Parse(urls string) ([]Endpoint, error) {
	if strings.TrimSpace(urls) == "" {
		return nil, errors.New("parse broker URL: it is empty; expected " + shape)
	}
	var endpoints []Endpoint
	parts := strings.Split(urls, ",")
	for i, part := range parts {
		endpoint, problem := parse(strings.TrimSpace(part))
		if problem != "" {
			which := "broker URL"
			if len(parts) > 1 {
				which = fmt.Sprintf("broker URL %d of the comma-separated list", i+1)
			}
			return nil, fmt.Errorf("parse %s: %s; expected %s", which, problem, shape)
		}
		endpoints = append(endpoints, endpoint)
	}
	return endpoints, nil
}

var (
	parameters = []string{"heartbeat", "connection_timeout", "channel_max", "auth_mechanism"}
	mechanisms = []string{"plain", "amqplain", "external"}
	tlsOnly    = []string{"cacertfile", "certfile", "keyfile", "server_name_indication"}
)

// parse returns the endpoint, or what is wrong with raw.
func parse(raw string) (e Endpoint, problem string) {
	if strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return e, "it holds a space or a control character"
	}
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok || scheme != "amqp" && scheme != "amqps" {
		return e, "it does not begin with amqp:// or amqps://"
	}
	u, err := url.Parse(raw)
	if err != nil {
		return e, "its user, password, host or port can't be told apart"
	}
	// An unescaped / ? or # in a password ends the host too early, and the rest
	// of the password would be taken for a path, and shown.
	if _, tail, cut := strings.Cut(rest, "@"); strings.Contains(tail, "@") || u.Fragment != "" || cut && u.User == nil {
		return e, "a character in its user or password is not escaped"
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return e, "its port is not a number from 1 to 65535"
		}
	}
	if problem := checkQuery(u); problem != "" {
		return e, problem
	}
	uri, err := amqp.ParseURI(raw)
	if err != nil {
		return e, "the value of one of its parameters can't be read"
	}
	if len(uri.Vhost) > shortString {
		return e, fmt.Sprintf("its vhost is longer than %d bytes", shortString)
	}
	if strings.Contains(strings.TrimPrefix(u.EscapedPath(), "/"), "/") {
		return e, "its vhost holds a / that is not written %2F"
	}
	e = Endpoint{
		url:  "amqp://" + rest,
		uri:  uri,
		user: uri.Username,
		host: net.JoinHostPort(uri.Host, strconv.Itoa(uri.Port)),
		tls:  scheme == "amqps",
		path: uri.Vhost,

		timeout:  time.Duration(uri.ConnectionTimeout) * time.Millisecond,
		external: len(uri.AuthMechanism) == 1 && strings.EqualFold(uri.AuthMechanism[0], "external"),
	}
	shown := url.URL{Scheme: scheme, User: url.User(uri.Username), Host: e.host, Path: "/"}
	if u.User == nil && e.external {
		shown.User = nil // what the library makes up plays no part
	}
	if uri.Vhost != "/" {
		shown.Path += uri.Vhost
	}
	e.text = shown.String()
	return e, ""
}

func checkQuery(u *url.URL) (problem string) {
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return "its parameters can't be read"
	}
	for name, values := range query {
		switch {
		case slices.Contains(parameters, name):
		case !slices.Contains(tlsOnly, name):
			return "it has a parameter that is none of " + strings.Join(append(slices.Clone(parameters), tlsOnly...), ", ")
		case u.Scheme != "amqps":
			return name + " needs amqps://"
		case name != "server_name_indication" && !readable(values[0]):
			return "the file of " + name + " can't be read"
		}
		if problem := checkValues(name, values); problem != "" {
			return problem
		}
	}
	if mechanisms := query["auth_mechanism"]; u.Scheme != "amqps" && len(mechanisms) == 1 && strings.EqualFold(mechanisms[0], "external") {
		return "auth_mechanism external needs amqps://, and a client certificate"
	}
	if query.Has("certfile") != query.Has("keyfile") {
		return "certfile and keyfile go together"
	}
	return ""
}

const (
	// longestTimeout bounds connection_timeout.
	longestTimeout = 24 * time.Hour

	// shortString is the most bytes of a vhost's name: a short string's.
	shortString = 255
)

// checkValues finds what would be taken and then come to nothing.
func checkValues(name string, values []string) (problem string) {
	switch {
	case name == "auth_mechanism":
		for _, v := range values {
			if !slices.Contains(mechanisms, strings.ToLower(v)) {
				return "auth_mechanism is none of " + strings.Join(mechanisms, ", ")
			}
		}
	case len(values) > 1:
		return name + " is given more than once"
	case name == "heartbeat" || name == "channel_max":
		if _, err := strconv.ParseUint(values[0], 10, 16); err != nil {
			return "its parameter " + name + " is not a number from 0 to 65535"
		}
	case name == "connection_timeout":
		if n, err := strconv.Atoi(values[0]); err != nil || n < 0 || n > int(longestTimeout/time.Millisecond) {
			return "connection_timeout is not a number of milliseconds, at most a day of them"
		}
	}
	return ""
}

func readable(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}
