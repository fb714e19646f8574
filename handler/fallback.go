package handler

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"time"
)

// fallbackBuffer is how many bytes of dropped records wait for the Fallback.
const fallbackBuffer = 1 << 20

// fallback hands dropped records to another slog.Handler, in a goroutine of its
// own: that handler may wait for its output, and Handle must not.
type fallback struct {
	handler slog.Handler
	queue   *queue
	done    chan struct{} // closed when run has ended
}

func startFallback(h slog.Handler) *fallback {
	f := &fallback{handler: h, queue: newQueue(fallbackBuffer, DropOldest, 0), done: make(chan struct{})}
	go f.run()
	return f
}

// offer takes a copy of a dropped record.
func (f *fallback) offer(e *entry, body []byte) {
	_ = f.queue.put(0, e.level, e.time(), body, true) // after close it is nobody's
}

// run hands records over until the queue is closed and empty.
func (f *fallback) run() {
	defer close(f.done)
	for {
		records := f.queue.fill(1, 0, 1)
		if len(records) > 0 {
			f.handle(&records[0])
			f.queue.settle(1, confirmed)
			continue
		}
		select {
		case <-f.queue.wake:
		case <-f.queue.stop:
			if f.queue.empty() {
				return
			}
		}
	}
}

func (f *fallback) handle(e *entry) {
	// A fallback that panics costs one record, and not the program.
	defer func() { _ = recover() }()
	ctx := context.Background()
	if r := rebuild(e); f.handler.Enabled(ctx, r.Level) {
		_ = f.handler.Handle(ctx, r) // there is nobody left to tell
	}
}

// close waits, until ctx ends, for what was offered so far. What is left then is
// still handed over, as long as the program runs.
func (f *fallback) close(ctx context.Context) {
	f.queue.close()
	select {
	case <-f.done:
	case <-ctx.Done():
	}
}

// rebuild makes a record of an encoded one: time, level and message as they
// were, the attributes in their order, groups as groups.
func rebuild(e *entry) slog.Record {
	r := slog.NewRecord(e.time(), e.level, "", 0)
	d := json.NewDecoder(bytes.NewReader(e.body()))
	d.UseNumber()
	attrs, err := readObject(d)
	if err != nil {
		r.Message = string(e.body())
		return r
	}
	builtin := map[string]func(slog.Value){
		slog.TimeKey: func(v slog.Value) {
			if t, err := time.Parse(time.RFC3339Nano, v.String()); err == nil {
				r.Time = t
			}
		},
		slog.LevelKey:   func(slog.Value) {},
		slog.MessageKey: func(v slog.Value) { r.Message = v.String() },
	}
	for _, a := range attrs {
		if take, ok := builtin[a.Key]; ok {
			take(a.Value)
			delete(builtin, a.Key) // another of that name is an attribute
			continue
		}
		r.AddAttrs(a)
	}
	return r
}

// readObject reads a JSON object as attributes.
func readObject(d *json.Decoder) (attrs []slog.Attr, err error) {
	if _, err := d.Token(); err != nil { // the opening brace
		return nil, err
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, _ := key.(string) // it is one: the decoder checks
		v, err := readValue(d)
		if err != nil {
			return nil, err
		}
		attrs = append(attrs, slog.Attr{Key: name, Value: v})
	}
	_, err = d.Token() // the closing brace
	return attrs, err
}

func readValue(d *json.Decoder) (slog.Value, error) {
	var raw json.RawMessage
	if err := d.Decode(&raw); err != nil {
		return slog.Value{}, err
	}
	inner := json.NewDecoder(bytes.NewReader(raw))
	inner.UseNumber()
	if raw[0] == '{' {
		attrs, err := readObject(inner)
		return slog.GroupValue(attrs...), err
	}
	var v any
	err := inner.Decode(&v)
	return slog.AnyValue(v), err
}
