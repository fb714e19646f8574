package filter

import (
	"regexp"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"

	"github.com/slogcast/slogcast/sink"
)

// value computes a part of an expression: nil, a bool, int, float64, string,
// time.Time or time.Duration, a json.Number that is none of the former exactly, a
// scalar for the level, an object or array of the record as sink.Value, or a
// []any or map[string]any that the expression has made.
type value func(*evaluation) any

// cond computes a part that is a condition.
type cond func(*evaluation) bool

func never(*evaluation) bool  { return false }
func nothing(*evaluation) any { return nil }

// value compiles n.
func (c *compiler) value(n ast.Node) value {
	switch n := n.(type) {
	case *ast.NilNode:
		return nothing
	case *ast.BoolNode:
		return constant(n.Value)
	case *ast.IntegerNode:
		return constant(n.Value)
	case *ast.FloatNode:
		return constant(n.Value)
	case *ast.StringNode:
		return constant(n.Value)
	case *ast.BytesNode:
		return constant(string(n.Value))
	case *ast.IdentifierNode, *ast.MemberNode:
		return c.member(n)
	case *ast.ChainNode:
		return c.value(n.Node)
	case *ast.UnaryNode:
		return c.unary(n)
	case *ast.BinaryNode:
		return c.binary(n)
	case *ast.SliceNode:
		return c.slice(n)
	case *ast.CallNode:
		return c.call(n)
	case *ast.BuiltinNode:
		return c.builtin(n)
	case *ast.PointerNode:
		return c.pointer(n)
	case *ast.ConditionalNode:
		test, yes, no := c.condition(n.Cond), c.value(n.Exp1), c.value(n.Exp2)
		return func(e *evaluation) any {
			if test(e) {
				return yes(e)
			}
			return no(e)
		}
	case *ast.VariableDeclaratorNode:
		return c.let(n)
	case *ast.SequenceNode:
		return c.values(n.Nodes)[len(n.Nodes)-1] // nothing has an effect
	case *ast.ArrayNode:
		return c.array(n)
	case *ast.MapNode:
		return c.mapping(n)
	}
	c.fail(n, "this is not of the language of filters")
	return nothing
}

func constant(v any) value { return func(*evaluation) any { return v } }

func (c *compiler) values(nodes []ast.Node) []value {
	values := make([]value, len(nodes))
	for i, n := range nodes {
		values[i] = c.value(n)
	}
	return values
}

// condition compiles n where only whether it holds counts.
func (c *compiler) condition(n ast.Node) cond {
	switch n := n.(type) {
	case *ast.UnaryNode:
		if n.Operator == "not" || n.Operator == "!" {
			of := c.condition(n.Node)
			return func(e *evaluation) bool { return !of(e) }
		}
	case *ast.BinaryNode:
		if made := c.operator(n); made != nil {
			return made
		}
	case *ast.BuiltinNode:
		if made := c.quantifier(n); made != nil {
			return made
		}
	}
	of := c.value(n)
	return func(e *evaluation) bool { return holds(of(e)) }
}

// holds reports whether v is true as a condition.
func holds(v any) bool {
	if b, ok := v.(bool); ok {
		return b
	}
	return v != nil
}

// operator compiles those operators whose value is a bool, or returns nil.
func (c *compiler) operator(n *ast.BinaryNode) cond {
	switch n.Operator {
	case "and", "&&":
		left, right := c.condition(n.Left), c.condition(n.Right)
		return func(e *evaluation) bool { return left(e) && right(e) }
	case "or", "||":
		left, right := c.condition(n.Left), c.condition(n.Right)
		return func(e *evaluation) bool { return left(e) || right(e) }
	case "==":
		return c.equality(n)
	case "!=":
		same := c.equality(n)
		return func(e *evaluation) bool { return !same(e) }
	case "<", "<=", ">", ">=":
		c.checkOrder(n.Left, n.Right)
		c.checkOrder(n.Right, n.Left)
		left, right, op := c.scalar(n.Left), c.scalar(n.Right), n.Operator
		return func(e *evaluation) bool {
			a, b := left(e), right(e)
			return ordered(&a, op, &b)
		}
	case "matches":
		return c.matches(n)
	case "contains", "startsWith", "endsWith":
		return c.textOperator(n)
	case "in":
		left, right := c.value(n.Left), c.value(n.Right)
		return func(e *evaluation) bool { return e.in(left(e), right(e)) }
	}
	return nil
}

