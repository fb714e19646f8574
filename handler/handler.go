package handler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/slogcast/slogcast/internal/link"
)

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
// comma-separated list of them, the nodes of a cluster: it begins with one at
// random and goes round. It does not wait for the broker: an error is about url or
// opts, never about a broker that is away. The Handler runs a few goroutines until
// Close. opts may be nil.
//
// The URL's parameters are those of https://www.rabbitmq.com/docs/uri-query-parameters:
// heartbeat (seconds, 10 by default, 0 for none), connection_timeout (milliseconds,
// 10 s by default), channel_max, auth_mechanism (plain, amqplain, external), and with
// amqps:// cacertfile, certfile, keyfile and server_name_indication. Another one, or a
// value that can't be read, is an error.
func New(url string, opts *Options) (*Handler, error) {
	o, err := opts.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("new handler: %w", err)
	}
	endpoints, err := link.Parse(url)
	if err != nil {
		return nil, fmt.Errorf("new handler: %w", &Error{Problem: err.Error(), err: err})
	}
	if o.TLS != nil && !slices.ContainsFunc(endpoints, link.Endpoint.TLS) {
		return nil, errors.New("new handler: option TLS needs an amqps:// URL")
	}
	pub, err := newPublisher(o)
	if err != nil {
		return nil, fmt.Errorf("new handler: %w", err)
	}
	pub.start(endpoints)
	f := &format{source: o.AddSource, replace: o.ReplaceAttr, limit: max(1, min(o.MaxRecord, pub.buffer.limit-headSize))}
	return &Handler{format: f, level: o.Level, extra: o.ContextAttrs, pub: pub}, nil
}

// Enabled reports whether records of level are handled. A Leveler that panics
// hides none.
func (h *Handler) Enabled(_ context.Context, level slog.Level) (enabled bool) {
	if fixed, ok := h.level.(slog.Level); ok {
		return level >= fixed
	}
	defer func() {
		if recover() != nil {
			enabled = true
		}
	}()
	return level >= h.level.Level()
}

// Handle encodes the record and puts it into the buffer. It waits for nothing
// (but see Block), whether ctx has ended or not, as slog demands, and returns an
// error only after Close.
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	e := newEncoder(h.format)
	defer e.free()
	f := e.record(ctx, &r, h.extra)
	return h.pub.buffer.put(e.lane, r.Level, r.Time, e.buf, f)
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
// dropped, or ctx ends; its error then says how many are left. With Unconfirmed it
// waits until the broker has read them; its error then also tells of those,
// since an earlier Flush told, whose connection or channel was lost before that.
func (h *Handler) Flush(ctx context.Context) error {
	if ctx == nil {
		ctx = context.Background()
	}
	if err := h.pub.flush(ctx); err != nil {
		return fmt.Errorf("flush: %s left: %w", plural(h.pub.left(), "record"), err)
	}
	return nil
}

// Close flushes until ctx ends, hands what is left to the Fallback, if there is
// one, closes the connection and frees everything. It returns within 100 ms of
// ctx's end, whatever the broker and the program's functions do. Its error says how
// many records were left, and how many of them the Fallback has not got. Records
// handled later are dropped, and counted. Every call after the first waits for that,
// until its own ctx ends, and returns the first's result.
func (h *Handler) Close(ctx context.Context) error {
	if ctx == nil {
		ctx = context.Background()
	}
	return h.pub.close(ctx)
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// ErrClosed is returned by Handle after Close. The record is counted as dropped.
var ErrClosed = errors.New("handler: closed")

// Error is trouble with the broker or with what New was given, in words for
// people. No text of it holds a password; what a peer has said stands in quotes.
type Error struct {
	Problem string // what failed
	Hint    string // what to do about it; may be empty
	Retry   bool   // the Handler tries again by itself, and that may help

	err error
}

// Error returns the problem, with the hint in brackets.
func (e *Error) Error() string {
	if e.Hint == "" {
		return e.Problem
	}
	return e.Problem + " (" + e.Hint + ")"
}

// Unwrap returns the cause, an error of package net or crypto/tls, say.
func (e *Error) Unwrap() error { return e.err }

// explain returns an error of link's as an Error.
func explain(e *link.Error) *Error {
	return &Error{Problem: e.Problem, Hint: e.Hint, Retry: !e.Fatal, err: errors.Unwrap(e)}
}
