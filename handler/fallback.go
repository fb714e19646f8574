package handler

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"time"
)

// fallback hands dropped records to another slog.Handler, in a goroutine of its
// own: that handler may wait for its output, and Handle must not.
type fallback struct {
	handler slog.Handler
	wake    chan struct{} // has a value when a record may wait
	stop    chan struct{} // closed when no more records come
	done    chan struct{} // closed when run has ended

	mu      sync.Mutex // guards what follows; locked after the buffer's
	limit   int        // bytes of what waits
	waiting fifo
	bytes   int
	records int    // that wait or are being handed over
	taken   uint64 // records that the handler has taken
	leftOut uint64 // records that came too fast for it, or that it panicked at
	ended   bool   // what comes now is left out
	runner  string // the goroutine of run
}

func startFallback(h slog.Handler, limit int) *fallback {
	f := &fallback{handler: h, limit: limit, wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	go f.run()
	return f
}

// offer takes a copy of a dropped record. When there is no room, the oldest of
// those that wait is left out.
func (f *fallback) offer(e *entry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := e.cost()
	if f.ended || n > f.limit {
		f.leftOut++
		return
	}
	for f.bytes+n > f.limit {
		f.popLocked().chunk.release()
		f.records--
		f.leftOut++
	}
	f.waiting.push(e)
	f.bytes += n
	f.records++
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

func (f *fallback) popLocked() entry {
	e := f.waiting.pop()
	f.bytes -= e.cost()
	return e
}

// takeAll makes room for all that is in a buffer of so many bytes.
func (f *fallback) takeAll(limit int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.limit += limit
}

// run hands records over until it is stopped and none is left.
func (f *fallback) run() {
	f.mu.Lock()
	f.runner = goroutine()
	f.mu.Unlock()
	ended := false
	defer func() {
		if !ended { // by the handler: runtime.Goexit, as a test's Fatal does
			go f.run()
			return
		}
		close(f.done)
	}()
	for {
		if f.next() {
			continue
		}
		select {
		case <-f.wake:
		case <-f.stop:
			ended = true
			return
		}
	}
}

// next hands over a record. It reports false when there is none.
func (f *fallback) next() bool {
	f.mu.Lock()
	if f.waiting.empty() {
		f.mu.Unlock()
		return false
	}
	e := f.popLocked()
	f.mu.Unlock()
	f.handle(&e)
	return true
}

// calls reports whether it is the handler that calls.
func (f *fallback) calls() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.runner == goroutine()
}

// goroutine returns the name of the goroutine that calls it, "goroutine 7". It is for
// what is rare.
func goroutine() string {
	var text [64]byte
	name, _, _ := strings.Cut(string(text[:runtime.Stack(text[:], false)]), " [")
	return name
}

// handle counts whether the handler has taken the record, or did not want it. One
// that panics costs a record, and not the program.
func (f *fallback) handle(e *entry) {
	ok := false
	defer func() {
		_ = recover()
		f.mu.Lock()
		defer f.mu.Unlock()
		e.chunk.release()
		f.records--
		if ok {
			f.taken++
		} else {
			f.leftOut++
		}
	}()
	ctx := context.Background()
	r := rebuild(e)
	ok = !f.handler.Enabled(ctx, r.Level) || f.handler.Handle(ctx, r) == nil
}

// close waits, until ctx ends, for what was offered so far, and returns how many
// records were not handed over. They still are, as long as the program runs.
func (f *fallback) close(ctx context.Context) (left int) {
	f.mu.Lock()
	f.ended = true // else one that logs through this Handler would never end
	f.mu.Unlock()
	close(f.stop)
	if f.calls() {
		// It can't be waited for: the others are handed over within the one at hand.
		for ctx.Err() == nil && f.next() {
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.records - 1
	}
	select {
	case <-f.done:
	case <-ctx.Done():
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.records
}

func (f *fallback) counts() (taken, leftOut uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.taken, f.leftOut
}

// rebuild makes a record of an encoded one: time, level and message as they
// were, the attributes in their order, groups as groups.
func rebuild(e *entry) slog.Record {
	r := slog.NewRecord(e.time(), e.level, "", 0)
	d := json.NewDecoder(bytes.NewReader(e.body))
	d.UseNumber()
	attrs, err := readObject(d)
	if err != nil {
		r.Message = string(e.body)
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

// mostReadDeep is how deep objects may nest that are read: as deep as encoding/json's
// own.
const mostReadDeep = 10_000

var errReadDeep = errors.New("objects are nested too deep")

// readObject reads a JSON object as attributes. What it takes is in proportion to the
// text, however deep that nests.
func readObject(d *json.Decoder) (attrs []slog.Attr, err error) {
	if _, err := d.Token(); err != nil { // the opening brace
		return nil, err
	}
	return readMembers(d, 0)
}

// readMembers reads what follows the opening brace of an object.
func readMembers(d *json.Decoder, depth int) (attrs []slog.Attr, err error) {
	if depth > mostReadDeep {
		return nil, errReadDeep
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, _ := key.(string) // it is one: the decoder checks
		v, err := readValue(d, depth)
		if err != nil {
			return nil, err
		}
		attrs = append(attrs, slog.Attr{Key: name, Value: v})
	}
	_, err = d.Token() // the closing brace
	return attrs, err
}

func readValue(d *json.Decoder, depth int) (slog.Value, error) {
	token, err := d.Token()
	switch {
	case err != nil:
		return slog.Value{}, err
	case token == json.Delim('{'):
		attrs, err := readMembers(d, depth+1)
		return slog.GroupValue(attrs...), err
	case token != json.Delim('['):
		return slog.AnyValue(token), nil
	}
	elements := []any{}
	for d.More() {
		var v any
		if err := d.Decode(&v); err != nil {
			return slog.Value{}, err
		}
		elements = append(elements, v)
	}
	_, err = d.Token() // the closing bracket
	return slog.AnyValue(elements), err
}
