package handler

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/slogtest"
	"time"
)

// offline returns a Handler without a publisher, and a function that returns
// the records it has encoded since the last call.
func offline(opts *Options) (*Handler, func() []string) {
	o, err := opts.withDefaults()
	if err != nil {
		panic(err)
	}
	b := newBuffer(o.Buffer, o.Overflow, o.BlockTimeout)
	h := &Handler{
		format: &format{source: o.AddSource, replace: o.ReplaceAttr, limit: o.MaxRecord},
		level:  o.Level,
		pub:    &publisher{buffer: b, status: newStatus(nil)},
	}
	return h, func() (bodies []string) {
		for {
			next := takeAll(b, 1)
			if len(next) == 0 {
				return bodies
			}
			bodies = append(bodies, string(next[0].body))
			b.settle(next, confirmed)
		}
	}
}

func TestSlogtest(t *testing.T) {
	var taken func() []string
	slogtest.Run(t, func(*testing.T) slog.Handler {
		var h *Handler
		h, taken = offline(nil)
		return h
	}, func(t *testing.T) map[string]any {
		var m map[string]any
		if err := json.Unmarshal([]byte(taken()[0]), &m); err != nil {
			t.Fatal(err)
		}
		return m
	})
}

// panicky panics in whatever method is called on it.
type panicky struct{ text string }

func (p panicky) LogValue() slog.Value { panic(p.text) }

type panickyError struct{ text string }

func (p *panickyError) Error() string { panic(p.text) }

type panickyMarshaler struct{}

func (panickyMarshaler) MarshalJSON() ([]byte, error) { panic("marshal") }

type failingMarshaler struct{}

func (failingMarshaler) MarshalJSON() ([]byte, error) { return nil, errors.New("<no>") }

type user struct {
	Name string `json:"name"`
	Age  int    `json:"age,omitempty"`
	HTML string
}

type secret string

func (secret) LogValue() slog.Value { return slog.StringValue("[redacted]") }

type person struct{ first, last string }

func (p person) LogValue() slog.Value {
	return slog.GroupValue(slog.String("first", p.first), slog.Any("last", secret(p.last)))
}

// endless never resolves to a value.
type endless struct{}

func (e endless) LogValue() slog.Value { return slog.AnyValue(e) }

// nested returns a group that holds itself.
type nested struct{}

func (n nested) LogValue() slog.Value { return slog.GroupValue(slog.Any("n", n)) }

// values are what the differential tests put into records.
var values = []any{
	"", "text", "sp ace", `"quoted" \ /`, "<b>&amp;</b>", "\x00\x01\b\f\n\r\t\x1b[31m\x7f", "\u2028\u2029", "é世界🎉", "\xff\xfe bad", "\ud7ff\ue000",
	0, -1, math.MaxInt64, math.MinInt64, uint64(math.MaxUint64), int8(-8), uint16(16),
	0.0, math.Copysign(0, -1), 1.5, 1e-6, 1e-7, 123456789e-15, 1e20, 1e21, 1e22, -1e100, math.MaxFloat64, math.SmallestNonzeroFloat64, float32(0.1),
	math.NaN(), math.Inf(1), math.Inf(-1),
	true, false, nil,
	time.Duration(1500), time.Duration(math.MinInt64),
	time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), time.Date(2026, 1, 2, 3, 4, 5, 600_000_000, time.FixedZone("x", 3600)), time.Time{}, time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC),
	errors.New(`an "error"`), fmt.Errorf("wrapped: %w", errors.ErrUnsupported), (*panickyError)(nil), &panickyError{"boom"}, (error)(nil),
	user{"Ann", 0, "<i>"}, &user{Name: "Bob"}, (*user)(nil), []int{1, 2}, []string(nil), map[string]any{"b": 1, "a": []byte("x")}, [2]bool{true},
	json.RawMessage(`{"raw": [1, 2 ]}`), json.RawMessage(`{broken`), json.Number("12"), make(chan int), func() {}, complex(1, 2),
	panickyMarshaler{}, failingMarshaler{},
	secret("x"), person{"A", "B"}, &slog.Source{Function: "f", File: "g.go", Line: 3}, &slog.Source{}, (*slog.Source)(nil), slog.Source{File: "v"},
	slog.LevelWarn, slog.Level(3), bytes.NewBufferString("buffer"), struct{}{}, &struct{ A, B any }{1, nil},
	slog.GroupValue(), slog.GroupValue(slog.Int("in", 1)), slog.GroupValue(slog.Group("empty")), slog.GroupValue(slog.Attr{}),
}

