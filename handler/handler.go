package handler

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/slogcast/slogcast/internal/envelope"
	"github.com/slogcast/slogcast/internal/link"
)

// ErrClosed is returned by Handle after Close. The record is counted as dropped.
var ErrClosed = errors.New("handler: closed")

// Options are the settings of a Handler. A zero Options consists entirely of
// default values.
type Options struct {
	// Level is the minimum level of records to handle, as in
	// slog.HandlerOptions. If nil, slog.LevelInfo.
	Level slog.Leveler

	// AddSource adds the call site of the log statement, as in
	// slog.HandlerOptions.
	AddSource bool

	// ReplaceAttr rewrites attributes before they are logged, as in
	// slog.HandlerOptions. If it panics, the record is replaced by a small one
	// that says so.
	ReplaceAttr func(groups []string, a slog.Attr) slog.Attr

	// App names the program that speaks: the AMQP property app-id, cut at 255
	// bytes. If empty, the base name of os.Args[0].
	App string

	// Exchange is the fanout exchange to publish to. It is declared as durable
	// when it does not exist. If empty, "logs".
	Exchange string

	// Buffer is how many bytes of encoded records are kept while the broker is
	// slow or away, those on their way to it included. Each record costs about
	// 60 bytes of bookkeeping more. If zero, 8 MiB.
	Buffer int

	// Overflow says what happens when the buffer is full. The default is
	// ShedByLevel.
	Overflow Overflow

	// BlockTimeout is how long Handle waits for room under Block. If zero, 1 s.
	BlockTimeout time.Duration

	// Transient asks the broker not to keep messages on disk (delivery-mode 1).
	// If false they survive its restart in a durable queue; in the queue of a
	// live tail that costs nothing.
	Transient bool

	// MaxRecord is the most bytes of one encoded record. A larger record is
	// replaced by a small one that says so, and counted. If zero, 1 MiB, or
	// Buffer where that is less. RabbitMQ 4 takes at most 16 MiB by default.
	MaxRecord int

	// Unconfirmed publishes without waiting for the broker's confirms: fire and
	// forget. What became of the records is then not known, and they are counted
	// as such in Stats.
	Unconfirmed bool

	// Batch puts several records into one message. The zero Batch is off: one
	// message, one record is what other consumers expect.
	Batch Batch

	// Fallback gets the records that were dropped, rebuilt from their encoded
	// form, in a goroutine of its own. Of those that come faster than it takes
	// them the oldest are left out. It must not lead back to this Handler.
	Fallback slog.Handler

	// ContextAttrs returns attributes to add to a record from the context given
	// to Handle: trace ids, say. They are added as by Record.AddAttrs.
	ContextAttrs func(context.Context) []slog.Attr

	// TLS is used with amqps:// URLs in place of what their parameters say.
	TLS *tls.Config

	// Credentials returns user and password in place of those in the URL. It is
	// called for every connection, so that secrets can change, with a context
	// that ends with the time for connecting. Its error is reported like one of
	// the network; it should not hold the password.
	Credentials func(context.Context) (user, password string, err error)

	// OnError is told when the broker is lost or refuses something, and how many
	// records were dropped once it is back; the same text at most once in 10 s.
	// It is called from the goroutine that publishes, and must not log through
	// this Handler. If nil, a line on standard error for each change of state.
	OnError func(error)
}

// Batch says how many records may share a message. A message goes as soon as
// the publisher is free, with what there is by then, unless Linger says to wait.
type Batch struct {
	// Records is the most records in a message; 0 and 1 turn batches off.
	Records int

	// Bytes is about the most bytes in a message: a single record may have more.
	// If zero, 256 KiB.
	Bytes int

	// Linger is how long a record may wait for others to share its message with.
	// If zero, it does not wait.
	Linger time.Duration
}

const (
	defaultBuffer    = 8 << 20
	defaultMaxRecord = 1 << 20
	largestRecord    = 128 << 20 // no RabbitMQ takes more by default
	largestBatch     = 16 << 20  // RabbitMQ 4 takes no more by default
)

