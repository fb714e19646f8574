package filter

import (
	"errors"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"

	"github.com/slogcast/slogcast/internal/patterns"
	"github.com/slogcast/slogcast/sink"
)

func (f *Filter) addGrep(flag string, texts []string) error {
	all, err := compileAll(flag, texts)
	if err != nil || len(all) == 0 {
		return err
	}
	set := patterns.New(all)
	f.patterns = append(f.patterns, all...)
	f.tests = append(f.tests, func(r *sink.Record) bool { return anyMatches(set, r) })
	f.addGlance(grepGlance(set))
	return nil
}

func (f *Filter) addExclude(flag string, texts []string) error {
	all, err := compileAll(flag, texts)
	if err != nil || len(all) == 0 {
		return err
	}
	set := patterns.New(all)
	f.tests = append(f.tests, func(r *sink.Record) bool { return !anyMatches(set, r) })
	return nil
}

func compileAll(flag string, texts []string) (all []*regexp.Regexp, err error) {
	for _, text := range texts {
		re, err := compilePattern(flag, text, text, 0)
		if err != nil {
			return nil, err
		}
		all = append(all, re)
	}
	return all, nil
}

// compilePattern compiles a regular expression that stands at an offset of a
// text. It matches any case when it has no upper-case letter.
func compilePattern(flag, text, pattern string, at int) (*regexp.Regexp, error) {
	if err := checkLength(flag, pattern); err != nil {
		return nil, err
	}
	prefix := ""
	if !hasUpper(pattern) {
		prefix = "(?i)"
	}
	re, err := regexp.Compile(prefix + pattern)
	if err == nil {
		return re, nil
	}
	return nil, patternError(flag, text, pattern, at, err)
}

func patternError(flag, text, pattern string, at int, err error) error {
	if detail := new(syntax.Error); errors.As(err, &detail) {
		at += max(0, strings.Index(pattern, detail.Expr))
	}
	return mistake(flag, text, at, "the regular expression is not valid: %s", patternProblem(err))
}

// patternProblem returns what is wrong with a pattern, without the pattern.
func patternProblem(err error) string {
	if detail := new(syntax.Error); errors.As(err, &detail) {
		return detail.Code.String()
	}
	return err.Error()
}

// hasUpper reports whether a pattern has an upper-case letter of its own, none
// that is part of an escape sequence or of the name of a group.
func hasUpper(pattern string) bool {
	return strings.IndexFunc(escapes.ReplaceAllLiteralString(pattern, ""), unicode.IsUpper) >= 0
}

var escapes = regexp.MustCompile(`\\[pPx]\{[^}]*\}|\\[pP].|\\x..|\\.|\(\?P?<[^>]*>|\(\?[a-zA-Z-]*[:)]`)

// anyMatches reports whether a pattern matches the message, or a key or a value,
// nested ones too.
func anyMatches(set *patterns.Set, r *sink.Record) bool {
	return set.Match(r.Message()) || set.Match(r.Stack()) ||
		slices.ContainsFunc(r.Attrs(), func(a sink.Attr) bool { return set.Match(a.Key) || matchesValue(set, a.Value) })
}

func matchesValue(set *patterns.Set, v sink.Value) bool {
	switch v.Kind() {
	case sink.Object:
		for key, value := range v.Members() {
			if set.Match(key) || matchesValue(set, value) {
				return true
			}
		}
		return false
	case sink.Array:
		for element := range elements(v) {
			if matchesValue(set, element) {
				return true
			}
		}
		return false
	}
	return set.Match(v.Text())
}
