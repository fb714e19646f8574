package broker

import (
	"reflect"
	"slices"
	"strings"

	"github.com/slogcast/slogcast/internal/wire"
)

// A headersMatcher is that of a headers exchange: the arguments of a binding
// are compared with the headers of a message.
type headersMatcher struct {
	patterns []headersPattern
}

type headersPattern struct {
	binding binding
	any     bool         // one field is enough
	fields  []wire.Field // to compare; nil as the value means that the key is there
}

func (m *headersMatcher) add(b binding, args wire.Table) {
	word, _ := args.Get("x-match")
	p := headersPattern{binding: b, any: word == "any" || word == "any-with-x"}
	withX := word == "all-with-x" || word == "any-with-x"
	for _, f := range args {
		if f.Key != "x-match" && (withX || !strings.HasPrefix(f.Key, "x-")) {
			p.fields = append(p.fields, f)
		}
	}
	m.patterns = append(m.patterns, p)
}

func (m *headersMatcher) remove(b binding) {
	m.patterns = slices.DeleteFunc(m.patterns, func(p headersPattern) bool { return p.binding == b })
}

func (m *headersMatcher) match(msg *message, to *router) {
	if to.headers == nil {
		to.headers = msg.headers()
	}
	for i := range m.patterns {
		if m.patterns[i].matches(to.headers) {
			to.visit(m.patterns[i].binding.to)
		}
	}
}

func (p *headersPattern) matches(headers map[string]any) bool {
	for _, f := range p.fields {
		v, there := headers[f.Key]
		equal := there && (f.Value == nil || sameValue(f.Value, v))
		if equal == p.any {
			return equal
		}
	}
	return !p.any
}

// checkHeadersBinding refuses what no headers exchange can match by.
func checkHeadersBinding(args wire.Table) error {
	v, ok := args.Get("x-match")
	if !ok {
		return nil
	}
	switch word, isString := v.(string); {
	case !isString:
		return raise(preconditionFailed, "Invalid x-match field type %s (value %v); expected longstr", typeName(v), v)
	case !slices.Contains([]string{"all", "any", "all-with-x", "any-with-x"}, word):
		return raise(preconditionFailed, "Invalid x-match field value <<%q>>; expected all, any, all-with-x, or any-with-x", word)
	}
	return nil
}

// sameValue compares values of tables as RabbitMQ does: numbers by their value,
// whatever their types, unless they are within others.
func sameValue(a, b any) bool {
	x, isNumber := number(a)
	y, isNumber2 := number(b)
	if isNumber && isNumber2 {
		return x == y
	}
	return reflect.DeepEqual(text(a), text(b)) && !isNumber && !isNumber2
}

// number returns the value of an integer, a float or a timestamp.
func number(v any) (float64, bool) {
	switch v := v.(type) {
	case float32:
		return float64(v), true
	case float64:
		return v, true
	case wire.Timestamp:
		return float64(v), true
	}
	n, problem := integerArg(v, -1<<63, 1<<63-1)
	return float64(n), problem == ""
}

// text returns what can be compared of any other value.
func text(v any) any {
	if b, isBytes := v.([]byte); isBytes {
		return string(b)
	}
	return v
}
