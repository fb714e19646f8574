package filter

import (
	"fmt"
	"reflect"
	"time"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/builtin"
)

// methods are those of times and durations that an expression can call.
var methods = map[string]func(any) any{
	"Year":         onTime(func(t time.Time) any { return t.Year() }),
	"Month":        onTime(func(t time.Time) any { return int(t.Month()) }),
	"Day":          onTime(func(t time.Time) any { return t.Day() }),
	"Weekday":      onTime(func(t time.Time) any { return t.Weekday().String() }),
	"Hour":         onTime(func(t time.Time) any { return t.Hour() }),
	"Minute":       onTime(func(t time.Time) any { return t.Minute() }),
	"Second":       onTime(func(t time.Time) any { return t.Second() }),
	"Unix":         onTime(func(t time.Time) any { return int(t.Unix()) }),
	"UnixMilli":    onTime(func(t time.Time) any { return int(t.UnixMilli()) }),
	"Hours":        onDuration(func(d time.Duration) any { return d.Hours() }),
	"Minutes":      onDuration(func(d time.Duration) any { return d.Minutes() }),
	"Seconds":      onDuration(func(d time.Duration) any { return d.Seconds() }),
	"Milliseconds": onDuration(func(d time.Duration) any { return int(d.Milliseconds()) }),
}

func onTime(of func(time.Time) any) func(any) any {
	return func(v any) any {
		s := native(v)
		if t, ok := s.asMoment(); ok {
			return of(t.Local())
		}
		return nil
	}
}

func onDuration(of func(time.Duration) any) func(any) any {
	return func(v any) any {
		s := native(v)
		if d, ok := s.asDuration(); ok {
			return of(d)
		}
		return nil
	}
}

// call compiles attr, has, and the methods of times and durations.
func (c *compiler) call(n *ast.CallNode) value {
	switch callee := n.Callee.(type) {
	case *ast.IdentifierNode:
		return c.callFunction(callee, n)
	case *ast.MemberNode:
		name, _ := callee.Property.(*ast.StringNode)
		if name == nil {
			break
		}
		method := methods[name.Value]
		if method == nil {
			c.fail(callee, "unknown method %.40q", name.Value)
			return nothing
		}
		if len(n.Arguments) > 0 {
			c.fail(n.Arguments[0], "%s takes no arguments", name.Value)
		}
		of := c.value(callee.Node)
		return func(e *evaluation) any { return method(of(e)) }
	}
	c.fail(n, "this can't be called")
	return nothing
}

func (c *compiler) callFunction(callee *ast.IdentifierNode, n *ast.CallNode) value {
	if callee.Value != "attr" && callee.Value != "has" {
		c.fail(callee, "unknown function %.40q", callee.Value)
		return nothing
	}
	var key *ast.StringNode
	if len(n.Arguments) == 1 {
		key, _ = n.Arguments[0].(*ast.StringNode)
	}
	if key == nil {
		c.fail(callee, "%s takes the name of an attribute in quotes", callee.Value)
		return nothing
	}
	path := key.Value
	if callee.Value == "attr" {
		return func(e *evaluation) any { return attribute(e.record, path, nil) }
	}
	return func(e *evaluation) any {
		_, ok := lookup(e.record, path)
		return ok
	}
}

// own are functions of expr that take more here, by their number of arguments.
var own = map[string]map[int]func(*evaluation, []any) any{
	"now": {0: func(e *evaluation, _ []any) any { return e.now() }},
	"date": {1: func(_ *evaluation, args []any) any {
		s := native(args[0])
		if t, ok := s.asMoment(); ok {
			return t
		}
		return nil
	}},
	"duration": {1: func(_ *evaluation, args []any) any {
		s := native(args[0])
		if d, ok := s.asDuration(); ok {
			return d
		}
		return nil
	}},
	"string": {1: func(e *evaluation, args []any) any {
		if s := native(args[0]); s.kind != kindNone {
			return textOf(args[0])
		}
		return callSafely(expressionFunction("string"), []any{e.simple(args[0], 0)})
	}},
}

func expressionFunction(name string) *builtin.Function { return builtin.Builtins[builtin.Index[name]] }

// builtin compiles a call of a function of expr.
func (c *compiler) builtin(n *ast.BuiltinNode) value {
	if made := c.quantifier(n); made != nil {
		return func(e *evaluation) any { return made(e) }
	}
	if made := c.collector(n); made != nil {
		return made
	}
	i, known := builtin.Index[n.Name]
	if !known {
		c.fail(n, "unknown function %.40q", n.Name)
		return nothing
	}
	function := builtin.Builtins[i]
	if problem := checkArguments(function, len(n.Arguments)); problem != "" {
		c.fail(n, "%s: %s", n.Name, problem)
		return nothing
	}
	values, ours := c.values(n.Arguments), own[n.Name][len(n.Arguments)]
	return func(e *evaluation) any {
		args := make([]any, len(values))
		for i, of := range values {
			args[i] = of(e)
		}
		if ours != nil {
			return ours(e, args)
		}
		for i := range args {
			args[i] = e.simple(args[i], 0)
		}
		if len(args) > 0 && args[0] == nil && n.Name != "type" || !e.spend(growth(n.Name, args)/64) {
			return nil
		}
		return e.result(callSafely(function, args))
	}
}

// growth returns how many bytes a function may make at most of few, capped.
func growth(name string, args []any) int {
	size := func(i int) float64 {
		if i >= len(args) {
			return 1
		}
		switch v := args[i].(type) {
		case string:
			return float64(len(v)) + 1
		case []any:
			return float64(len(v))
		case int:
			return max(0, float64(v))
		case float64:
			return max(0, v)
		}
		return 1
	}
	bytes := 0.0
	switch name {
	case "repeat", "join":
		bytes = size(0) * size(1)
	case "replace":
		bytes = size(0) * size(2)
	}
	return int(min(bytes, 1<<40))
}

// result takes the steps that the size of a result asks for.
func (e *evaluation) result(v any) any {
	switch v := v.(type) {
	case string:
		e.spend(1 + len(v)/64)
	case []any:
		e.spend(1 + len(v))
	case []string:
		all := make([]any, len(v))
		for i := range v {
			all[i] = v[i]
		}
		e.spend(1 + len(v))
		return all
	case int64:
		return int(v)
	}
	return v
}

// callSafely calls a function of expr, which panics where it can do nothing.
func callSafely(f *builtin.Function, args []any) (result any) {
	defer func() {
		if recover() != nil {
			result = nil
		}
	}()
	var err error
	switch {
	case f.Safe != nil:
		result, _, err = f.Safe(args...)
	case f.Func != nil:
		result, err = f.Func(args...)
	case f.Fast != nil && len(args) == 1:
		result = f.Fast(args[0])
	}
	if err != nil {
		return nil
	}
	return result
}

// checkArguments returns what is wrong with a number of arguments.
func checkArguments(f *builtin.Function, n int) (problem string) {
	defer func() {
		if recover() != nil {
			problem = "it does not take these arguments"
		}
	}()
	anything := make([]reflect.Type, n)
	for i := range anything {
		anything[i] = reflect.TypeFor[any]()
	}
	if f.Validate != nil {
		if _, err := f.Validate(anything); err != nil {
			return err.Error()
		}
		return ""
	}
	for _, t := range f.Types {
		if t.NumIn() == n || t.IsVariadic() && n >= t.NumIn()-1 {
			return ""
		}
	}
	if len(f.Types) == 0 {
		return ""
	}
	return fmt.Sprintf("it takes %d arguments, and not %d", f.Types[0].NumIn(), n)
}
