package filter

import (
	"errors"
	"strings"
	"testing"
)

func TestErrors(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	for _, tt := range []struct {
		o    Options
		want string
	}{
		{Options{Level: "wrn"}, "--level: unknown level \"wrn\"; want one of trace, debug, info, notice, warn, error, fatal, or one of them with an offset, as info+2\n  wrn\n  ^"},
		{Options{Level: "info..loud"}, "--level: unknown level \"loud\"; want one of trace, debug, info, notice, warn, error, fatal, or one of them with an offset, as info+2\n  info..loud\n        ^"},
		{Options{Level: "error..info"}, "--level: the range is empty: its first level is above its last\n  error..info\n  ^"},
		{Options{Grep: []string{"a(b"}}, "--grep: the regular expression is not valid: missing closing )\n  a(b\n  ^"},
		{Options{Exclude: []string{"a**"}}, "--exclude: the regular expression is not valid: invalid nested repetition operator\n  a**\n   ^"},
		{Options{App: []string{"web-["}}, "--app: the [ has no ] with characters before it; \\[ stands for itself\n  web-[\n      ^"},
		{Options{Field: []string{"user name = x"}}, "--field: want one of = != ~ !~ > >= < <= after the key; a key with a space goes in quotes\n  user name = x\n       ^"},
		{Options{Field: []string{"= x"}}, "--field: want a key\n  = x\n  ^"},
		{Options{Field: []string{`"a = x`}}, "--field: the quote is not closed\n  \"a = x\n  ^"},
		{Options{Field: []string{`a = "x`}}, "--field: the value's quote is not closed, or something follows it\n  a = \"x\n      ^"},
		{Options{Field: []string{`a ~ (`}}, "--field: the regular expression is not valid: missing closing )\n  a ~ (\n      ^"},
		{Options{Where: []string{`status >= `}}, "--where: it ends too early\n  status >= \n            ^"},
		{Options{Where: []string{`status = 5`}}, "--where: one = compares nothing; == does\n  status = 5\n         ^"},
		{Options{Where: []string{`msg =~ "a"`}}, "--where: the operator for patterns is matches: msg matches \"a.*b\"\n  msg =~ \"a\"\n      ^"},
		{Options{Where: []string{`level >= "wran"`}}, "--where: \"wran\" is no level; want one of trace, debug, info, notice, warn, error, fatal, or one of them with an offset, as info+2\n  level >= \"wran\"\n           ^"},
		{Options{Where: []string{`ok and "then" < time`}}, "--where: \"then\" is no time; want a date, 2006-01-02, or one of RFC 3339\n  ok and \"then\" < time\n         ^"},
		{Options{Field: []string{`level>wran`}}, "--field: \"wran\" is no level; want one of trace, debug, info, notice, warn, error, fatal, or one of them with an offset, as info+2\n  level>wran\n        ^"},
		{Options{Field: []string{`took >`}}, "--field: want a value after >\n  took >\n        ^"},
		{Options{Where: []string{`lenn(msg) > 5`}}, "--where: unknown function \"lenn\"\n  lenn(msg) > 5\n  ^"},
		{Options{Where: []string{`ok and len(msg, 1) > 5`}}, "--where: len: invalid number of arguments (expected 1, got 2)\n  ok and len(msg, 1) > 5\n         ^"},
		{Options{Where: []string{`msg matches "("`}}, "--where: the regular expression is not valid: missing closing )\n  msg matches \"(\"\n              ^"},
		{Options{Where: []string{`msg matches app`}}, "--where: the pattern of matches must be a text in quotes\n  msg matches app\n              ^"},
		{Options{Where: []string{`"error"`}}, "--where: this is a value and no condition; compare it with an attribute, as in status >= 500\n  \"error\"\n  ^"},
		{Options{Where: []string{`msg.Foo()`}}, "--where: unknown method \"Foo\"\n  msg.Foo()\n      ^"},
		{Options{Where: []string{"日本 ==\n\x1b[31m ) "}}, "--where: unrecognized character: U+001B\n  �[31m ) \n  ^"},
	} {
		_, err := tt.o.Compile()
		if err == nil {
			t.Errorf("%+v: got no error, want %s", tt.o, tt.want)
		} else if err.Error() != tt.want {
			t.Errorf("%+v: got\n%v\nwant\n%s", tt.o, err, tt.want)
		}
	}
	for _, o := range []Options{
		{Grep: []string{long}}, {Exclude: []string{long}}, {Where: []string{long}}, {Field: []string{"a ~ " + long}},
		{Field: []string{long}}, {App: []string{long + "*"}}, {Level: long},
		{Where: []string{strings.Repeat("(", maxText-1)}}, {Where: []string{strings.Repeat("!", maxText-1)}},
		{Where: []string{strings.Repeat("[", maxText-1)}}, {Where: []string{strings.Repeat("a+", 30_000) + "a"}},
		{Grep: []string{strings.Repeat("(a{1000}){1000}", 3)}},
	} {
		_, err := o.Compile()
		var mistake *Error
		if !errors.As(err, &mistake) || len(err.Error()) > 1000 {
			t.Errorf("%.60v…: got %.200v", o, err)
		}
	}
}