// checkOrder refuses a text beside level or time that is none.
func (c *compiler) checkOrder(of, with ast.Node) {
	name, isName := of.(*ast.IdentifierNode)
	text, isText := with.(*ast.StringNode)
	if !isName || !isText {
		return
	}
	if _, isVar := c.vars[name.Value]; !isVar {
		if problem := misplaced(name.Value, text.Value); problem != "" {
			c.fail(with, "%s", problem)
		}
	}
}

// scalar compiles n where only its place among others counts.
func (c *compiler) scalar(n ast.Node) func(*evaluation) scalar {
	switch n := n.(type) {
	case *ast.StringNode:
		s := scalar{kind: kindText, text: n.Value}
		return func(*evaluation) scalar { return s }
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		s := native(c.value(n)(nil))
		return func(*evaluation) scalar { return s }
	case *ast.IdentifierNode, *ast.MemberNode:
		if path, builtin, ok := c.path(n); ok {
			return func(e *evaluation) scalar { return attributeScalar(e.record, path, builtin) }
		}
	}
	of := c.value(n)
	return func(e *evaluation) scalar { return native(of(e)) }
}

func attributeScalar(r *sink.Record, path string, builtin func(*sink.Record) (scalar, bool)) scalar {
	if builtin != nil {
		if s, ok := builtin(r); ok {
			return s
		}
	}
	if v, ok := lookup(r, path); ok {
		return scalarOf(v)
	}
	return scalar{}
}

// equality compiles ==, for the usual case of a scalar on one side without
// making values of both.
func (c *compiler) equality(n *ast.BinaryNode) cond {
	if isScalar(n.Left) || isScalar(n.Right) {
		left, right := c.scalar(n.Left), c.scalar(n.Right)
		return func(e *evaluation) bool {
			a, b := left(e), right(e)
			return equal(&a, &b)
		}
	}
	left, right := c.value(n.Left), c.value(n.Right)
	return func(e *evaluation) bool { return e.equal(left(e), right(e)) }
}

func isScalar(n ast.Node) bool {
	switch n.(type) {
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return true
	}
	return false
}

// textOperators compare texts.
var textOperators = map[string]func(s, part string) bool{
	"contains":   strings.Contains,
	"startsWith": strings.HasPrefix,
	"endsWith":   strings.HasSuffix,
}

// textOperator compiles contains, startsWith and endsWith. An array contains its
// elements.
func (c *compiler) textOperator(n *ast.BinaryNode) cond {
	left, right, op := c.scalar(n.Left), c.scalar(n.Right), textOperators[n.Operator]
	list, element := value(nothing), value(nothing)
	if n.Operator == "contains" {
		list, element = c.value(n.Left), c.value(n.Right)
	}
	return func(e *evaluation) bool {
		a, b := left(e), right(e)
		if a.kind == kindNone || b.kind == kindNone {
			return e.in(element(e), list(e))
		}
		return op(a.name(), b.name())
	}
}

func (c *compiler) matches(n *ast.BinaryNode) cond {
	pattern, ok := n.Right.(*ast.StringNode)
	if !ok {
		c.fail(n.Right, "the pattern of matches must be a text in quotes")
		return never
	}
	re, err := regexp.Compile(pattern.Value)
	if err != nil {
		c.fail(n.Right, "the regular expression is not valid: %s", patternProblem(err))
		return never
	}
	left := c.scalar(n.Left)
	return func(e *evaluation) bool {
		s := left(e)
		return s.kind != kindNone && re.MatchString(s.String())
	}
}

