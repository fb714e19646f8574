package handler

import (
	"encoding/json"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

type element struct{ Next *element }

type twins struct{ A, B *twins }

// What encoding/json would exhaust the stack with, or never be done with, is told in
// place of the value.
func TestValuesWithoutMeasure(t *testing.T) {
	list := &element{}
	for range 3_000_000 {
		list = &element{list}
	}
	var slices any
	for range 3_000_000 {
		slices = []any{slices}
	}
	var maps any
	for range 1_000_000 {
		maps = map[string]any{"m": maps}
	}
	pairs := &twins{}
	for range 60 {
		pairs = &twins{pairs, pairs}
	}
	circle := &element{}
	circle.Next = &element{circle}
	for name, tt := range map[string]struct {
		value any
		want  string
	}{
		"list":        {list, `"!ERROR:the value is nested too deep"`},
		"slices":      {slices, `"!ERROR:the value is nested too deep"`},
		"maps":        {maps, `"!ERROR:the value is nested too deep"`},
		"in a struct": {struct{ L any }{list}, `"!ERROR:the value is nested too deep"`},
		"2^60 pairs":  {pairs, `"!ERROR:the value has too many parts"`},
		"circle":      {circle, `"!ERROR:json: unsupported value: encountered a cycle via *handler.element"`},
		"short list":  {&element{&element{}}, `{"Next":{"Next":null}}`},
		"map of any":  {map[string]any{"a": []any{1, nil, "b"}}, `{"a":[1,null,"b"]}`},
		"left out": {struct {
			L any `json:"-"`
		}{list}, `{}`},
		"nil any":        {struct{ L any }{}, `{"L":null}`},
		"not exported":   {struct{ l any }{list}, `{}`},
		"raw, not UTF-8": {json.RawMessage("\"caf\xe9\""), "\"caf\uFFFD\""},
	} {
		t.Run(name, func(t *testing.T) {
			h, taken := offline(nil)
			slog.New(h).With("with", tt.value).Info("m", "v", tt.value)
			body := strings.Join(taken(), "")
			if !strings.HasSuffix(body, `"with":`+tt.want+`,"v":`+tt.want+"}") || !utf8.ValidString(body) || !json.Valid([]byte(body)) {
				t.Errorf("got %.300q, want %s", body, tt.want)
			}
		})
	}
}

// Rebuilding a record for the Fallback takes memory in proportion to it, however deep
// it nests.
func TestDeepRecordIsRebuiltInProportion(t *testing.T) {
	const depth, size = 5000, 900_000
	body := `{"time":"2026-11-25T00:00:00Z","level":"INFO","msg":"m","v":` + strings.Repeat(`{"a":`, depth) + `"` + strings.Repeat("x", size) + `"` + strings.Repeat("}", depth) + "}"
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r := rebuild(&entry{body: []byte(body), unix: time.Now().Unix()})
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 20*uint64(len(body)) {
		t.Errorf("%d bytes took %d", len(body), took)
	}
	r.Attrs(func(a slog.Attr) bool {
		for range depth {
			if a.Value.Kind() != slog.KindGroup {
				t.Fatalf("got %v", a.Value.Kind())
			}
			a = a.Value.Group()[0]
		}
		if a.Value.Kind() != slog.KindString || len(a.Value.String()) != size {
			t.Errorf("got %v", a.Value.Kind())
		}
		return true
	})
	if r.Message != "m" || r.NumAttrs() != 1 {
		t.Errorf("got %q, %d attributes", r.Message, r.NumAttrs())
	}
	deeper := `{"msg":"m","v":` + strings.Repeat(`{"a":`, 200_000) + "1" + strings.Repeat("}", 200_000) + "}"
	if r := rebuild(&entry{body: []byte(deeper)}); r.Message != deeper {
		t.Errorf("got %.100q, %d attributes", r.Message, r.NumAttrs())
	}
}

// Attributes of With that are larger than any record may be are not copied for each.
func TestHugeAttributesOfWith(t *testing.T) {
	const huge, records = 32 << 20, 10
	h, taken := offline(nil)
	l := slog.New(h).With("huge", strings.Repeat("x", huge)).WithGroup("g").With("more", 1)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range records {
		l.Info("m", "n", 1)
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > records*huge/4 {
		t.Errorf("%d records took %d bytes", records, took)
	}
	for _, body := range taken() {
		if !json.Valid([]byte(body)) || !strings.Contains(body, `"msg":"m","!OVERSIZE":`) {
			t.Errorf("got %.200s", body)
		}
	}
	if s := h.Stats(); s.Dropped.Oversize != records {
		t.Errorf("got %+v", s)
	}
}
