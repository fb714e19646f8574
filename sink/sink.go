// Package sink receives the records that handlers broadcast: it binds a queue
// of its own to the fanout exchange and hands every record to a Writer, a
// terminal or an archive, say.
//
// # The promise
//
//   - The broker is not hurt: a live tail's queue is exclusive, goes with the
//     connection, and is bounded; when its reader stalls, the broker drops the
//     oldest messages of that queue and nothing else.
//
//   - Nothing is lost in silence: every record of a slogcast handler carries a
//     sequence number. What is missing is told once, with how many and why as far
//     as that is known, and taken back when it comes late; a record sent twice is
//     shown once.
//
//   - A record is acknowledged after the Writer has it safe, and not before.
//
//   - Whatever any program publishes is taken: plain text, any JSON, no
//     properties.
//
//   - Memory is bounded in bytes, by about 64 MiB, whatever the messages and
//     however long the Writer takes. A message of many records is handed over in
//     parts.
//
// Who a record is of (Producer, Seq, App, Host; in an archive @id, @app and @host)
// is what its message claims. Anybody who may publish can claim the same. Nobody
// can hide another's record by that, and what looks like it is told.
//
// # Goroutines
//
//	broker -> link's reader -> Tail's goroutine -> the Writer, in one of its own
//	          owns what      owns queue, sequence,  while Tail waits for it, and
//	          arrives        filter and batch       has the broker stop when much
//	                                                arrives meanwhile
//
// Records from before the queue was bound, or from while the connection was
// lost, are not received: that is what fanout means. The latter are reported
// as a gap.
package sink

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/user"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/slogcast/slogcast/internal/envelope"
	"github.com/slogcast/slogcast/internal/link"
)

// Writer takes records.
type Writer interface {
	// Write returns when the records are safe, by the Writer's own policy. They
	// are acknowledged then. It may keep nothing of records. It may wait, for
	// free disk space say, until ctx ends; after that it must try once and
	// return. An error ends Tail; the records stay unacknowledged.
	Write(ctx context.Context, records []Record) error
}

// Committer is a Writer that takes records first and makes them safe later,
// many at a time. Tail calls Append in place of Write, a hundredth of a second after
// records come at the latest, and acknowledges them after Commit.
type Committer interface {
	Writer

	// Append takes records, which are not safe yet. It may keep nothing of them,
	// and fails as Write does.
	Append(ctx context.Context, records []Record) error

	// Commit returns when all that Append took is safe, or fails as Write does.
	Commit(ctx context.Context) error
}

// Config are the settings of Tail. All but URL have usable zero values.
type Config struct {
	// URL is an AMQP URL or a comma-separated list of them, tried in turn. A tail that
	// has those of several nodes of a cluster asks another one, when nothing has come
	// for 30 s and every 5 minutes, whether its queue is known there.
	URL string

	// TLS is used with amqps:// in place of what the URL says. May be nil.
	TLS *tls.Config

	// Credentials is asked at every connection, for secrets that change. If nil,
	// user and password are those in the URL. It may panic, and not return.
	Credentials func(context.Context) (user, password string, err error)

	// Name is the connection's name in RabbitMQ's management and its log. If empty,
	// "logtail user@host pid".
	Name string

	// Exchange is the exchange to bind to, of any type. It is created, as a durable
	// fanout, only when it does not exist. If empty, "logs".
	Exchange string

	// TransientExchange creates the exchange as one that does not survive the
	// broker's restart, as the programs of RabbitMQ's tutorials do.
	TransientExchange bool

	// ExistingExchange creates no exchange: where there is none, Tail ends with an
	// error.
	ExistingExchange bool

	// Keys are the binding keys of a topic or direct exchange; a message comes if
	// one of them matches. If empty, "#": everything, of a topic exchange. A direct
	// exchange needs them, and is an error with the cause ErrKeys without; a fanout
	// takes no notice of them.
	Keys []string

	// Queue is what records wait in at the broker. The zero value is a temporary
	// queue of this tail alone.
	Queue Queue

	// MaxLength and MaxBytes bound the queue at the broker: x-max-length and
	// x-max-length-bytes, with drop-head. If zero, 100000 and 64 MiB; if
	// negative, there is no bound.
	MaxLength, MaxBytes int

	// Prefetch is the most messages that the broker hands over before they are
	// acknowledged; of large ones it is fewer, so that about 6 MiB are under way.
	// If zero, 256.
	Prefetch int

	// Linger is how long a record may wait for others before it is written.
	// Up to half of Prefetch is written at a time. If zero, a record waits only
	// while others are being written. With a Committer it is how long one may wait
	// for Commit.
	Linger time.Duration

	// Drain is how long Tail goes on after ctx has ended, to write what waits in
	// its queue at the broker. If zero, it writes what has been handed over and
	// leaves the rest.
	Drain time.Duration

	// Known are the highest sequence numbers of producers that are there already, as
	// of an archive that is gone on with: what is missing between them and the first
	// that come is told as a gap. May be nil.
	Known map[string]uint64

	// ReuseRecords has the memory of records used again once they are written: then no
	// text of theirs may be kept either, by Writer or Filter, unless it is copied, with
	// strings.Clone say. It halves the memory of a tail that gets large batches.
	// If false, texts are valid for as long as they are kept.
	ReuseRecords bool

	// Filter says which records are written; the others are acknowledged. May be
	// nil. It may keep nothing of the record. A record that it panics at is written.
	Filter func(*Record) bool

	// Notify is told of connections, gaps and errors, one at a time, and in order with
	// the calls of Write. Tail waits for it as for the Writer: it may panic, and take its
	// time; when it has not returned some time after ctx has ended it is left behind, and
	// told nothing more. May be nil.
	Notify func(Notice)
}

