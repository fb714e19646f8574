package filter

import (
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/expr-lang/expr/ast"

	"github.com/slogcast/slogcast/internal/patterns"
	"github.com/slogcast/slogcast/sink"
)

// A glance tells by a line of an archive whether its record can pass a test, without
// taking it apart: most lines that a filter looks at do not pass.
type glance func(*look) verdict

// verdict is what a glance tells.
type verdict int

const (
	unknown verdict = iota
	maybe           // and the test, should it not hold, takes no more than a few steps
	no
)

func verdictOf(holds bool) verdict {
	if holds {
		return maybe
	}
	return no
}

// look is a line that slog has written, as far as its level at least. What follows
// may not even be JSON: then the line is a text, without attributes.
type look struct {
	line      string
	levelText string
	level     slog.Level
	plain     verdict // no if it has escapes: see isPlain
	value     scalar  // that is being compared; its memory is used again
}

// at looks at another line. It is not ok if that can't be told anything of.
func (l *look) at(line []byte) (ok bool) {
	if l.levelText, l.level, ok = sink.LineLevel(line); ok {
		// No copy: the look ends before the line changes.
		l.line, l.plain = unsafe.String(&line[0], len(line)), unknown
	}
	return ok
}

// isPlain reports whether the texts of the record are what stands in the line, and a
// quote begins or ends one: it has no escapes, of JSON or of colours.
func (l *look) isPlain() bool {
	if l.plain == unknown {
		l.plain = verdictOf(strings.IndexByte(l.line, '\\') < 0 && strings.IndexByte(l.line, '\x1b') < 0)
	}
	return l.plain == maybe
}

func (f *Filter) addGlance(g glance) {
	if g != nil {
		f.glances = append(f.glances, g)
	}
}

// glanceOf returns the glance of an expression, nil if it never tells. Since an
// expression that takes too many steps passes, it tells nothing of lines that are long.
func (c *compiler) glanceOf(n ast.Node) glance {
	const forByte, forRest = 4, 64 // steps that a comparison takes, at most
	tells, some, comparisons := c.glance(n)
	if !some {
		return nil
	}
	longest := (maxSteps/comparisons - forRest) / forByte
	return func(l *look) verdict {
		if len(l.line) > longest {
			return unknown
		}
		return tells(l)
	}
}

// glance returns the glance of n, whether it ever tells, and how many comparisons n
// has.
func (c *compiler) glance(n ast.Node) (tells glance, some bool, comparisons int) {
	switch n := n.(type) {
	case *ast.UnaryNode:
		if of, _, comparisons := c.glance(n.Node); n.Operator == "not" || n.Operator == "!" {
			return func(l *look) verdict { return min(of(l), maybe) }, false, comparisons
		}
	case *ast.BinaryNode:
		combine := both
		switch n.Operator {
		case "or", "||":
			combine = either
		case "and", "&&":
		default:
			tells, some = c.compareGlance(n)
			return tells, some, 1
		}
		left, some1, left1 := c.glance(n.Left)
		right, some2, right1 := c.glance(n.Right)
		return func(l *look) verdict { return combine(left(l), right, l) }, some1 || some2, left1 + right1
	}
	return func(*look) verdict { return unknown }, false, 1
}

func both(left verdict, right glance, l *look) verdict {
	if left != maybe {
		return left
	}
	return right(l)
}

func either(left verdict, right glance, l *look) verdict {
	if left == unknown {
		return unknown
	}
	if second := right(l); second != no {
		return second
	}
	return left
}

// compareGlance returns the glance of a comparison, and whether it ever tells.
func (c *compiler) compareGlance(n *ast.BinaryNode) (tells glance, some bool) {
	if tells = c.constantGlance(n); tells != nil {
		return tells, true
	}
	_, _, isPath := c.path(n.Left)
	if isPath && isScalar(n.Right) && n.Operator != ".." {
		return func(*look) verdict { return maybe }, false
	}
	return func(*look) verdict { return unknown }, false
}

// constantGlance returns the glance of a comparison with a constant, nil if it never
// tells.
func (c *compiler) constantGlance(n *ast.BinaryNode) glance {
	of, with, op := n.Left, n.Right, n.Operator
	if turned, ok := map[string]string{"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}[op]; ok && isScalar(of) {
		of, with, op = with, of, turned
	}
	path, builtin, ok := c.path(of)
	if !ok {
		return nil
	}
	if list, isList := with.(*ast.ArrayNode); isList && op == "in" && len(list.Nodes) <= 16 {
		return c.listGlance(path, builtin != nil, list)
	}
	if !isScalar(with) {
		return nil
	}
	value := native(c.value(with)(nil))
	if op == "matches" && (builtin == nil || path != "time") {
		if re, err := regexp.Compile(value.text); err == nil {
			return patternGlance(patterns.New([]*regexp.Regexp{re}))
		}
		return nil
	}
	holds := comparison(op, &value)
	isText := value.kind == kindText && !readsAsOther(value.text)
	switch {
	case builtin != nil && path == "level" && holds != nil:
		return levelGlance(holds)
	case builtin != nil && (path == "level" || path == "time"):
		return nil
	case isText && (op == "==" || textOperators[op] != nil):
		return lacksAll([]string{value.text})
	case builtin == nil && holds != nil && op != "!=":
		return attributeGlance(path, holds)
	}
	return nil
}

