package handler

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"github.com/slogcast/slogcast/internal/jsontext"
)

// maxDepth is how deep groups may nest before the rest is replaced by a
// marker. A LogValuer that returns a group holding itself would otherwise
// exhaust the stack, which no recover can catch; and JSON decoders have limits
// of this kind, encoding/json one of 10,000.
const maxDepth = 1000

// format decides how a record becomes bytes. A derived Handler has a format of
// its own; none is changed once it is in use.
type format struct {
	source  bool
	replace func(groups []string, a slog.Attr) slog.Attr // may be nil
	limit   int                                          // bytes of the longest record

	pre    []byte   // what WithAttrs was given, encoded, without a leading comma
	groups []string // names given to WithGroup
	open   int      // how many of groups are opened in pre
}

// withAttrs returns the format with attrs encoded behind what f has. Where
// ReplaceAttr panics, an attribute that says so takes their place.
func (f *format) withAttrs(attrs []slog.Attr) (derived *format) {
	if f.replace != nil {
		if inside.Add(1) > 1 && nesting() > mostNested || deep() {
			inside.Add(-1)
			return f
		}
		defer inside.Add(-1)
	}
	defer func() {
		if p := recover(); p != nil {
			bare := *f
			bare.replace = nil
			derived = bare.withAttrs([]slog.Attr{slog.String("!PANIC", "in ReplaceAttr, the attributes of With are lost: "+textOf(p))})
			derived.replace = f.replace
		}
	}()
	if !slices.ContainsFunc(attrs, func(a slog.Attr) bool { return !isEmptyGroup(a.Value) }) {
		return f
	}
	e := newEncoder(f)
	defer e.free()
	e.buf = append(e.buf, f.pre...)
	if !e.appendInGroups(func() bool { return e.appendAttrs(attrs) }) {
		return f
	}
	if e.full() {
		e.buf = e.buf[:e.limit+1] // every record with it is past the limit: so much tells that
	}
	with := *f
	with.pre = slices.Clone(e.buf)
	with.open = len(f.groups)
	return &with
}

// withGroup returns the format with the group opened for what follows. The
// group is written only once an attribute turns up in it.
func (f *format) withGroup(name string) *format {
	derived := *f
	derived.groups = append(slices.Clip(f.groups), name)
	return &derived
}

// encoder holds the state of encoding one record.
type encoder struct {
	*format
	buf   []byte
	extra []slog.Attr // from the context, before all others and outside of groups
	path  []string    // open groups, kept only for replace
	depth int

	stamps, times seconds // of records, and of attributes

	nested bool   // it was made where there are too many already: for nothing
	lane   uint32 // of the queue; an encoder stays with a processor, mostly
}

var (
	encoders = sync.Pool{New: makeEncoder}
	lanes    atomic.Uint32 // given out in turn
)

func newEncoder(f *format) *encoder {
	e := encoders.Get().(*encoder)
	e.format = f
	return e
}

// makeEncoder is for the pool. It makes more of them only when some are in use: by
// others, or by a record that is encoded while others are.
func makeEncoder() any {
	return &encoder{buf: make([]byte, 0, 1024), lane: lanes.Add(1), nested: deep()}
}

// free gives e back, unless one large record has left it with a buffer that is
// not worth keeping.
func (e *encoder) free() {
	const keep = 64 << 10
	if cap(e.buf) > keep || e.nested {
		return
	}
	clear(e.path[:cap(e.path)])
	e.format, e.extra = nil, nil
	e.buf, e.path, e.depth = e.buf[:0], e.path[:0], 0
	encoders.Put(e)
}

