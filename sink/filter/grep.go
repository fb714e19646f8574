package filter

import (
	"errors"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"

	"github.com/slogcast/slogcast/sink"
)

func (f *Filter) addGrep(flag string, texts []string) error {
	patterns, err := compileAll(flag, texts)
	if err != nil || len(patterns) == 0 {
		return err
	}
	f.patterns = append(f.patterns, patterns...)
	f.tests = append(f.tests, func(r *sink.Record) bool { return anyMatches(patterns, r) })
	return nil
}

func (f *Filter) addExclude(flag string, texts []string) error {
	patterns, err := compileAll(flag, texts)
	if err != nil || len(patterns) == 0 {
		return err
	}
	f.tests = append(f.tests, func(r *sink.Record) bool { return !anyMatches(patterns, r) })
	return nil
}

func compileAll(flag string, texts []string) (patterns []*regexp.Regexp, err error) {
	for _, text := range texts {
		re, err := compilePattern(flag, text, text, 0)
		if err != nil {
			return nil, err
		}
		patterns = append(patterns, re)
	}
	return patterns, nil
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
func anyMatches(patterns []*regexp.Regexp, r *sink.Record) bool {
	return matchesText(patterns, r.Message()) || matchesText(patterns, r.Stack()) ||
		slices.ContainsFunc(r.Attrs(), func(a sink.Attr) bool {
			return matchesText(patterns, a.Key) || matchesValue(patterns, a.Value)
		})
}

func matchesText(patterns []*regexp.Regexp, s string) bool {
	return slices.ContainsFunc(patterns, func(re *regexp.Regexp) bool { return re.MatchString(s) })
}

func matchesValue(patterns []*regexp.Regexp, v sink.Value) bool {
	switch v.Kind() {
	case sink.Object:
		for key, value := range v.Members() {
			if matchesText(patterns, key) || matchesValue(patterns, value) {
				return true
			}
		}
		return false
	case sink.Array:
		for element := range elements(v) {
			if matchesValue(patterns, element) {
				return true
			}
		}
		return false
	}
	return matchesText(patterns, v.Text())
}
