package handler

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/slogcast/slogcast/internal/envelope"
)

// Options are the settings of a Handler. A zero Options consists entirely of
// default values. Every field has an upper bound, which New tells when it is
// exceeded. All functions may panic or wait for ever: that costs a record, or what
// the function was asked for, and nothing else.
type Options struct {
	// Level is the minimum level of records to handle, as in
	// slog.HandlerOptions. A *slog.LevelVar can be changed at any time. If nil,
	// slog.LevelInfo.
	Level slog.Leveler

	// AddSource adds the call site of the log statement, as in
	// slog.HandlerOptions.
	AddSource bool

	// ReplaceAttr rewrites attributes before they are logged, as in
	// slog.HandlerOptions. If it panics, the record is replaced by a small one
	// that says so.
	ReplaceAttr func(groups []string, a slog.Attr) slog.Attr

	// App names the program that speaks: the AMQP property app-id, cut at 255
	// bytes, what is not UTF-8 replaced. If empty, the base name of os.Args[0].
	App string

	// Exchange is the fanout exchange to publish to. It is declared as durable
	// when it does not exist. If empty, "logs". At most 255 bytes, none of them a
	// control character.
	Exchange string

	// TransientExchange declares the exchange as one that does not survive the
	// broker's restart, as the programs of RabbitMQ's tutorials do. What exists is
	// used as it is.
	TransientExchange bool

	// Buffer bounds, in bytes, all memory that grows with records: those that
	// wait while the broker is slow or away, those on their way to it, those that
	// wait for the Fallback, and 40 bytes of bookkeeping for each. What the Handler
	// takes is within a tenth of it, and 2 MiB that are the same for any Buffer. If
	// zero, 8 MiB. At most 64 GiB.
	Buffer int

	// Overflow says what happens when the buffer is full. The default is
	// ShedByLevel.
	Overflow Overflow

	// BlockTimeout is how long Handle waits for room under Block. If zero, 1 s. At
	// most 30 days.
	BlockTimeout time.Duration

	// Transient asks the broker not to keep messages on disk (delivery-mode 1).
	// If false they survive its restart in a durable queue; in the queue of a
	// live tail that costs nothing.
	Transient bool

	// MaxRecord is the most bytes of one encoded record. A larger record is
	// replaced by a small one that says so, and counted. If zero, 1 MiB, or
	// Buffer where that is less. At most 128 MiB; RabbitMQ 4 takes at most 16 MiB
	// by default.
	MaxRecord int

	// Unconfirmed publishes without waiting for the broker's confirms: fire and
	// forget. What became of the records is then not known, and they are counted
	// as such in Stats. Flush and Close still wait until the broker has read them
	// all. What was lost before the first record that reached a tail it can't tell.
	Unconfirmed bool

	// Batch puts several records into one message. The zero Batch is off: one
	// message, one record is what other consumers expect.
	Batch Batch

	// Fallback gets the records that were dropped, rebuilt from their encoded
	// form, in a goroutine of its own. While the program runs an eighth of Buffer, or
	// MaxRecord where that is more, may wait for it; of those that come faster than it takes them the oldest are
	// left out, and counted. One that logs through this Handler gets what it logs
	// again, when that is dropped. Close hands over what is left in the buffer, and
	// keeps a quarter of its time for that, a second at most.
	Fallback slog.Handler

	// ContextAttrs returns attributes to add to a record from the context given
	// to Handle: trace ids, say. They stand at the top of the record, outside of
	// the groups of WithGroup.
	ContextAttrs func(context.Context) []slog.Attr

	// TLS is used with amqps:// URLs in place of what their parameters say.
	TLS *tls.Config

	// Credentials returns user and password in place of those in the URL. It is
	// called for every connection, so that secrets can change, with a context
	// that ends with the time for connecting. Its error is reported like one of
	// the network; it should not hold the password.
	Credentials func(context.Context) (user, password string, err error)

	// OnError is told, by an *Error mostly, when the broker is lost or refuses
	// something, and how many records were dropped once it is back; the same text
	// at most once in 10 s. It is called from a goroutine of its own, and what comes
	// while it runs is left out when it is too much. If nil, a line on standard
	// error for each change of state.
	OnError func(error)
}

