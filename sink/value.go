package sink

import (
	"iter"
	"strings"

	"github.com/slogcast/slogcast/internal/jsontext"
)

// Attr is an attribute of a record.
type Attr struct {
	Key   string
	Value Value
}

// Value is a value of a record, as JSON; that of what is not there is "", a Null
// without text. Those of a Record are valid JSON, and
// valid as long as its Body is.
type Value string

// Kind is what a Value is in JSON.
type Kind byte

const (
	Null   Kind = 'n'
	Bool   Kind = 'b'
	Number Kind = '0'
	String Kind = '"'
	Array  Kind = '['
	Object Kind = '{'
)

// Kind returns what v is.
func (v Value) Kind() Kind {
	if v == "" {
		return Null
	}
	switch c := v[0]; c {
	case 'n', '"', '[', '{':
		return Kind(c)
	case 't', 'f':
		return Bool
	}
	return Number
}

// Text returns the text of a string, and anything else as it is.
func (v Value) Text() string {
	if strings.HasPrefix(string(v), `"`) {
		return jsontext.Unquote(string(v))
	}
	return string(v)
}

// Members yields keys and values of an object in its order, duplicates included.
func (v Value) Members() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		if v.Kind() != Object {
			return
		}
		for key, value := range jsontext.Members(string(v)) {
			if !yield(jsontext.Unquote(key), Value(value)) {
				return
			}
		}
	}
}

// Elements yields the elements of an array.
func (v Value) Elements() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		if v.Kind() != Array {
			return
		}
		for element := range jsontext.Elements(string(v)) {
			if !yield(Value(element)) {
				return
			}
		}
	}
}

// Lookup returns the attribute with the key, a dotted path into groups: "a.b" is
// a key of that name, or else b in a. Of several the first counts. The stack is
// found, too, where the record has it.
func (r *Record) Lookup(path string) (Value, bool) {
	for _, a := range r.Attrs() {
		if v, ok := find(a.Key, a.Value, path); ok {
			return v, true
		}
	}
	if p := r.decode(); p.stackKey != "" {
		return find(p.stackKey, p.stackValue, path)
	}
	return "", false
}

// find looks for path in the value of key.
func find(key string, v Value, path string) (Value, bool) {
	rest, ok := strings.CutPrefix(path, key)
	switch {
	case !ok:
		return "", false
	case rest == "":
		return v, true
	case rest[0] != '.':
		return "", false
	}
	for k, inner := range v.Members() {
		if found, ok := find(k, inner, rest[1:]); ok {
			return found, true
		}
	}
	return "", false
}
