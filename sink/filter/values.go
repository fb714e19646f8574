package filter

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"

	"github.com/expr-lang/expr/ast"

	"github.com/slogcast/slogcast/sink"
)

// attribute returns an attribute as a value of an expression.
func attribute(r *sink.Record, path string, builtin func(*sink.Record) (scalar, bool)) any {
	if builtin != nil {
		if s, ok := builtin(r); ok {
			switch s.kind {
			case kindText:
				return s.text
			case kindTime:
				return s.moment
			}
			return s
		}
	}
	if v, ok := lookup(r, path); ok {
		return plain(v)
	}
	return nil
}

// plain returns a value of a record as one of an expression: objects and arrays
// as they are, until they are needed.
func plain(v sink.Value) any {
	switch v.Kind() {
	case sink.Null:
		return nil
	case sink.Bool:
		return v[0] == 't'
	case sink.String:
		return v.Text()
	case sink.Number:
		return plainNumber(string(v))
	}
	return v
}

// plainNumber returns an int, a float64, or the number as it is where these would
// not be the same number.
func plainNumber(s string) any {
	if n, err := strconv.Atoi(s); err == nil {
		return n
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return json.Number(s)
	}
	exact, _ := parseDecimal(s)
	if written, ok := parseDecimal(strconv.FormatFloat(f, 'g', -1, 64)); !ok || written.compare(exact) != 0 {
		return json.Number(s)
	}
	return f
}

// everything is $env: all attributes and built-ins.
func everything(e *evaluation) any {
	m := make(map[string]any)
	for _, a := range slices.Backward(e.record.Attrs()) { // the first of several stays
		if !e.spend(1) {
			return nil
		}
		m[a.Key] = plain(a.Value)
	}
	for name, of := range builtins {
		if v := attribute(e.record, name, of); v != nil {
			m[name] = v
		}
	}
	return m
}

// opened returns an object or array of the record as a map or a slice, one level
// of it, and any other value as it is.
func (e *evaluation) opened(v any) any {
	raw, ok := v.(sink.Value)
	if !ok {
		return v
	}
	if !e.spend(1 + len(raw)/64) {
		return nil
	}
	if raw.Kind() == sink.Array {
		all := []any{}
		for element := range elements(raw) {
			all = append(all, plain(element))
		}
		return all
	}
	m := make(map[string]any)
	for key, member := range raw.Members() {
		if _, taken := m[key]; !taken {
			m[key] = plain(member)
		}
	}
	return m
}

// maxNesting bounds how deep the values are that functions and comparisons of
// whole objects look at.
const maxNesting = 100

// simple returns v as the functions of expr know it, all levels of it.
func (e *evaluation) simple(v any, depth int) any {
	if depth > maxNesting || !e.spend(1) {
		return nil
	}
	switch v := v.(type) {
	case sink.Value:
		return e.simple(e.opened(v), depth)
	case scalar:
		return textOf(v)
	case json.Number:
		f, _ := v.Float64()
		return f
	case string:
		e.spend(len(v) / 64)
	case []any:
		all := make([]any, len(v))
		for i := range v {
			all[i] = e.simple(v[i], depth+1)
		}
		return all
	case map[string]any:
		m := make(map[string]any, len(v))
		for key, member := range v {
			m[key] = e.simple(member, depth+1)
		}
		return m
	}
	return v
}

// textOf returns the text of a scalar, a level by its name, and "" for anything else.
func textOf(v any) string {
	s := native(v)
	return s.name()
}

// index returns a member or an element of v, nil when there is none.
func (e *evaluation) index(v, key any) any {
	if name, ok := key.(string); ok {
		switch v := v.(type) {
		case sink.Value:
			return e.memberOf(v, name)
		case map[string]any:
			return v[name]
		}
		return nil
	}
	i, ok := key.(int)
	if !ok {
		return nil
	}
	list, ok := e.opened(v).([]any)
	if i < 0 {
		i += len(list)
	}
	if !ok || i < 0 || i >= len(list) {
		return nil
	}
	return list[i]
}

func (e *evaluation) memberOf(v sink.Value, name string) any {
	if !e.spend(1 + len(v)/64) {
		return nil
	}
	for key, member := range v.Members() {
		if key == name {
			return plain(member)
		}
	}
	return nil
}

// slice compiles v[from:to] of an array, or of a text by its characters.
func (c *compiler) slice(n *ast.SliceNode) value {
	of := c.value(n.Node)
	from, to := value(nothing), value(nothing)
	if n.From != nil {
		from = c.value(n.From)
	}
	if n.To != nil {
		to = c.value(n.To)
	}
	return func(e *evaluation) any {
		switch v := e.opened(of(e)).(type) {
		case []any:
			low, high := bounds(from(e), to(e), len(v))
			return v[low:high:high]
		case string:
			if !e.spend(len(v) / 64) {
				return nil
			}
			runes := []rune(v)
			low, high := bounds(from(e), to(e), len(runes))
			return string(runes[low:high])
		}
		return nil
	}
}

// bounds returns what part of n elements from and to mean: those below zero count
// from the end, and what is too far is brought within.
func bounds(from, to any, n int) (low, high int) {
	high = n
	if i, ok := from.(int); ok {
		low = i
	}
	if i, ok := to.(int); ok {
		high = i
	}
	within := func(i int) int {
		if i < 0 {
			i += n
		}
		return max(0, min(i, n))
	}
	low, high = within(low), within(high)
	return min(low, high), high
}

// equal compares what may be objects or arrays.
func (e *evaluation) equal(a, b any) bool { return e.equalAt(a, b, 0) }

func (e *evaluation) equalAt(a, b any, depth int) bool {
	if !e.spend(1) || depth > maxNesting {
		return false
	}
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	a, b = e.opened(a), e.opened(b)
	same := func(x, y any) bool { return e.equalAt(x, y, depth+1) }
	switch x := a.(type) {
	case []any:
		y, ok := b.([]any)
		return ok && slices.EqualFunc(x, y, same)
	case map[string]any:
		y, ok := b.(map[string]any)
		return ok && maps.EqualFunc(x, y, same)
	}
	s, t := native(a), native(b)
	return equal(&s, &t)
}

// in reports whether list has the element, or the object the key.
func (e *evaluation) in(v, list any) bool {
	switch list := e.opened(list).(type) {
	case []any:
		return e.spend(len(list)) && slices.ContainsFunc(list, func(element any) bool { return e.equal(v, element) })
	case map[string]any:
		_, ok := list[textOf(v)]
		return ok
	}
	return false
}
