package filter

import (
	"iter"
	"strings"
	"unsafe"

	"github.com/slogcast/slogcast/internal/jsontext"
	"github.com/slogcast/slogcast/sink"
)

// builtins are what a record has beside its attributes. App and Host give way to
// attributes of these names where the message around the record has none.
var builtins = map[string]func(*sink.Record) (scalar, bool){
	"level": func(r *sink.Record) (scalar, bool) { return levelScalar(r), true },
	"msg":   func(r *sink.Record) (scalar, bool) { return scalar{kind: kindText, text: r.Message()}, true },
	"time": func(r *sink.Record) (scalar, bool) {
		t, _ := r.Time()
		return momentScalar(t), !t.IsZero()
	},
	"app":  func(r *sink.Record) (scalar, bool) { return scalar{kind: kindText, text: r.App}, r.App != "" },
	"host": func(r *sink.Record) (scalar, bool) { return scalar{kind: kindText, text: r.Host}, r.Host != "" },
	"id":   func(r *sink.Record) (scalar, bool) { return scalar{kind: kindText, text: r.ID()}, r.Seq != 0 },
}

// lookup returns the attribute at a path, as sink.Record.Lookup does, but finds
// it where the record has it, without taking the rest of the record apart: also
// a member that is the record's level, time or message.
func lookup(r *sink.Record, path string) (sink.Value, bool) {
	if r.Object() && r.Body[0] == '{' {
		// No copy: what is found lives no longer than Body, which nobody changes.
		if v, ok := find(unsafe.String(&r.Body[0], len(r.Body)), path); ok {
			return v, true
		}
	}
	return r.Lookup(path)
}

// find looks for a path in an object: a key of that name, or one of its first
// words and the rest within.
func find(object, path string) (sink.Value, bool) {
	for key, value := range jsontext.Members(object) {
		if path != "" && key[1] != path[0] && key[1] != '\\' && key[1] != '"' {
			continue // most of them, at one look
		}
		rest, ok := strings.CutPrefix(path, jsontext.Unquote(key))
		switch {
		case !ok:
		case rest == "":
			return sink.Value(value), true
		case rest[0] == '.' && value[0] == '{':
			if v, ok := find(value, rest[1:]); ok {
				return v, true
			}
		}
	}
	return "", false
}

// elements yields the elements of an array.
func elements(v sink.Value) iter.Seq[sink.Value] {
	return func(yield func(sink.Value) bool) {
		if v.Kind() != sink.Array {
			return
		}
		for element := range jsontext.Elements(string(v)) {
			if !yield(sink.Value(element)) {
				return
			}
		}
	}
}
