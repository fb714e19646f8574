package filter

import (
	"encoding/json"
	"math"
	"math/bits"
	"time"

	"github.com/expr-lang/expr/ast"
)

func (c *compiler) unary(n *ast.UnaryNode) value {
	switch n.Operator {
	case "not", "!":
		of := c.condition(n)
		return func(e *evaluation) any { return of(e) }
	case "-":
		of := c.value(n.Node)
		return func(e *evaluation) any { return calculate("-", 0, of(e)) }
	}
	of := c.value(n.Node)
	return func(e *evaluation) any { return calculate("+", 0, of(e)) }
}

func (c *compiler) binary(n *ast.BinaryNode) value {
	if made := c.operator(n); made != nil {
		return func(e *evaluation) any { return made(e) }
	}
	left, right := c.value(n.Left), c.value(n.Right)
	switch op := n.Operator; op {
	case "??":
		return func(e *evaluation) any {
			if v := left(e); v != nil {
				return v
			}
			return right(e)
		}
	case "..":
		return func(e *evaluation) any { return e.span(left(e), right(e)) }
	case "+":
		return func(e *evaluation) any { return e.add(left(e), right(e)) }
	case "-", "*", "/", "%", "**", "^":
		return func(e *evaluation) any { return calculate(op, left(e), right(e)) }
	}
	c.fail(n, "unknown operator %.20q", n.Operator)
	return nothing
}

// span returns the numbers from a to b.
func (e *evaluation) span(a, b any) any {
	first, ok1 := a.(int)
	last, ok2 := b.(int)
	if !ok1 || !ok2 || last < first {
		return []any{}
	}
	if uint(last)-uint(first) >= maxSteps {
		e.steps = -1
		return nil
	}
	if !e.spend(last - first + 1) {
		return nil
	}
	all := make([]any, 0, last-first+1)
	for i := first; ; i++ {
		all = append(all, i)
		if i == last {
			return all
		}
	}
}

// add is + for texts, and for whatever calculate knows.
func (e *evaluation) add(a, b any) any {
	x, y := native(a), native(b)
	isLevel := x.kind == kindLevel || y.kind == kindLevel
	if x.kind != kindText && y.kind != kindText && !isLevel || x.kind == kindNone || y.kind == kindNone {
		return calculate("+", a, b)
	}
	s, t := textOf(a), textOf(b)
	if !e.spend((len(s) + len(t)) / 64) {
		return nil
	}
	return s + t
}

// calculate returns the result of an operator on numbers, durations or times, nil
// where there is none.
func calculate(op string, a, b any) any {
	switch x := a.(type) {
	case int:
		if y, ok := b.(int); ok {
			return calculateInts(op, x, y)
		}
		if y, ok := b.(time.Duration); ok {
			return calculateDuration(op, x, y)
		}
	case time.Time:
		switch y := b.(type) {
		case time.Time:
			if op == "-" {
				return x.Sub(y)
			}
		case time.Duration:
			switch op {
			case "+":
				return x.Add(y)
			case "-":
				return x.Add(-y)
			}
		}
		return nil
	case time.Duration:
		switch y := b.(type) {
		case time.Duration:
			switch op {
			case "+":
				return x + y
			case "-":
				return x - y
			case "/":
				return calculateFloats(op, float64(x), float64(y))
			}
		case time.Time:
			if op == "+" {
				return y.Add(x)
			}
		default:
			if f, ok := float(b); ok && (op == "*" || op == "/") {
				return asDuration(calculateFloats(op, float64(x), f))
			}
		}
		return nil
	}
	x, ok1 := float(a)
	y, ok2 := float(b)
	if !ok1 || !ok2 {
		return nil
	}
	return calculateFloats(op, x, y)
}

// calculateDuration is that of a whole number and a duration: -d, and n * d.
func calculateDuration(op string, n int, d time.Duration) any {
	switch {
	case op == "*":
		return asDuration(float64(n) * float64(d))
	case op == "-" && n == 0:
		return -d
	case op == "+" && n == 0:
		return d
	}
	return nil
}

func asDuration(v any) any {
	f, ok := v.(float64)
	if !ok || math.Abs(f) > math.MaxInt64/2 {
		return nil
	}
	return time.Duration(f)
}

// calculateInts goes over to floats where a whole number is too large.
func calculateInts(op string, a, b int) any {
	switch op {
	case "+":
		if sum := a + b; (sum > a) == (b > 0) {
			return sum
		}
	case "-":
		if difference := a - b; (difference < a) == (b > 0) {
			return difference
		}
	case "*":
		high, low := bits.Mul64(magnitude(a), magnitude(b))
		if high == 0 && low < 1<<63 {
			return a * b
		}
	case "%":
		if b == 0 {
			return nil
		}
		return a % b
	}
	return calculateFloats(op, float64(a), float64(b))
}

func magnitude(n int) uint64 {
	if n < 0 {
		return -uint64(n)
	}
	return uint64(n)
}

func calculateFloats(op string, a, b float64) any {
	var f float64
	switch op {
	case "+":
		f = a + b
	case "-":
		f = a - b
	case "*":
		f = a * b
	case "/":
		f = a / b
	case "%":
		f = math.Mod(a, b)
	default:
		f = math.Pow(a, b)
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil
	}
	return f
}

// float returns a number as a float64.
func float(v any) (float64, bool) {
	switch v := v.(type) {
	case int:
		return float64(v), true
	case float64:
		return v, true
	case json.Number:
		f, err := v.Float64()
		return f, err == nil
	case string:
		if d, ok := parseDecimal(v); ok && d.scale < 300 {
			f, err := json.Number(v).Float64()
			return f, err == nil
		}
	}
	return 0, false
}