// withDefaults returns a copy of opts with its defaults, or what is wrong.
func (opts *Options) withDefaults() (Options, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	switch {
	case o.Buffer < 0:
		return o, errors.New("option Buffer is negative")
	case o.MaxRecord < 0:
		return o, errors.New("option MaxRecord is negative")
	case o.MaxRecord > largestRecord:
		return o, fmt.Errorf("option MaxRecord is over %d bytes", largestRecord)
	case o.BlockTimeout < 0:
		return o, errors.New("option BlockTimeout is negative")
	case o.Overflow < ShedByLevel || o.Overflow > Block:
		return o, fmt.Errorf("option Overflow has no meaning: %d", o.Overflow)
	case o.Batch.Records < 0 || o.Batch.Bytes < 0 || o.Batch.Linger < 0:
		return o, errors.New("option Batch has a negative field")
	case o.Batch.Bytes > largestBatch:
		return o, fmt.Errorf("option Batch.Bytes is over %d", largestBatch)
	case o.Exchange != envelope.Clamp(o.Exchange):
		return o, errors.New("option Exchange is longer than 255 bytes")
	}
	o.Buffer = cmp.Or(o.Buffer, defaultBuffer)
	o.MaxRecord = cmp.Or(o.MaxRecord, min(defaultMaxRecord, o.Buffer))
	if o.MaxRecord > o.Buffer {
		return o, errors.New("option MaxRecord is larger than Buffer")
	}
	o.BlockTimeout = cmp.Or(o.BlockTimeout, time.Second)
	o.Batch.Records = max(o.Batch.Records, 1)
	o.Batch.Bytes = cmp.Or(o.Batch.Bytes, 256<<10)
	o.Exchange = cmp.Or(o.Exchange, "logs")
	o.App = envelope.Clamp(cmp.Or(o.App, strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe")))
	if o.Level == nil {
		o.Level = slog.LevelInfo
	}
	return o, nil
}

// Handler is a slog.Handler that publishes records to RabbitMQ. Handlers
// derived with WithAttrs and WithGroup share its connection, buffer and
// sequence numbers; Flush, Close and Stats of any of them speak for all.
type Handler struct {
	format *format
	level  slog.Leveler
	extra  func(context.Context) []slog.Attr // ContextAttrs, may be nil
	pub    *publisher
}

var _ slog.Handler = (*Handler)(nil)

// New returns a Handler that publishes to the broker at url, an AMQP URL or a
// comma-separated list of them to be tried in turn. It does not wait for the
// broker: an error is about url or opts, never about a broker that is away. The
// Handler runs a goroutine until Close. opts may be nil.
func New(url string, opts *Options) (*Handler, error) {
	o, err := opts.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("new handler: %w", err)
	}
	endpoints, err := link.Parse(url)
	if err != nil {
		return nil, fmt.Errorf("new handler: %w", err)
	}
	if o.TLS != nil && !slices.ContainsFunc(endpoints, link.Endpoint.TLS) {
		return nil, errors.New("new handler: option TLS needs an amqps:// URL")
	}
	pub, err := newPublisher(o)
	if err != nil {
		return nil, fmt.Errorf("new handler: %w", err)
	}
	pub.start(endpoints)
	f := &format{source: o.AddSource, replace: o.ReplaceAttr, limit: o.MaxRecord}
	return &Handler{format: f, level: o.Level, extra: o.ContextAttrs, pub: pub}, nil
}

// Enabled reports whether records of level are handled.
func (h *Handler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.level.Level()
}

// Handle encodes the record and puts it into the buffer. It waits for nothing
// (but see Block), whether ctx has ended or not, as slog demands, and returns an
// error only after Close.
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	e := newEncoder(h.format)
	defer e.free()
	whole := e.record(ctx, &r, h.extra)
	return h.pub.queue.put(e.lane, r.Level, r.Time, e.buf, whole)
}

// WithAttrs returns a Handler whose records begin with h's attributes followed
// by attrs. They are encoded here, once.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(attrs) == 0 {
		return h
	}
	return h.with(h.format.withAttrs(attrs))
}

// WithGroup returns a Handler that puts the attributes to come into a group.
func (h *Handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return h.with(h.format.withGroup(name))
}

func (h *Handler) with(f *format) *Handler {
	derived := *h
	derived.format = f
	return &derived
}

// Flush waits until every record handled so far is confirmed by the broker or
// dropped, or ctx ends; its error then says how many are left.
func (h *Handler) Flush(ctx context.Context) error {
	if err := h.pub.queue.flush(ctx); err != nil {
		_, _, records, _ := h.pub.queue.snapshot()
		return fmt.Errorf("flush: %s left: %w", plural(records, "record"), err)
	}
	return nil
}

// Close flushes until ctx ends, closes the connection and frees everything. Its
// error says how many records were left, and so lost. Records handled later are
// dropped, and counted. Every call after the first returns the first's result.
func (h *Handler) Close(ctx context.Context) error { return h.pub.close(ctx) }

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
