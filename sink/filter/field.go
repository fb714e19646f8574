package filter

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/slogcast/slogcast/sink"
)

// operators are those of Field, each before what it begins with.
var operators = []string{"!=", "!~", ">=", "<=", "==", "=~", "=", "~", ">", "<"}

// field is a condition on an attribute.
type field struct {
	key     string
	builtin func(*sink.Record) (scalar, bool) // what the key means if it is no attribute's; may be nil
	op      string                            // "" for an attribute that is there
	negated bool                              // op was != or !~
	value   scalar
	pattern *regexp.Regexp // with ~
}

func (f *Filter) addFields(flag string, texts []string) error {
	for _, text := range texts {
		condition, err := parseField(flag, text)
		if err != nil {
			return err
		}
		if condition.pattern != nil && !condition.negated {
			f.patterns = append(f.patterns, condition.pattern)
		}
		f.tests = append(f.tests, condition.pass)
		f.addGlance(condition.glance())
	}
	return nil
}

func parseField(flag, text string) (*field, error) {
	if err := checkLength(flag, text); err != nil {
		return nil, err
	}
	key, quoted, at, err := cutKey(flag, text)
	if err != nil {
		return nil, err
	}
	f := &field{key: key}
	if !quoted {
		f.builtin = builtins[key]
	}
	at += spaces(text[at:])
	if at == len(text) {
		return f, nil
	}
	for _, op := range operators {
		if strings.HasPrefix(text[at:], op) {
			f.op, f.negated = strings.TrimPrefix(op, "!"), op[0] == '!'
			at += len(op)
			break
		}
	}
	switch f.op {
	case "":
		return nil, mistake(flag, text, at, "want one of = != ~ !~ > >= < <= after the key; a key with a space goes in quotes")
	case "==":
		f.op = "="
	case "=~":
		f.op = "~"
	}
	at += spaces(text[at:])
	value, verbatim, err := unquoteValue(flag, text, at)
	if err != nil {
		return nil, err
	}
	if f.op[0] == '<' || f.op[0] == '>' {
		if value == "" {
			return nil, mistake(flag, text, at, "want a value after %s", f.op)
		}
		if problem := misplaced(key, value); problem != "" && f.builtin != nil {
			return nil, mistake(flag, text, at, "%s", problem)
		}
	}
	switch {
	case f.op == "~":
		f.pattern, err = compilePattern(flag, text, value, at)
		return f, err
	case verbatim:
		f.value = scalar{kind: kindText, text: value, verbatim: true}
	default:
		f.value = literal(value, time.Local)
	}
	return f, nil
}

func spaces(s string) int { return len(s) - len(strings.TrimLeft(s, " \t\n")) }

// cutKey reads the key at the start of text, of which parts may be in quotes, and
// returns where it ends.
func cutKey(flag, text string) (key string, quoted bool, end int, err error) {
	at := spaces(text)
	start := at
	for at < len(text) {
		switch c := text[at]; {
		case c == '"' && (at == start || text[at-1] == '.'):
			part, err := strconv.QuotedPrefix(text[at:])
			if err != nil {
				return "", false, 0, mistake(flag, text, at, "the quote is not closed")
			}
			name, _ := strconv.Unquote(part)
			key, quoted, at = key+name, true, at+len(part)
			continue
		case strings.IndexByte("=!~<> \t\n", c) < 0:
			key += text[at : at+1]
			at++
			continue
		}
		break
	}
	if key == "" && !quoted {
		return "", false, 0, mistake(flag, text, at, "want a key")
	}
	return key, quoted, at, nil
}

// unquoteValue returns the value that is the rest of text, without its quotes.
func unquoteValue(flag, text string, at int) (value string, quoted bool, err error) {
	value = strings.TrimRight(text[at:], " \t\n")
	if value == "" || value[0] != '"' && value[0] != '\'' {
		return value, false, nil
	}
	if n := len(value) - 1; value[0] == '\'' && n > 0 && value[n] == '\'' {
		return value[1:n], true, nil
	}
	if unquoted, err := strconv.Unquote(value); err == nil {
		return unquoted, true, nil
	}
	if value[0] == '\'' {
		return value, false, nil
	}
	return "", false, mistake(flag, text, at, "the value's quote is not closed, or something follows it")
}

func (f *field) pass(r *sink.Record) bool {
	return f.holds(r) != f.negated
}

// holds is pass but for negated.
func (f *field) holds(r *sink.Record) bool {
	if f.builtin != nil {
		if s, ok := f.builtin(r); ok {
			return f.holdsFor(&s)
		}
	}
	v, ok := lookup(r, f.key)
	return ok && f.holdsForValue(v)
}

func (f *field) holdsForValue(v sink.Value) bool {
	switch v.Kind() {
	case sink.Array:
		if f.op == "" {
			return true
		}
		for element := range elements(v) {
			if f.holdsForValue(element) {
				return true
			}
		}
		return false
	case sink.Object, sink.Null:
		return f.op == "" || f.pattern != nil && f.pattern.MatchString(string(v)) || f.op == "=" && string(v) == f.value.text
	}
	s := scalarOf(v)
	return f.holdsFor(&s)
}

func (f *field) holdsFor(s *scalar) bool {
	switch f.op {
	case "":
		return true
	case "~":
		return f.pattern.MatchString(s.String())
	case "=":
		return equal(s, &f.value)
	}
	return ordered(s, f.op, &f.value)
}