// script builds the same handler and record from bytes, so that two handlers
// can be led the same way.
type script struct{ rest []byte }

func (s *script) next() int {
	if len(s.rest) == 0 {
		return 0
	}
	b := s.rest[0]
	s.rest = s.rest[1:]
	return int(b)
}

var keys = []string{"", "a", "b", "time", "level", "msg", "source", "k\"ey", "drop", "\u2028", "\xff"}

func (s *script) key() string { return keys[s.next()%len(keys)] }

func (s *script) attr(depth int) slog.Attr {
	switch n := s.next(); {
	case n < 40 && depth < 4:
		attrs := make([]slog.Attr, s.next()%4)
		for i := range attrs {
			attrs[i] = s.attr(depth + 1)
		}
		return slog.Attr{Key: s.key(), Value: slog.GroupValue(attrs...)}
	case n < 80:
		size := s.next()
		text := s.rest[:min(len(s.rest), size)]
		s.rest = s.rest[len(text):]
		return slog.String(s.key(), string(text))
	case n < 90:
		return slog.Attr{}
	}
	return slog.Any(s.key(), values[s.next()%len(values)])
}

func (s *script) attrs() []slog.Attr {
	attrs := make([]slog.Attr, s.next()%5)
	for i := range attrs {
		attrs[i] = s.attr(0)
	}
	return attrs
}

// lead derives from h and lets it handle one record.
func (s *script) lead(h slog.Handler) error {
	for range s.next() % 5 {
		if s.next()%2 == 0 {
			h = h.WithGroup("g" + s.key())
		} else {
			h = h.WithAttrs(s.attrs())
		}
	}
	at := time.Date(2026, 11, 23, 1, 2, 3, s.next()*1000, time.UTC)
	if s.next()%8 == 0 {
		at = time.Time{}
	}
	text, _ := values[s.next()%10].(string)
	r := slog.NewRecord(at, slog.Level(s.next()%32-12), text, 0)
	for range s.next() % 4 {
		r.AddAttrs(s.attrs()...)
	}
	return h.Handle(context.Background(), r)
}

// replacements are the ReplaceAttr functions of the differential tests.
var replacements = []func([]string, slog.Attr) slog.Attr{
	nil,
	func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == "drop" || a.Key == "time" {
			return slog.Attr{}
		}
		return a
	},
	func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == "a" {
			return slog.Any("A", person{"r", "s"})
		}
		return slog.Attr{Key: strings.ToUpper(a.Key), Value: a.Value}
	},
	func(groups []string, a slog.Attr) slog.Attr {
		return slog.String(strings.Join(append(slices.Clone(groups), a.Key), "/"), a.Value.String())
	},
}

// compare leads a slog.JSONHandler and a Handler through the same script. Where
// the former writes no valid JSON, only the latter's validity is asked: it loses
// a comma when ReplaceAttr empties a group, and writes two strings for a year
// of five digits.
func compare(t *testing.T, data []byte) {
	t.Helper()
	first := script{data}
	source, replace := first.next()%4 == 0, replacements[first.next()%len(replacements)]
	var std bytes.Buffer
	second := first
	if err := first.lead(slog.NewJSONHandler(&std, &slog.HandlerOptions{Level: slog.Level(-100), AddSource: source, ReplaceAttr: replace})); err != nil {
		t.Fatal(err)
	}
	h, taken := offline(&Options{Level: slog.Level(-100), AddSource: source, ReplaceAttr: replace})
	if err := second.lead(h); err != nil {
		t.Fatal(err)
	}
	want, got := strings.TrimSuffix(std.String(), "\n"), taken()[0]
	if !json.Valid([]byte(got)) {
		t.Fatalf("not JSON: %s", got)
	}
	if got != want && json.Valid([]byte(want)) {
		t.Fatalf("\n got %s\nwant %s", got, want)
	}
}