// path returns the path of an attribute, and the built-in that comes before it,
// if n names one.
func (c *compiler) path(n ast.Node) (path string, builtin func(*sink.Record) (scalar, bool), ok bool) {
	var words []string
	for {
		switch node := n.(type) {
		case *ast.ChainNode:
			n = node.Node
			continue
		case *ast.MemberNode:
			name, is := node.Property.(*ast.StringNode)
			if !is {
				return "", nil, false
			}
			words = append(words, name.Value)
			n = node.Node
			continue
		case *ast.IdentifierNode:
			if _, isVar := c.vars[node.Value]; isVar {
				return "", nil, false
			}
			switch {
			case node.Value == "$env" && len(words) == 0:
				return "", nil, false
			case node.Value != "$env":
				words = append(words, node.Value)
				if len(words) == 1 {
					builtin = builtins[node.Value]
				}
			case len(words) == 1:
				builtin = builtins[words[0]]
			}
			slices.Reverse(words)
			return strings.Join(words, "."), builtin, true
		}
		return "", nil, false
	}
}

func (c *compiler) member(n ast.Node) value {
	if path, builtin, ok := c.path(n); ok {
		return func(e *evaluation) any { return attribute(e.record, path, builtin) }
	}
	switch n := n.(type) {
	case *ast.IdentifierNode:
		if n.Value == "$env" {
			return everything
		}
		slot := c.vars[n.Value]
		return func(e *evaluation) any { return e.vars[slot] }
	case *ast.MemberNode:
		of, key := c.value(n.Node), c.value(n.Property)
		return func(e *evaluation) any { return e.index(of(e), key(e)) }
	}
	return nothing
}

func (c *compiler) let(n *ast.VariableDeclaratorNode) value {
	is := c.value(n.Value)
	if _, taken := c.vars[n.Name]; taken {
		c.fail(n, "%.40q is declared twice", n.Name)
	}
	slot := c.slots
	c.slots++
	c.vars[n.Name] = slot
	body := c.value(n.Expr)
	delete(c.vars, n.Name)
	return func(e *evaluation) any {
		e.vars[slot] = is(e)
		return body(e)
	}
}

func (c *compiler) array(n *ast.ArrayNode) value {
	values := c.values(n.Nodes)
	if !slices.ContainsFunc(n.Nodes, func(n ast.Node) bool { return !isScalar(n) }) {
		all := make([]any, len(values))
		for i, of := range values {
			all[i] = of(nil)
		}
		return constant(all)
	}
	return func(e *evaluation) any {
		if !e.spend(len(values)) {
			return nil
		}
		all := make([]any, len(values))
		for i, of := range values {
			all[i] = of(e)
		}
		return all
	}
}

func (c *compiler) mapping(n *ast.MapNode) value {
	var keys, values []value
	for _, p := range n.Pairs {
		if pair, ok := p.(*ast.PairNode); ok {
			keys, values = append(keys, c.value(pair.Key)), append(values, c.value(pair.Value))
		}
	}
	return func(e *evaluation) any {
		if !e.spend(len(keys)) {
			return nil
		}
		m := make(map[string]any, len(keys))
		for i, key := range keys {
			m[textOf(key(e))] = values[i](e)
		}
		return m
	}
}

func (c *compiler) pointer(n *ast.PointerNode) value {
	part := map[string]func(*item) any{
		"":      func(i *item) any { return i.value },
		"index": func(i *item) any { return i.index },
		"acc":   func(i *item) any { return i.acc },
	}[n.Name]
	if part == nil {
		c.fail(n, "unknown #%.40s; there are #, #index and #acc", n.Name)
		return nothing
	}
	return func(e *evaluation) any {
		if len(e.items) == 0 {
			return nil
		}
		return part(&e.items[len(e.items)-1])
	}
}