// record encodes r into e.buf, with the attributes that extra, which may be nil,
// finds in ctx. When r did not fit into the format's limit, or ReplaceAttr or extra
// panicked, what is in e.buf then is a small record that says so, a substitute;
// nothing, when not even that fits, or the record is nested too deep in others.
func (e *encoder) record(ctx context.Context, r *slog.Record, extra func(context.Context) []slog.Attr) (f flags) {
	defer func() {
		if p := recover(); p != nil {
			// Not even the message is kept: the function that panicked may be the
			// one that redacts it.
			why := slog.String("!PANIC", "in ReplaceAttr or ContextAttrs, the record is lost: "+textOf(p))
			e.substitute(r, "", why)
			f = substitute
		}
	}()
	if e.replace != nil || extra != nil {
		defer inside.Add(-1)
		if inside.Add(1) > 1 && nesting() > mostNested {
			return substitute
		}
	}
	if e.nested {
		return substitute
	}
	if extra != nil && ctx != nil {
		e.extra = extra(ctx)
	}
	e.appendRecord(r)
	if len(e.buf) <= e.limit {
		return 0
	}
	// ReplaceAttr may redact the message. It is asked for nothing else.
	msg := e.redacted(r.Message)
	const keep = 1024
	if len(msg) > keep {
		msg = cutText(msg, keep) + "…"
	}
	e.substitute(r, msg, slog.String("!OVERSIZE", fmt.Sprintf("the record took more than MaxRecord, %d bytes; its attributes are lost", e.limit)))
	return substitute
}

// redacted returns what ReplaceAttr makes of a message.
func (e *encoder) redacted(msg string) string {
	if e.replace == nil {
		return msg
	}
	a := e.replace(nil, slog.String(slog.MessageKey, msg))
	return a.Value.Resolve().String()
}

// substitute replaces what is in e.buf by a record with the time and level of r. A
// message that does not fit is cut.
func (e *encoder) substitute(r *slog.Record, msg string, why slog.Attr) {
	limit := e.limit
	small := slog.NewRecord(r.Time, r.Level, msg, 0)
	small.AddAttrs(why)
	e.format, e.extra = &format{}, nil
	for {
		e.buf, e.path, e.depth = e.buf[:0], e.path[:0], 0
		e.appendRecord(&small)
		if len(e.buf) <= limit {
			return
		}
		if small.Message == "" {
			e.buf = e.buf[:0]
			return
		}
		small.Message = cutText(small.Message, len(small.Message)/2)
	}
}