func FuzzEncode(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{1, 2, 1, 1, 2, 200, 1, 7, 0, 3, 9, 2, 1, 4, 250, 30, 2, 100, 41})
	f.Fuzz(compare)
}

func TestEveryValueEncodesAsInJSONHandler(t *testing.T) {
	for _, replace := range replacements[:3] {
		for _, key := range keys {
			for _, value := range values {
				r := slog.NewRecord(time.Now(), slog.LevelInfo, "m", 0)
				r.AddAttrs(slog.Any(key, value), slog.Group("g", slog.Any(key, value), slog.Int("last", 1)))
				var std bytes.Buffer
				w := slog.NewJSONHandler(&std, &slog.HandlerOptions{ReplaceAttr: replace}).WithGroup("w").WithAttrs([]slog.Attr{slog.Any(key, value)})
				h, taken := offline(&Options{ReplaceAttr: replace})
				g := h.WithGroup("w").WithAttrs([]slog.Attr{slog.Any(key, value)})
				if err := errors.Join(w.Handle(context.Background(), r), g.Handle(context.Background(), r)); err != nil {
					t.Fatal(err)
				}
				got, want := taken()[0], strings.TrimSuffix(std.String(), "\n")
				if !json.Valid([]byte(got)) || got != want && json.Valid([]byte(want)) {
					t.Errorf("%q = %#v:\n got %s\nwant %s", key, value, got, want)
				}
			}
		}
	}
}

func TestSiblingsDoNotShareMemory(t *testing.T) {
	h, taken := offline(nil)
	parent := slog.New(h).With("p", 0).WithGroup("g")
	one, two := parent.With("a", 1), parent.With("b", 2).WithGroup("h")
	three := parent.WithGroup("i")
	one.Info("1")
	two.Info("2", "x", 1)
	three.Info("3", "y", 1)
	want := []string{`"p":0,"g":{"a":1}}`, `"p":0,"g":{"b":2,"h":{"x":1}}}`, `"p":0,"g":{"i":{"y":1}}}`}
	for i, got := range taken() {
		if !strings.HasSuffix(got, want[i]) {
			t.Errorf("got %s, want it to end in %s", got, want[i])
		}
	}
}

func TestHostileValuesNeitherPanicNorHang(t *testing.T) {
	deep := slog.Int("bottom", 1)
	for range 20_000 {
		deep = slog.Group("d", deep)
	}
	cycle := map[string]any{}
	cycle["self"] = cycle
	var h *Handler
	reentrant := logValuerFunc(func() slog.Value {
		slog.New(h).Info("from within")
		return slog.IntValue(1)
	})
	for name, value := range map[string]any{
		"panicking LogValuer":             panicky{"boom"},
		"LogValuer that never ends":       endless{},
		"LogValuer that holds itself":     nested{},
		"groups 20,000 deep":              deep.Value,
		"map that holds itself":           cycle,
		"LogValuer that logs":             reentrant,
		"string of 3 MiB":                 strings.Repeat("x", 3<<20),
		"a million attributes":            slog.GroupValue(slices.Repeat([]slog.Attr{slog.Int("n", 1)}, 1_000_000)...),
		"nil pointer with a value method": (*panicky)(nil),
		"error that panics with itself":   hopeless{},
	} {
		t.Run(name, func(t *testing.T) {
			var taken func() []string
			h, taken = offline(nil)
			slog.New(h).Info("m", "v", value, "after", 1)
			bodies := taken()
			for _, body := range bodies {
				if !json.Valid([]byte(body)) {
					t.Errorf("not JSON: %.200s", body)
				}
				if len(body) > defaultMaxRecord {
					t.Errorf("%d bytes", len(body))
				}
			}
			if !strings.Contains(bodies[len(bodies)-1], `"msg":"m"`) {
				t.Errorf("the record is lost: %.200s", bodies)
			}
		})
	}
}

// hopeless panics with what can't be printed either.
type hopeless struct{}

func (hopeless) Error() string { panic(hopeless{}) }

type logValuerFunc func() slog.Value

func (f logValuerFunc) LogValue() slog.Value { return f() }

