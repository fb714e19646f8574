package filter

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"

	"github.com/slogcast/slogcast/sink"
)

// maxSteps bounds what an expression does with one record: elements looked at,
// and 64 bytes of text.
const maxSteps = 100_000

// expression is a compiled expression of the language expr
// (https://expr-lang.org), over level, msg, time, app, host, id and the attributes
// of a record. It differs from expr where a record may be anything:
//
//   - What is missing is nil, and so is what cannot be done, as "a" - 1 or
//     nil.key. No operator and no function fails.
//   - Comparisons are those of the package's comment. Of two that can't be
//     compared neither is more, and they are not equal. nil equals nil only.
//   - level is compared as a level with a name: level >= "warn". One that can't be
//     ranked is in any order with any.
//   - user.name is the attribute "name" of the group "user", or the attribute
//     "user.name". attr("a-b"), also $env["a-b"], is one whose name is no word, or is one
//     that the language or the record has: attr("level"). has("a-b") reports
//     whether it is there.
//   - As a condition nil and false do not hold, and everything else does.
//   - A pattern of matches is a text in quotes.
//   - t.Hour() and its like are those of methods.
//
// An expression ends after maxSteps, and then holds.
type expression struct {
	root    cond
	glance  glance // nil if it never tells
	now     func() time.Time
	scratch sync.Pool // of *evaluation
}

// evaluation is the state of an expression that looks at a record.
type evaluation struct {
	record *sink.Record
	now    func() time.Time
	steps  int   // left; negative when there were too few
	vars   []any // of let
	items  []item
}

// item is what an expression in braces is about.
type item struct {
	value any
	index int
	acc   any
}

func (f *Filter) addExpressions(flag string, texts []string, now func() time.Time) error {
	for _, text := range texts {
		e, err := compileExpression(flag, text, now)
		if err != nil {
			return err
		}
		f.tests = append(f.tests, e.pass)
		f.addGlance(e.glance)
	}
	return nil
}

func compileExpression(flag, text string, now func() time.Time) (e *expression, err error) {
	if err := checkLength(flag, text); err != nil {
		return nil, err
	}
	tree, err := parser.ParseWithConfig(text, conf.CreateNew())
	if err != nil {
		return nil, parseError(flag, text, err)
	}
	c := compiler{flag: flag, text: text, vars: map[string]int{}}
	switch tree.Node.(type) {
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.NilNode, *ast.ArrayNode, *ast.MapNode:
		c.fail(tree.Node, "this is a value and no condition; compare it with an attribute, as in status >= 500")
	}
	root := c.condition(tree.Node)
	if c.err != nil {
		return nil, c.err
	}
	e = &expression{root: root, glance: c.glanceOf(tree.Node), now: now}
	e.scratch.New = func() any { return &evaluation{now: e.now, vars: make([]any, c.slots)} }
	return e, nil
}

// parseError says what expr's parser says, where it says it.
func parseError(flag, text string, err error) error {
	detail := new(file.Error)
	if !errors.As(err, &detail) {
		return mistake(flag, text, 0, "%v", err)
	}
	problem := detail.Message
	switch {
	case strings.Contains(problem, `Operator("=")`) && strings.HasPrefix(text[byteOffset(text, detail.From):], "=~"):
		problem = `the operator for patterns is matches: msg matches "a.*b"`
	case strings.Contains(problem, `Operator("=")`):
		problem = "one = compares nothing; == does"
	case strings.HasPrefix(problem, "bad number syntax: "):
		problem = strings.TrimPrefix(problem, "bad number syntax: ") + ` is no number; a duration, a size or a time goes in quotes: took > "250ms"`
	case problem == "unexpected token EOF":
		return mistake(flag, text, len(text), "it ends too early")
	}
	return mistake(flag, text, byteOffset(text, detail.From), "%s", problem)
}

// byteOffset returns where a character begins.
func byteOffset(text string, char int) int {
	for at := range text {
		if char == 0 {
			return at
		}
		char--
	}
	return len(text)
}

func (x *expression) pass(r *sink.Record) bool {
	e := x.scratch.Get().(*evaluation)
	e.record, e.steps = r, maxSteps
	holds := x.root(e) || e.steps < 0
	e.record = nil
	clear(e.vars)
	clear(e.items[:cap(e.items)])
	e.items = e.items[:0]
	x.scratch.Put(e)
	return holds
}

// spend reports whether n steps are left, and takes them.
func (e *evaluation) spend(n int) bool {
	e.steps -= n
	return e.steps >= 0
}

// compiler turns the tree of an expression into functions.
type compiler struct {
	flag, text string
	err        error          // the first
	vars       map[string]int // those in scope, with their index in evaluation.vars
	slots      int            // how many of these there are
}

func (c *compiler) fail(n ast.Node, format string, args ...any) {
	if c.err == nil {
		c.err = mistake(c.flag, c.text, byteOffset(c.text, n.Location().From), "%s", fmt.Sprintf(format, args...))
	}
}
