package main

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"github.com/slogcast/slogcast/internal/link"
)

// connectionFlags say which exchange of which broker.
type connectionFlags struct {
	url, urlFile, exchange string
	keys                   []string
	transient              bool // the exchange, if it has to be created
}

func (c *connectionFlags) register(f *pflag.FlagSet) {
	c.registerURL(f)
	f.StringVarP(&c.exchange, "exchange", "x", "logs", "exchange's `NAME`")
	f.BoolVar(&c.transient, "transient-exchange", false, "create the exchange, if it is missing, as one that is not durable\nThe programs of RabbitMQ's tutorials do so, and refuse one that is durable.")
}

// registerKeys is for commands that receive.
func (c *connectionFlags) registerKeys(f *pflag.FlagSet) {
	f.StringArrayVarP(&c.keys, "key", "k", nil, "binding key `PATTERN` of a topic or direct exchange; repeatable\nA record comes if one of them matches: in a topic exchange * stands for one word and # for any\nnumber. Without it everything comes of a topic or fanout exchange.")
}

func (c *connectionFlags) registerURL(f *pflag.FlagSet) {
	f.StringVarP(&c.url, "url", "u", "", "broker's AMQP `URL`, or several with commas (default this machine's)\nThe default is guest at localhost:5672. Others can see a command line: a password is best given in $LOGTAIL_URL or --url-file.")
	f.StringVar(&c.urlFile, "url-file", "", "file at `PATH` whose first line is the URL\nIt is a place for a URL with a password, which only its owner should be able to read.")
}

// defaultURL is RabbitMQ's own default.
const defaultURL = "amqp://guest:guest@localhost:5672/"

// broker returns the URL, or a usageError when it makes no sense.
func (c *connectionFlags) broker(u *ui) (string, error) {
	url := cmp.Or(c.url, defaultURL)
	if c.urlFile != "" {
		if c.url != "" {
			return "", usagef("--url and --url-file both name a broker; give one of them")
		}
		line, err := firstLine(c.urlFile)
		if err != nil {
			return "", fmt.Errorf("read URL: %w", err)
		}
		url = line
	}
	if _, err := link.Parse(url); err != nil {
		return "", usagef("%w", err)
	}
	return url, nil
}

// bound says by which keys records come, if that was asked for.
func (c *connectionFlags) bound() string {
	switch len(c.keys) {
	case 0:
		return ""
	case 1:
		return ", key " + c.keys[0]
	}
	return ", keys " + strings.Join(c.keys, " ")
}

// hint says how to name a broker, to who has named none.
func (c *connectionFlags) hint(u *ui) {
	if c.url == "" && c.urlFile == "" {
		u.hint("name another broker with -u or $LOGTAIL_URL, or start one here with logtail --embedded")
	}
}

// firstLine reads the first line of a file that holds a secret.
func firstLine(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	line, _, _ := bytes.Cut(b, []byte{'\n'})
	line = bytes.TrimSuffix(line, []byte{'\r'})
	if len(line) == 0 {
		return "", fmt.Errorf("the first line of %s is empty", path)
	}
	return string(line), nil
}
