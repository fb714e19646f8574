package filter

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/slogcast/slogcast/sink"
)

// holdsOn returns whether a record passes an expression.
func holdsOn(t testing.TB, expression, line string) bool {
	t.Helper()
	f := compile(t, Options{Where: []string{expression}, Now: func() time.Time { return time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC) }})
	r := sink.ParseLine([]byte(line))
	return f.Pass(&r)
}

func TestExpressions(t *testing.T) {
	const line = `{"time":"2026-11-25T10:00:00Z","level":50,"msg":"héllo","count":"3","list":[3,1,2],"o":{"k":[{"n":1},{"n":2}]},"type":"t","s":"a,b","took":1500000000}`
	for _, tt := range []struct {
		expression string
		want       bool
	}{
		{`now() - time == duration("2h")`, true},
		{`now() - time < "3h"`, true},
		{`time.Year() == 2026 and took.Seconds() == 1.5`, true},
		{`count + 1 == "31"`, true},
		{`int(count) + 1 == 4`, true},
		{`count * 2 == 6`, true},
		{`type == "t" and attr("type") == "t"`, true},
		{`sum(list) == 6 and len(list) == 3 and max(list) == 3`, true},
		{`sum(o.k, .n) == 3`, true},
		{`map(o.k, .n) == [1, 2]`, true},
		{`filter(list, # > 1) == [3, 2]`, true},
		{`count(list, # > 1) == 2`, true},
		{`sort(list) == [1, 2, 3] and sortBy(list, -#) == [3, 2, 1]`, true},
		{`sortBy(list, #, "desc") == [3, 2, 1]`, true},
		{`reduce(list, #acc + #, 10) == 16 and reduce(list, #acc + #) == 6`, true},
		{`find(list, # < 3) == 1 and findIndex(list, # < 3) == 1 and findLast(list, # > 9) == nil`, true},
		{`all(list, # > 0) and none(list, # > 3) and one(list, # == 3)`, true},
		{`any(list, {let x = #; any(o.k, .n == x)})`, true},
		{`groupBy(list, # > 1)["true"] == [3, 2]`, true},
		{`list[1:] == [1, 2] and msg[0:2] == "hé" and list[-1:] == [2] and list[9:1] == []`, true},
		{`split(s, ",") == ["a", "b"] and join(split(s, ","), "") == "ab"`, true},
		{`upper(msg) == "HÉLLO" and trim("  x ") == "x" and msg endsWith "llo"`, true},
		{`{"a": count}.a == "3" and "a" in {"a": 1}`, true},
		{`(nothing ?? 5) == 5`, true},
		{`count > 2 ? true : false`, true},
		{`if count > 2 { true } else { false }`, true},
		{`1 < 2 < 3`, true},
		{`5 % 0 == nil and 5 / 0 == nil and 0 / 0 == nil`, true},
		{`9223372036854775807 + 1 > 9223372036854775807`, true},
		{`-9223372036854775807 - 10 < -9223372036854775807`, true},
		{`2 ** 10 == 1024 and -(-3) == 3 and +"3" == 3`, true},
		{`0.1 + 0.2 > 0.3`, true}, // as floats
		{`0.1 == 0.10`, true},
		{`"a" > 5 or "a" < 5 or "a" == 5 or true > false`, false},
		{`"a" != 5`, true},
		{`"5" == 5 and "5.0" == 5 and not ("5.0" == "5")`, true},
		{`nil == nil and nothing == nil and nothing != 0`, true},
		{`not nothing`, true},
		{`toJSON(o) contains "n"`, true},
		{`get(o, "k")[0].n == 1`, true},
		{`$env.msg == msg and len($env) > 3`, true},
		{`duration("1d") == duration("24h") and duration("nonsense") == nil`, true},
		{`date("2026-11-25") < now() and date("nonsense") == nil`, true},
		{`duration("1h") * 2 == "2h" and 2 * duration("1h") == "120m" and -duration("1h") < "0s"`, true},
	} {
		if got := holdsOn(t, tt.expression, line); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.expression, got, tt.want)
		}
	}
}

// What would take too long ends, and passes.
func TestSteps(t *testing.T) {
	for _, expression := range []string{
		`any(1..1000, any(1..1000, any(1..1000, false)))`,
		`len(1..9223372036854775807) == 0`,
		`repeat(repeat(repeat("x", 1000), 1000), 1000000) == ""`,
		`replace(repeat("x", 100000), "x", repeat("y", 100000)) == ""`,
		`join(map(1..10000, "x"), repeat("y", 100000)) == ""`,
		`len(reduce(1..100, #acc + #acc, "x")) < 0`,
		`reduce(1..30, [#acc, #acc], 1) == reduce(1..30, [#acc, #acc], 1) and false`,
		`len(toJSON(reduce(1..60, [#acc, #acc], 1))) < 0`,
	} {
		if !holdsOn(t, expression, `{}`) {
			t.Errorf("%s: does not pass", expression)
		}
	}
}