func TestRecordIsCopiedByHandle(t *testing.T) {
	h, taken := offline(nil)
	list := []int{1, 2}
	attrs := []slog.Attr{slog.Any("list", list), slog.String("s", "before")}
	l := slog.New(h.WithAttrs(attrs))
	l.LogAttrs(context.Background(), slog.LevelInfo, "m", attrs...)
	list[0], attrs[1] = 99, slog.String("s", "after")
	want := `"list":[1,2],"s":"before","list":[1,2],"s":"before"}`
	if got := taken()[0]; !strings.HasSuffix(got, want) {
		t.Errorf("got %s, want it to end in %s", got, want)
	}
}

func TestEveryLevelIsKept(t *testing.T) {
	var level slog.LevelVar
	level.Set(-1000)
	h, taken := offline(&Options{Level: &level})
	for _, l := range []slog.Level{-100, -1, 0, 1, 1000, math.MinInt32, math.MaxInt32} {
		slog.New(h).Log(context.Background(), l, "m")
	}
	level.Set(slog.LevelError)
	slog.New(h).Info("not this")
	want := []string{"DEBUG-96", "DEBUG+3", "INFO", "INFO+1", "ERROR+992", "ERROR+2147483639"}
	got := taken()
	for i, w := range want {
		if i >= len(got) || !strings.Contains(got[i], `"level":"`+w+`"`) {
			t.Errorf("record %d is not of level %s: %s", i, w, got)
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %d records, want %d", len(got), len(want))
	}
}

func TestOversizeRecordIsReplacedByOneThatSaysSo(t *testing.T) {
	h, taken := offline(&Options{MaxRecord: 200})
	slog.New(h).Error("big", "v", strings.Repeat("x", 300))
	slog.New(h).Error(strings.Repeat("é", 3000))
	slog.New(h).With("v", strings.Repeat("x", 300)).Error("pre")
	bodies := taken()
	for i, start := range []string{`big"`, `éé`, `pre"`} {
		got := bodies[i]
		if !json.Valid([]byte(got)) || !strings.Contains(got, `"msg":"`+start) || !strings.Contains(got, "!OVERSIZE") || !strings.Contains(got, `"level":"ERROR"`) {
			t.Errorf("got %s", got)
		}
	}
	if s := h.Stats(); s.Dropped.Oversize != 3 || s.Accepted != 3 || s.Confirmed != 0 {
		t.Errorf("got %+v, want 3 oversize and nothing else", s)
	}
}

func TestPanicInReplaceAttrCostsOneRecord(t *testing.T) {
	h, taken := offline(&Options{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == "bad" {
			panic("no")
		}
		return a
	}})
	l := slog.New(h)
	l.Info("secret", "bad", 1)
	l.Info("good", "a", 1)
	got := taken()
	if len(got) != 2 || strings.Contains(got[0], "secret") || !strings.Contains(got[0], "!PANIC") || !strings.Contains(got[1], `"good"`) {
		t.Errorf("got %s", got)
	}
}

func TestReplaceAttrIsToldTheGroups(t *testing.T) {
	var got []string
	h, _ := offline(&Options{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if a.Key == "drop" {
			return slog.Attr{}
		}
		got = append(got, strings.Join(groups, ".")+":"+a.Key)
		return a
	}})
	l := slog.New(h).With("a", 1).WithGroup("g").With("b", 1)
	l.Info("m", slog.Group("h", "drop", 1), slog.Group("i", "c", 1), "d", 1)
	want := []string{":a", "g:b", ":time", ":level", ":msg", "g.i:c", "g:d"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestHandleAllocatesNothing(t *testing.T) {
	h, taken := offline(&Options{Overflow: DropOldest, Buffer: 1 << 20})
	l := slog.New(h).With("service", "web", "n", 1).WithGroup("req")
	log := func() {
		l.LogAttrs(context.Background(), slog.LevelInfo, "served",
			slog.String("method", "GET"), slog.Int("status", 200), slog.Float64("ms", 1.25), slog.Duration("d", time.Second), slog.Bool("ok", true))
	}
	for range 10_000 { // until the buffer is full and its memory is reused
		log()
	}
	if n := testing.AllocsPerRun(1000, log); n != 0 && !raceEnabled {
		t.Errorf("got %v allocations a record, want 0", n)
	}
	taken()
}
