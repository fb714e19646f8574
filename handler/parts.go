package handler

import (
	"encoding"
	"encoding/json"
	"errors"
	"reflect"
	"sync"
)

// mostNestedValue is how deep a value may nest that encoding/json writes: as deep as
// it reads. Of a list of a million elements, each with a pointer to the next, it would
// exhaust the stack, which no recover can catch.
const mostNestedValue = 10_000

var (
	errTooDeep = errors.New("the value is nested too deep")
	errTooMany = errors.New("the value has too many parts")
)

// checkParts returns why v is not for encoding/json: it is nested too deep, or has more
// parts than most, as a few structs have that point to each other many times.
func checkParts(v any, most int) error {
	rv := reflect.ValueOf(v)
	if !rv.IsValid() || !unbounded(rv.Type()) {
		return nil
	}
	const perByte = 8 // fields that are left out are parts, too
	p := parts{left: perByte * max(most, 1<<16)}
	return p.walk(rv, 0)
}

// parts counts the parts of a value.
type parts struct {
	left int
	path []uintptr // what is pointed to, from the value down to this part
}

func (p *parts) walk(v reflect.Value, depth int) error {
	if depth > mostNestedValue {
		if p.circular() {
			return nil // encoding/json says so itself
		}
		return errTooDeep
	}
	if p.left--; p.left < 0 {
		return errTooMany
	}
	if !v.IsValid() || !unbounded(v.Type()) {
		return nil
	}
	switch v.Kind() {
	case reflect.Interface:
		return p.walk(v.Elem(), depth+1)
	case reflect.Pointer, reflect.Map, reflect.Slice:
		if v.IsNil() {
			return nil
		}
		p.path = append(p.path, v.Pointer())
		defer func() { p.path = p.path[:len(p.path)-1] }()
	}
	switch v.Kind() {
	case reflect.Pointer:
		return p.walk(v.Elem(), depth+1)
	case reflect.Map:
		for entries := v.MapRange(); entries.Next(); {
			if err := p.walk(entries.Value(), depth+1); err != nil {
				return err
			}
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if err := p.walk(v.Index(i), depth+1); err != nil {
				return err
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if !written(v.Type().Field(i)) {
				continue
			}
			if err := p.walk(v.Field(i), depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// circular reports whether something stands twice on the path.
func (p *parts) circular() bool {
	seen := make(map[uintptr]bool)
	for _, at := range p.path {
		if seen[at] {
			return true
		}
		seen[at] = true
	}
	return false
}

// written reports whether encoding/json writes the field.
func written(f reflect.StructField) bool {
	return (f.IsExported() || f.Anonymous) && f.Tag.Get("json") != "-"
}

// unboundedTypes is what unbounded has said of a type.
var unboundedTypes sync.Map // of reflect.Type to bool

// unbounded reports whether values of the type may have any number of parts inside of
// each other: it holds itself, or interfaces. What types with methods for it write is
// their own.
func unbounded(t reflect.Type) bool {
	if k := t.Kind(); k < reflect.Array || k == reflect.String { // as most are
		return false
	}
	if is, ok := unboundedTypes.Load(t); ok {
		return is.(bool)
	}
	is := holdsItself(t, nil)
	unboundedTypes.Store(t, is)
	return is
}

func holdsItself(t reflect.Type, within []reflect.Type) bool {
	if t.Implements(reflect.TypeFor[json.Marshaler]()) || t.Implements(reflect.TypeFor[encoding.TextMarshaler]()) {
		return false
	}
	for _, outer := range within {
		if t == outer {
			return true
		}
	}
	within = append(within, t)
	switch t.Kind() {
	case reflect.Interface:
		return true
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return holdsItself(t.Elem(), within)
	case reflect.Struct:
		for i := range t.NumField() {
			if f := t.Field(i); written(f) && holdsItself(f.Type, within) {
				return true
			}
		}
	}
	return false
}