// Batch says how many records may share a message. A message goes as soon as
// the publisher is free, with what there is by then, unless Linger says to wait.
type Batch struct {
	// Records is the most records in a message; 0 and 1 turn batches off. At most
	// 100,000.
	Records int

	// Bytes is about the most bytes in a message: a single record may have more.
	// If zero, 256 KiB. At most 16 MiB, and a quarter of Buffer in any case.
	Bytes int

	// Linger is how long a record may wait for others to share its message with.
	// It does not wait when Bytes are reached, the buffer is half full, or somebody
	// calls Flush or Close. If zero, it does not wait. At most an hour.
	Linger time.Duration
}

// Bounds of Options.
const (
	defaultBuffer    = 8 << 20
	defaultMaxRecord = 1 << 20
	defaultBatch     = 256 << 10

	largestBuffer  = 64 << 30
	largestRecord  = 128 << 20 // no RabbitMQ takes more by default
	largestBatch   = 16 << 20  // RabbitMQ 4 takes no more by default
	mostRecords    = 100_000
	longestLinger  = time.Hour
	longestBlocked = 30 * 24 * time.Hour
)

// withDefaults returns a copy of opts with its defaults, or what is wrong.
func (opts *Options) withDefaults() (Options, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if err := o.check(); err != nil {
		return o, err
	}
	o.Buffer = cmp.Or(o.Buffer, defaultBuffer)
	o.MaxRecord = cmp.Or(o.MaxRecord, min(defaultMaxRecord, o.Buffer))
	if o.MaxRecord > o.Buffer {
		return o, errors.New("option MaxRecord is larger than Buffer")
	}
	o.BlockTimeout = cmp.Or(o.BlockTimeout, time.Second)
	o.Batch.Records = max(o.Batch.Records, 1)
	o.Batch.Bytes = cmp.Or(o.Batch.Bytes, defaultBatch)
	o.Exchange = cmp.Or(o.Exchange, "logs")
	o.App = envelope.Clean(cmp.Or(o.App, strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe")))
	if o.Level == nil {
		o.Level = slog.LevelInfo
	}
	return o, nil
}

// check returns what is wrong with o.
func (o *Options) check() error {
	for _, of := range []struct {
		name        string
		value, most int64
	}{
		{"Buffer", int64(o.Buffer), min(largestBuffer, math.MaxInt)},
		{"MaxRecord", int64(o.MaxRecord), largestRecord},
		{"Batch.Records", int64(o.Batch.Records), mostRecords},
		{"Batch.Bytes", int64(o.Batch.Bytes), largestBatch},
	} {
		switch {
		case of.value < 0:
			return fmt.Errorf("option %s is negative", of.name)
		case of.value > of.most:
			return fmt.Errorf("option %s is over %d", of.name, of.most)
		}
	}
	for _, of := range []struct {
		name        string
		value, most time.Duration
	}{
		{"BlockTimeout", o.BlockTimeout, longestBlocked},
		{"Batch.Linger", o.Batch.Linger, longestLinger},
	} {
		switch {
		case of.value < 0:
			return fmt.Errorf("option %s is negative", of.name)
		case of.value > of.most:
			return fmt.Errorf("option %s is over %v", of.name, of.most)
		}
	}
	if o.Overflow < ShedByLevel || o.Overflow > Block {
		return fmt.Errorf("option Overflow has no meaning: %d", o.Overflow)
	}
	switch {
	case len(o.Exchange) > envelope.ShortString:
		return fmt.Errorf("option Exchange is longer than %d bytes", envelope.ShortString)
	case !utf8.ValidString(o.Exchange) || strings.ContainsFunc(o.Exchange, unicode.IsControl):
		// RabbitMQ cuts line ends off a name that is declared, and then does not
		// find the exchange.
		return fmt.Errorf("option Exchange is not UTF-8 or holds a control character: %q", o.Exchange)
	}
	return nil
}
