package filter

import (
	"slices"

	"github.com/expr-lang/expr/ast"
)

// each calls visit for the elements of what list is, backwards if asked, until it
// returns false or the steps are used up.
func (e *evaluation) each(list any, backwards bool, visit func(*item) bool) {
	elements, ok := e.opened(list).([]any)
	if !ok {
		return
	}
	e.items = append(e.items, item{})
	top := len(e.items) - 1
	for i := range elements {
		if !e.spend(1) {
			break
		}
		if backwards {
			i = len(elements) - 1 - i
		}
		current := &e.items[top]
		current.value, current.index = elements[i], i
		if !visit(current) {
			break
		}
	}
	e.items = e.items[:top]
}

// body compiles what is asked of each element: by default, itself.
func (c *compiler) body(n *ast.BuiltinNode) value {
	if len(n.Arguments) > 1 {
		if p, ok := n.Arguments[1].(*ast.PredicateNode); ok {
			return c.value(p.Node)
		}
	}
	return func(e *evaluation) any { return e.items[len(e.items)-1].value }
}

// quantifier compiles all, any, one and none, or returns nil.
func (c *compiler) quantifier(n *ast.BuiltinNode) cond {
	var enough func(held, all int) bool
	var want func(held, all int) bool
	switch n.Name {
	case "any":
		want = func(held, _ int) bool { return held > 0 }
		enough = want
	case "none":
		want = func(held, _ int) bool { return held == 0 }
		enough = func(held, _ int) bool { return held > 0 }
	case "one":
		want = func(held, _ int) bool { return held == 1 }
		enough = func(held, _ int) bool { return held > 1 }
	case "all":
		want = func(held, all int) bool { return held == all }
		enough = func(held, all int) bool { return held < all }
	default:
		return nil
	}
	list, body := c.value(n.Arguments[0]), c.body(n)
	return func(e *evaluation) bool {
		held, all := 0, 0
		e.each(list(e), false, func(*item) bool {
			all++
			if holds(body(e)) {
				held++
			}
			return !enough(held, all)
		})
		return want(held, all)
	}
}

// collector compiles the other functions that look at each element, or returns
// nil.
func (c *compiler) collector(n *ast.BuiltinNode) value {
	collect := collectors[n.Name]
	if collect == nil {
		return nil
	}
	list, body, last := c.value(n.Arguments[0]), c.body(n), value(nil)
	if len(n.Arguments) > 2 {
		last = c.value(n.Arguments[2])
	}
	return func(e *evaluation) any { return collect(e, list(e), body, last) }
}

// collectors return what the functions do with a list, with what is asked of
// each element, and with their third argument, which may be nil.
var collectors = map[string]func(e *evaluation, list any, body, last value) any{
	"filter": func(e *evaluation, list any, body, _ value) any {
		kept := []any{}
		e.each(list, false, func(i *item) bool {
			element := i.value
			if holds(body(e)) {
				kept = append(kept, element)
			}
			return true
		})
		return kept
	},
	"map": func(e *evaluation, list any, body, _ value) any {
		made := []any{}
		e.each(list, false, func(*item) bool {
			made = append(made, body(e))
			return true
		})
		return made
	},
	"count": func(e *evaluation, list any, body, _ value) any {
		n := 0
		e.each(list, false, func(*item) bool {
			if holds(body(e)) {
				n++
			}
			return true
		})
		return n
	},
	"sum": func(e *evaluation, list any, body, _ value) any {
		var total any = 0
		e.each(list, false, func(*item) bool {
			total = calculate("+", total, body(e))
			return total != nil
		})
		return total
	},
	"reduce": func(e *evaluation, list any, body, last value) any {
		var acc any
		begun := last != nil
		if begun {
			acc = last(e)
		}
		e.each(list, false, func(i *item) bool {
			if !begun { // the first element is what the others are added to
				acc, begun = i.value, true
				return true
			}
			i.acc = acc
			acc = body(e)
			return true
		})
		return acc
	},
	"find":          func(e *evaluation, list any, body, _ value) any { v, _ := e.find(list, body, false); return v },
	"findLast":      func(e *evaluation, list any, body, _ value) any { v, _ := e.find(list, body, true); return v },
	"findIndex":     func(e *evaluation, list any, body, _ value) any { _, i := e.find(list, body, false); return i },
	"findLastIndex": func(e *evaluation, list any, body, _ value) any { _, i := e.find(list, body, true); return i },
	"groupBy": func(e *evaluation, list any, body, _ value) any {
		groups := make(map[string]any)
		e.each(list, false, func(i *item) bool {
			element, key := i.value, textOf(body(e))
			group, _ := groups[key].([]any)
			groups[key] = append(group, element)
			return true
		})
		return groups
	},
	"sortBy": sortBy,
}

// find returns the first element that is asked for and its index, or nil and -1.
func (e *evaluation) find(list any, body value, backwards bool) (found any, at any) {
	at = -1
	e.each(list, backwards, func(i *item) bool {
		element, index := i.value, i.index
		if holds(body(e)) {
			found, at = element, index
			return false
		}
		return true
	})
	return found, at
}

func sortBy(e *evaluation, list any, body, last value) any {
	type keyed struct {
		key     scalar
		element any
	}
	var all []keyed
	e.each(list, false, func(i *item) bool {
		element := i.value
		all = append(all, keyed{native(body(e)), element})
		return true
	})
	descending := last != nil && textOf(last(e)) == "desc"
	slices.SortStableFunc(all, func(a, b keyed) int {
		order, _ := compare(&a.key, &b.key)
		if descending {
			return -order
		}
		return order
	})
	sorted := make([]any, len(all))
	for i := range all {
		sorted[i] = all[i].element
	}
	return sorted
}