func (c Config) withDefaults() (Config, error) {
	if c.Prefetch < 0 || c.Prefetch > 65535 {
		return c, errors.New("prefetch is not a number from 1 to 65535")
	}
	if c.Linger < 0 || c.Drain < 0 {
		return c, errors.New("a duration is negative")
	}
	c.Linger, c.Drain = min(c.Linger, longest), min(c.Drain, longest)
	c.Known = maps.Clone(c.Known)
	c.Exchange = cmp.Or(c.Exchange, "logs")
	if err := checkName("the exchange's name", c.Exchange); err != nil {
		return c, err
	}
	if err := checkName("the queue's name", c.Queue.Name); err != nil {
		return c, err
	}
	for _, key := range c.Keys {
		if err := checkName("a binding key", key); err != nil {
			return c, err
		}
	}
	if c.Keys = slices.Clone(c.Keys); len(c.Keys) == 0 {
		c.Keys = []string{anyKey}
	}
	c.MaxLength = cmp.Or(c.MaxLength, 100_000)
	c.MaxBytes = cmp.Or(c.MaxBytes, 64<<20)
	c.Prefetch = cmp.Or(c.Prefetch, 256)
	c.Name = cmp.Or(c.Name, connectionName())
	if err := checkName("the connection's name", c.Name); err != nil {
		return c, err
	}
	if c.Notify == nil {
		c.Notify = func(Notice) {}
	}
	return c, nil
}

// longest is what a duration is cut to, so that some more can be added to it: 100 years.
const longest = 100 * 365 * 24 * time.Hour

// checkName returns what is wrong with a name at the broker. RabbitMQ cuts line ends
// off a name that is declared, and then does not find it.
func checkName(what, name string) error {
	if len(name) > envelope.ShortString {
		return fmt.Errorf("%s is longer than %d bytes", what, envelope.ShortString)
	}
	if !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return fmt.Errorf("%s is not UTF-8 or holds a control character: %q", what, name)
	}
	return nil
}

// anyKey is the binding key that matches every routing key of a topic exchange.
const anyKey = "#"

// Notice is something to know about the stream of records. One of its fields is
// set.
type Notice struct {
	Connected string        // the broker, without any password: records come from now on
	Lost      error         // the connection is lost, or could not be made
	Retry     time.Duration // with Lost: until the next attempt
	Gap       *Gap          // records are missing; told a second after that was noticed
	Filled    *Gap          // records that were told as missing have come
	Behind    *int          // messages that wait in the tail's queue: told as it changes while there are many, and once when there are no more
	Remark    string        // anything else that is good to know, in words
}

func (n Notice) String() string {
	switch {
	case n.Gap != nil:
		return n.Gap.String()
	case n.Filled != nil:
		return fmt.Sprintf("gap filled: %s come after all %s", n.Filled.what("has", "have"), n.Filled.where())
	case n.Behind != nil:
		return fmt.Sprintf("behind by %d messages", *n.Behind)
	case n.Remark != "":
		return n.Remark
	case n.Lost != nil:
		return fmt.Sprintf("%v; next try in %v", n.Lost, n.Retry.Round(100*time.Millisecond))
	}
	return "connected to " + n.Connected
}

// Tail hands the records of the exchange to w until ctx ends; then it writes
// what it has, says goodbye, and returns nil. While the broker is away it waits
// and tries again, for ever. It returns an error when the URL or a setting is
// bad, when w fails or does not return once ctx has ended, and when, at the
// start, the broker refuses what no retry can mend (a wrong password, a missing
// vhost), which is an *Error. The Writer does not run any more when Tail returns,
// but for the error *Stalled, which says how to wait for it.
func Tail(ctx context.Context, cfg Config, w Writer) error {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return fmt.Errorf("tail: %w", err)
	}
	endpoints, err := link.Parse(cfg.URL)
	if err != nil {
		return fmt.Errorf("tail: %w", explain(err))
	}
	if cfg.TLS != nil && !slices.ContainsFunc(endpoints, link.Endpoint.TLS) {
		return errors.New("tail: Config.TLS needs an amqps:// URL")
	}
	t := &tail{pipe: newPipe(cfg, w), checkEvery: checkEvery}
	if err := t.run(ctx, endpoints); err != nil {
		return fmt.Errorf("tail: %w", explain(err))
	}
	return nil
}

// connectionName says to the broker's operator who is tailing.
func connectionName() string {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return envelope.Clean(fmt.Sprintf("logtail %s@%s %d", name, host, os.Getpid()))
}