// comparison returns what compares with value, nil if op does not.
func comparison(op string, value *scalar) func(*scalar) bool {
	switch op {
	case "==":
		return func(s *scalar) bool { return equal(s, value) }
	case "!=":
		return func(s *scalar) bool { return !equal(s, value) }
	case "<", "<=", ">", ">=":
		return func(s *scalar) bool { return ordered(s, op, value) }
	}
	return nil
}

// listGlance returns the glance of path in list.
func (c *compiler) listGlance(path string, builtin bool, list *ast.ArrayNode) glance {
	var values []scalar
	var texts []string
	for _, n := range list.Nodes {
		if !isScalar(n) {
			return nil
		}
		value := native(c.value(n)(nil))
		values = append(values, value)
		if value.kind == kindText && !readsAsOther(value.text) {
			texts = append(texts, value.text)
		}
	}
	switch {
	case builtin && path == "level":
		isOne := func(s *scalar) bool {
			return slices.ContainsFunc(values, func(v scalar) bool { return equal(s, &v) })
		}
		return levelGlance(isOne)
	case builtin && path == "time" || len(texts) < len(values):
		return nil
	}
	return lacksAll(texts)
}

// levelGlance returns the glance of a test that holds for the level or not. What it
// says of slog's own levels is known before.
func levelGlance(holds func(*scalar) bool) glance {
	say := func(text string, level slog.Level) verdict {
		return verdictOf(holds(&scalar{kind: kindLevel, text: text, level: level}))
	}
	own := [...]slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError}
	var of [len(own)]verdict
	for i, level := range own {
		of[i] = say(level.String(), level)
	}
	return func(l *look) verdict {
		switch l.levelText {
		case "DEBUG":
			return of[0]
		case "INFO":
			return of[1]
		case "WARN":
			return of[2]
		case "ERROR":
			return of[3]
		}
		return say(l.levelText, l.level)
	}
}

// readsAsOther reports whether a text may equal another one, or what is no text.
func readsAsOther(text string) bool { return literal(text, time.UTC).kind != kindText }

// lacksAll returns the glance of a test that needs one of the texts somewhere in the
// record, word for word; nil if that can't be told.
func lacksAll(texts []string) glance {
	for _, text := range texts {
		if !utf8.ValidString(text) || strings.ContainsRune(text, utf8.RuneError) { // what invalid bytes become
			return nil
		}
	}
	return func(l *look) verdict {
		return verdictOf(slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(l.line, text) }) || !l.isPlain())
	}
}

// grepGlance returns the glance of a test that one of the patterns matches something in
// the record, nil if it never tells.
func grepGlance(set *patterns.Set) glance {
	matches := patternGlance(set)
	if matches == nil {
		return nil
	}
	return func(l *look) verdict {
		if strings.IndexByte(l.line, '[') >= 0 { // perhaps a stack's frames, of which lines are made
			return maybe
		}
		return matches(l)
	}
}

// patternGlance returns the glance of a test that one of the patterns matches a part of
// the line, nil if it never tells.
func patternGlance(set *patterns.Set) glance {
	if !set.Needs() {
		return nil
	}
	return func(l *look) verdict { return verdictOf(!l.isPlain() || set.Has(l.line)) }
}

// attributeGlance returns the glance of a test that the attribute at a path must meet,
// and that none meets which is missing. Whatever may be that attribute, at any
// depth, is compared.
func attributeGlance(path string, holds func(*scalar) bool) glance {
	if path == "" || !utf8.ValidString(path) || strings.ContainsRune(path, utf8.RuneError) {
		return nil
	}
	end := path[strings.LastIndexByte(path, '.')+1:] + `"`
	return func(l *look) verdict {
		for rest := l.line; ; {
			at := strings.Index(rest, end)
			if at < 0 {
				return verdictOf(!l.isPlain())
			}
			rest = rest[at+len(end):]
			if rest == "" || strings.IndexByte(",]}", rest[0]) >= 0 {
				continue // a value
			}
			if rest[0] != ':' {
				return maybe
			}
			if value := scalarAt(rest[1:]); value == "" {
				return maybe
			} else if l.value = scalarOf(value); holds(&l.value) {
				return maybe
			}
		}
	}
}

// scalarAt returns the value at the start of a part of a line, "" if that is an
// object, an array or null, or can't be told.
func scalarAt(s string) sink.Value {
	if s == "" {
		return ""
	}
	switch c := s[0]; {
	case c == '"':
		end := strings.IndexByte(s[1:], '"')
		if end < 0 || !isASCII(s[1:1+end]) {
			return ""
		}
		return sink.Value(s[:1+end+1])
	case c != '-' && (c < '0' || c > '9') && c != 't' && c != 'f':
		return ""
	}
	for i := range len(s) {
		switch s[i] {
		case ',', ']', '}', ' ', '\t', '\r':
			return sink.Value(s[:i])
		}
	}
	return ""
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// glance returns that of a field, nil if it never tells. A dotted key may be that of
// a stack, which is found in any case.
func (f *field) glance() glance {
	switch {
	case f.op == "~" && !f.negated && (f.builtin == nil || f.key != "time"):
		return patternGlance(patterns.New([]*regexp.Regexp{f.pattern}))
	case f.op == "" || f.op == "~":
		return nil
	case f.builtin != nil && f.key == "level":
		return levelGlance(func(s *scalar) bool { return f.holdsFor(s) != f.negated })
	case f.builtin != nil || f.negated || strings.Contains(f.key, "."):
		return nil
	}
	return attributeGlance(f.key, f.holdsFor)
}