// cutText cuts s to n bytes at most, between two characters.
func cutText(s string, n int) string {
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// appendRecord appends what slog.JSONHandler would write for r, without the
// newline: time, level, source, message, then the attributes.
func (e *encoder) appendRecord(r *slog.Record) {
	if e.replace == nil {
		e.appendBuiltins(r)
	} else {
		e.replaceBuiltins(r)
	}
	e.appendAttrs(e.extra)
	open := e.open
	if len(e.pre) > 0 {
		e.appendComma()
		e.buf = append(e.buf, e.pre...)
	}
	switch {
	case r.NumAttrs() == 0:
	case e.replace == nil && open == len(e.groups):
		e.appendRecordAttrs(r)
	case e.appendInGroups(func() bool { return e.appendRecordAttrs(r) }):
		open = len(e.groups)
	}
	for range open {
		e.buf = append(e.buf, '}')
	}
	e.buf = append(e.buf, '}')
}

// appendBuiltins opens the record with what every record has.
func (e *encoder) appendBuiltins(r *slog.Record) {
	buf := append(e.buf, '{')
	if !r.Time.IsZero() {
		buf = append(e.stamps.append(append(buf, `"time":`...), r.Time), ',')
	}
	switch r.Level {
	case slog.LevelDebug:
		buf = append(buf, `"level":"DEBUG"`...)
	case slog.LevelInfo:
		buf = append(buf, `"level":"INFO"`...)
	case slog.LevelWarn:
		buf = append(buf, `"level":"WARN"`...)
	case slog.LevelError:
		buf = append(buf, `"level":"ERROR"`...)
	default:
		buf = jsontext.AppendString(append(buf, `"level":`...), r.Level.String())
	}
	if e.source {
		e.buf = buf
		e.appendAttr(slog.Any(slog.SourceKey, source(r)))
		buf = e.buf
	}
	e.buf = jsontext.AppendString(append(buf, `,"msg":`...), r.Message)
}

// replaceBuiltins is appendBuiltins with ReplaceAttr.
func (e *encoder) replaceBuiltins(r *slog.Record) {
	e.buf = append(e.buf, '{')
	if !r.Time.IsZero() {
		e.appendAttr(slog.Time(slog.TimeKey, r.Time.Round(0))) // strips the monotonic clock reading
	}
	e.appendAttr(slog.Any(slog.LevelKey, r.Level))
	if e.source {
		e.appendAttr(slog.Any(slog.SourceKey, source(r)))
	}
	e.appendAttr(slog.String(slog.MessageKey, r.Message))
}

func source(r *slog.Record) *slog.Source {
	if src := r.Source(); src != nil {
		return src
	}
	return &slog.Source{}
}

// appendRecordAttrs reports whether it appended anything.
func (e *encoder) appendRecordAttrs(r *slog.Record) (some bool) {
	r.Attrs(func(a slog.Attr) bool {
		some = e.appendFast(&a) || some
		return !e.full()
	})
	return some
}

// appendInGroups opens the groups that are not open yet and calls fill. When
// fill adds nothing, no group is left behind.
func (e *encoder) appendInGroups(fill func() bool) bool {
	if e.replace != nil {
		e.path = append(e.path, e.groups...)
		defer func() { e.path = e.path[:0] }()
	}
	mark := len(e.buf)
	for _, name := range e.groups[e.open:] {
		e.appendKey(name)
		e.buf = append(e.buf, '{')
	}
	if !fill() {
		e.buf = e.buf[:mark]
		return false
	}
	return true
}

// full reports whether the record is past its limit, so that the rest of it
// need not be encoded.
func (e *encoder) full() bool { return e.limit > 0 && len(e.buf) > e.limit }

// appendAttrs reports whether it appended anything.
func (e *encoder) appendAttrs(attrs []slog.Attr) (some bool) {
	for _, a := range attrs {
		some = e.appendAttr(a) || some
		if e.full() {
			break
		}
	}
	return some
}

// appendFast is appendAttr, quicker for what most attributes are.
func (e *encoder) appendFast(a *slog.Attr) bool {
	kind := a.Value.Kind()
	if e.replace != nil || kind == slog.KindAny || kind >= slog.KindGroup {
		return e.appendAttr(*a)
	}
	e.appendKey(a.Key)
	e.appendPlain(kind, &a.Value)
	return true
}

// appendAttr appends a, by slog's rules for handlers: the value is resolved,
// then ReplaceAttr is asked (not for groups), an empty attribute and an empty
// group are left out, and a group without a name is inlined.
func (e *encoder) appendAttr(a slog.Attr) bool {
	kind := a.Value.Kind()
	if kind == slog.KindLogValuer {
		a.Value = a.Value.Resolve()
		kind = a.Value.Kind()
	}
	if e.replace != nil && kind != slog.KindGroup {
		a = e.replace(e.path, a)
		a.Value = a.Value.Resolve()
		kind = a.Value.Kind()
	}
	switch kind {
	case slog.KindGroup:
		return e.appendGroup(a.Key, a.Value.Group())
	case slog.KindAny:
		v := a.Value.Any()
		if v == nil && a.Key == "" {
			return false
		}
		if src, ok := v.(*slog.Source); ok {
			return e.appendSource(a.Key, src)
		}
		e.appendKey(a.Key)
		e.appendAny(v)
	default:
		e.appendKey(a.Key)
		e.appendPlain(kind, &a.Value)
	}
	return true
}

func isEmptyGroup(v slog.Value) bool { return v.Kind() == slog.KindGroup && len(v.Group()) == 0 }

func (e *encoder) appendGroup(name string, attrs []slog.Attr) bool {
	if len(attrs) == 0 {
		// Nothing is written, but slog.JSONHandler lets it keep a group around it.
		return true
	}
	if e.depth >= maxDepth {
		e.appendKey(name)
		e.appendError("groups are nested too deep")
		return true
	}
	e.depth++
	defer func() { e.depth-- }()
	if name == "" {
		return e.appendAttrs(attrs)
	}
	mark := len(e.buf)
	e.appendKey(name)
	e.buf = append(e.buf, '{')
	if e.replace != nil {
		e.path = append(e.path, name)
		defer func() { e.path = e.path[:len(e.path)-1] }()
	}
	if !e.appendAttrs(attrs) {
		e.buf = e.buf[:mark]
		return false
	}
	e.buf = append(e.buf, '}')
	return true
}

// appendSource appends a call site as a group of its non-zero fields.
func (e *encoder) appendSource(key string, src *slog.Source) bool {
	if src == nil || *src == (slog.Source{}) {
		return false
	}
	var attrs []slog.Attr
	if src.Function != "" {
		attrs = append(attrs, slog.String("function", src.Function))
	}
	if src.File != "" {
		attrs = append(attrs, slog.String("file", src.File))
	}
	if src.Line != 0 {
		attrs = append(attrs, slog.Int("line", src.Line))
	}
	return e.appendGroup(key, attrs)
}

// appendComma separates what comes from what is there. An opening brace is the
// only thing that can end in one: a value ends in a quote, a digit, a letter or
// a closing bracket.
func (e *encoder) appendComma() {
	if n := len(e.buf); n > 0 && e.buf[n-1] != '{' {
		e.buf = append(e.buf, ',')
	}
}

func (e *encoder) appendKey(key string) {
	buf := e.buf
	if n := len(buf); n > 0 && buf[n-1] != '{' {
		buf = append(buf, ',')
	}
	e.buf = append(jsontext.AppendString(buf, key), ':')
}

// appendPlain appends a value of any kind but Any, Group and LogValuer.
func (e *encoder) appendPlain(kind slog.Kind, v *slog.Value) {
	buf := e.buf
	switch kind {
	case slog.KindString:
		buf = jsontext.AppendString(buf, v.String())
	case slog.KindInt64:
		buf = strconv.AppendInt(buf, v.Int64(), 10)
	case slog.KindUint64:
		buf = strconv.AppendUint(buf, v.Uint64(), 10)
	case slog.KindBool:
		buf = strconv.AppendBool(buf, v.Bool())
	case slog.KindDuration:
		buf = strconv.AppendInt(buf, int64(v.Duration()), 10)
	case slog.KindFloat64:
		if f := v.Float64(); math.IsNaN(f) || math.IsInf(f, 0) {
			e.appendMarshal(f) // for the text of its error
			return
		} else {
			buf = appendFloat(buf, f)
		}
	case slog.KindTime:
		buf = e.times.append(buf, v.Time())
	}
	e.buf = buf
}

// appendAny appends an error as its text, anything else as encoding/json
// writes it. A failure becomes text in place of the value; so does a panic, as
// a value's own methods run here.
func (e *encoder) appendAny(v any) {
	mark := len(e.buf)
	defer func() {
		if p := recover(); p != nil {
			e.buf = e.buf[:mark]
			if rv := reflect.ValueOf(v); rv.Kind() == reflect.Pointer && rv.IsNil() {
				e.buf = append(e.buf, `"<nil>"`...)
				return
			}
			e.buf = jsontext.AppendString(e.buf, "!PANIC: "+textOf(p))
		}
	}()
	if err, ok := v.(error); ok {
		if _, ok := v.(json.Marshaler); !ok {
			e.buf = jsontext.AppendString(e.buf, err.Error())
			return
		}
	}
	e.appendMarshal(v)
}

// textOf returns what a function has panicked with as text, its type where that
// panics, too.
func textOf(p any) (text string) {
	defer func() {
		if recover() != nil {
			text = fmt.Sprintf("%T", p)
		}
	}()
	return fmt.Sprint(p)
}

func (e *encoder) appendError(text string) {
	e.buf = jsontext.AppendString(e.buf, "!ERROR:"+text)
}

// marshaler is a json.Encoder with the buffer it writes to: the only way to
// have encoding/json leave <, > and & as they are.
type marshaler struct {
	buf bytes.Buffer
	enc *json.Encoder
}

var marshalers = sync.Pool{New: func() any {
	m := new(marshaler)
	m.enc = json.NewEncoder(&m.buf)
	m.enc.SetEscapeHTML(false)
	return m
}}

func (e *encoder) appendMarshal(v any) {
	const keep = 16 << 10
	m := marshalers.Get().(*marshaler)
	defer func() {
		if m.buf.Cap() <= keep {
			m.buf.Reset()
			marshalers.Put(m)
		}
	}()
	err := checkParts(v, e.limit)
	if err == nil {
		err = m.enc.Encode(v)
	}
	if err != nil {
		e.appendError(err.Error())
		return
	}
	text := bytes.TrimSuffix(m.buf.Bytes(), []byte{'\n'})
	if !utf8.Valid(text) { // of a type that writes itself
		text = bytes.ToValidUTF8(text, []byte("\uFFFD"))
	}
	e.buf = append(e.buf, text...)
}
