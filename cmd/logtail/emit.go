package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/slogcast/slogcast/handler"
	"github.com/slogcast/slogcast/sink"
)

const emitDescription = `Log one record, with the message and attributes given, or, without a message,
every line of standard input as the message of a record of its own. Lines wait
for the broker; when it has taken none for as long as --timeout at the end, an
error says how many are left.

Values are strings. A line of JSON is a message like any other, unless --json is
given: then its level, time, message and attributes become those of the record,
whichever logger wrote it. A line of more than 256 KiB becomes several.`

// longestLine is how many bytes of a line become one record. The rest of a
// longer line becomes more records.
const longestLine = 256 << 10

// longestWait is how long a line waits for the broker: the most there is.
const longestWait = 30 * 24 * time.Hour

type emitCommand struct {
	*ui
	connection connectionFlags
	level      level
	app        string
	timeout    time.Duration
	json       bool
}

func newEmit(u *ui) *cobra.Command {
	e := emitCommand{ui: u, timeout: 30 * time.Second}
	cmd := &cobra.Command{
		Use:   "emit [MESSAGE [KEY=VALUE ...]]",
		Short: "Log one record, or every line of standard input",
		Long:  emitDescription,
		Example: `  logtail emit "deployed" version=1.4 ok=true
  logtail emit --app nginx < /var/log/nginx/access.log`,
		RunE: func(cmd *cobra.Command, args []string) error { return e.run(cmd.Context(), args) },
	}
	group(cmd, groupConnection, e.connection.register)
	group(cmd, "Record", e.register)
	return cmd
}

func (e *emitCommand) register(f *pflag.FlagSet) {
	f.VarP(&e.level, "level", "l", "`LEVEL` of the records (default info)")
	f.StringVar(&e.app, "app", "logtail", "`NAME` of the program that speaks")
	f.Var((*duration)(&e.timeout), "timeout", "how `LONG` to wait at the end for a broker that takes nothing")
	f.BoolVar(&e.json, "json", false, "lines that are JSON keep their level, time and attributes")
}

func (e *emitCommand) run(ctx context.Context, args []string) (err error) {
	attrs, err := parseAttrs(args)
	if err != nil {
		return err
	}
	ctx, giveUp := context.WithCancel(ctx)
	defer giveUp()
	broker, err := e.connection.broker(e.ui)
	if err != nil {
		return err
	}
	h, err := handler.New(broker, &handler.Options{
		App:               e.app,
		Exchange:          e.connection.exchange,
		TransientExchange: e.connection.transient,
		Level:             slog.Level(math.MinInt),
		Overflow:          handler.Block,
		BlockTimeout:      longestWait,
		OnError: func(err error) {
			e.error(err)
			e.connection.hint(e.ui)
			if known, ok := errors.AsType[*handler.Error](err); ok && !known.Retry {
				giveUp() // waiting would not mend it
			}
		},
	})
	if err != nil {
		return usagef("%w", err)
	}
	if len(args) > 0 || !isTerminal(e.stdin) {
		defer e.showProgress(h)()
	}
	if len(args) > 0 {
		err = h.Handle(ctx, record(e.level.Level, args[0], attrs...))
	} else {
		err = e.lines(ctx, h)
	}
	last, cancel := e.patience(ctx, h)
	defer cancel()
	return errors.Join(err, h.Close(last))
}

// patience returns a context that ends when the broker has taken no record for
// as long as --timeout.
func (e *emitCommand) patience(ctx context.Context, h *handler.Handler) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		tick := time.NewTicker(min(e.timeout, time.Second))
		defer tick.Stop()
		confirmed, since := h.Stats().Confirmed, time.Now()
		for {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			if now := h.Stats().Confirmed; now != confirmed {
				confirmed, since = now, time.Now()
			} else if time.Since(since) >= e.timeout {
				cancel(fmt.Errorf("the broker has taken nothing for %v", e.timeout))
				return
			}
		}
	}()
	return ctx, func() { cancel(context.Canceled) }
}

func record(l slog.Level, message string, attrs ...slog.Attr) slog.Record {
	r := slog.NewRecord(time.Now(), l, message, 0)
	r.AddAttrs(attrs...)
	return r
}

// record returns the record of a line.
func (e *emitCommand) record(line string) slog.Record {
	if e.json {
		if parsed := sink.ParseLine([]byte(line)); parsed.Object() {
			return fromJSON(&parsed, e.level.Level)
		}
	}
	return record(e.level.Level, line)
}

// fromJSON returns the record that another logger has written, with its values as
// they are. What it does not say is now, and of the level given.
func fromJSON(parsed *sink.Record, otherwise slog.Level) slog.Record {
	r := record(otherwise, parsed.Message())
	if t, own := parsed.Time(); own {
		r.Time = t
	}
	if l, known := parsed.Level(); known && parsed.LevelText() != "" {
		r.Level = l
	}
	for _, a := range parsed.Attrs() {
		r.AddAttrs(slog.Any(a.Key, json.RawMessage(a.Value)))
	}
	if stack := parsed.Stack(); stack != "" {
		r.AddAttrs(slog.String("stack", stack))
	}
	return r
}

// parseAttrs reads KEY=VALUE behind the message.
func parseAttrs(args []string) ([]slog.Attr, error) {
	var attrs []slog.Attr
	for _, arg := range args[min(1, len(args)):] {
		key, value, ok := strings.Cut(arg, "=")
		if strings.Contains(key, "://") {
			return nil, usagef("an argument is a URL and not KEY=VALUE; a broker's is given with -u")
		}
		if !ok || key == "" {
			return nil, usagef("%q is not KEY=VALUE; put quotes around a message of several words", arg)
		}
		attrs = append(attrs, slog.String(key, value))
	}
	return attrs, nil
}

// lines logs every line of standard input, until its end or that of ctx.
func (e *emitCommand) lines(ctx context.Context, h *handler.Handler) error {
	if isTerminal(e.stdin) {
		e.notice("logging every line you type; end with Ctrl-D")
	}
	// A read can't be interrupted, nor a wait for room: they are left behind
	// when ctx ends.
	done := make(chan error, 1)
	go func() { done <- e.copyLines(ctx, h) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return nil
	}
}

func (e *emitCommand) copyLines(ctx context.Context, h *handler.Handler) error {
	in := bufio.NewReaderSize(e.stdin, longestLine)
	continued := false
	for {
		line, err := in.ReadSlice('\n')
		partial := errors.Is(err, bufio.ErrBufferFull)
		text := strings.TrimSuffix(strings.TrimSuffix(string(line), "\n"), "\r")
		if len(line) > 0 && !(continued && text == "") {
			if err := h.Handle(ctx, e.record(text)); err != nil {
				return err
			}
		}
		continued = partial
		switch {
		case err == nil || partial:
		case errors.Is(err, io.EOF):
			return nil
		default:
			return fmt.Errorf("read standard input: %w", err)
		}
	}
}

// showProgress shows how many records the broker has confirmed, if that takes
// longer than a second. The function that it returns ends it.
func (e *emitCommand) showProgress(h *handler.Handler) (end func()) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				s := h.Stats()
				e.status(fmt.Sprintf("%d records confirmed, %d waiting", s.Confirmed, s.PendingRecords))
			case <-stop:
				e.status("")
				return
			}
		}
	}()
	return func() {
		close(stop)
		<-stopped
	}
}