// Any valid expression gives an answer for any record.
func TestNoExpressionPanics(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	lines := [][]byte{
		[]byte(`{"a":1,"b":"x","c":[1,"2",null,{"a":[]}],"d":{"a":{"b":1e400}},"time":"x","level":"?"}`),
		[]byte(`{"a":null,"b":-0.5,"c":{},"d":"5s","level":30}`), []byte(`{"a":[[]],"b":"2026-11-25","c":"","d":99999999999999999999}`),
		[]byte("text"), nil, []byte(`{}`), []byte(`[]`), []byte(`{"a":true,"b":false,"c":"\ud800","d":[]}`),
	}
	compiled := 0
	for range 5_000 {
		text := randomExpression(random, 4)
		f, err := Options{Where: []string{text}}.Compile()
		if err != nil {
			continue
		}
		compiled++
		for _, line := range lines {
			r := sink.ParseLine(line)
			f.Pass(&r)
		}
	}
	if compiled < 500 {
		t.Errorf("only %d expressions are valid", compiled)
	}
}

func randomExpression(r *rand.Rand, depth int) string {
	leaves := []string{"a", "b", "c", "d", "level", "time", "msg", "nil", "1", "0", "-1", "2.5", `"x"`, `"5"`, `"5s"`, `"2026-11-25"`, "true",
		"c[0]", "d.a", "$env", "#", "#index", "[1, a]", `{"k": b}`, "now()", `attr("a")`, "1..3", "9223372036854775807"}
	if depth == 0 {
		return leaves[r.IntN(len(leaves))]
	}
	sub := func() string { return randomExpression(r, depth-1-r.IntN(depth)) }
	operators := []string{"+", "-", "*", "/", "%", "**", "==", "!=", "<", ">=", "and", "or", "in", "contains", "startsWith", "??", ".."}
	switch r.IntN(10) {
	case 0:
		return leaves[r.IntN(len(leaves))]
	case 1:
		return "not (" + sub() + ")"
	case 2:
		return "(" + sub() + ")[" + sub() + ":" + sub() + "]"
	case 3:
		return "(" + sub() + ")[" + sub() + "]"
	case 4:
		quantifiers := []string{"any", "all", "filter", "map", "count", "sum", "find", "findLastIndex", "groupBy", "sortBy", "reduce", "one"}
		return fmt.Sprintf("%s(%s, %s)", quantifiers[r.IntN(len(quantifiers))], sub(), sub())
	case 5:
		functions := []string{"len", "type", "abs", "ceil", "round", "int", "float", "string", "trim", "upper", "lower", "max", "min", "mean", "median", "toJSON",
			"fromJSON", "toBase64", "fromBase64", "duration", "date", "timezone", "first", "last", "keys", "values", "toPairs", "fromPairs", "reverse", "uniq", "flatten", "sort", "bitnot", "concat"}
		return functions[r.IntN(len(functions))] + "(" + sub() + ")"
	case 6:
		functions := []string{"split", "repeat", "join", "indexOf", "hasPrefix", "take", "get", "bitand", "bitshl", "max", "date", "concat"}
		return fmt.Sprintf("%s(%s, %s)", functions[r.IntN(len(functions))], sub(), sub())
	case 7:
		return fmt.Sprintf("(%s ? %s : %s)", sub(), sub(), sub())
	}
	return "(" + sub() + ") " + operators[r.IntN(len(operators))] + " (" + sub() + ")"
}

func FuzzCompile(f *testing.F) {
	for _, tt := range readCases(f).Cases {
		if len(tt.Flags) > 1 {
			f.Add(tt.Flags[1], `{"a":1,"b":[{"c":"5s"}],"msg":"m"}`)
		}
	}
	f.Fuzz(func(t *testing.T, text, line string) {
		one := []string{text}
		for _, o := range []Options{{Level: text}, {Grep: one}, {Exclude: one}, {App: one}, {Field: one}, {Where: one}} {
			compiled, err := o.Compile()
			if err != nil {
				_ = err.Error()
				continue
			}
			r := sink.ParseLine([]byte(line))
			compiled.Pass(&r)
		}
		_, _ = ParseTime(text, time.Now(), time.Local)
	})
}
