package filter

import (
	"regexp"
	"slices"
	"strings"

	"github.com/slogcast/slogcast/sink"
)

// addGlobs adds a test that one of the globs matches what of returns.
func (f *Filter) addGlobs(flag string, texts []string, of func(*sink.Record) string) error {
	if len(texts) == 0 {
		return nil
	}
	var names []string // globs that stand for themselves
	var globs []*regexp.Regexp
	for _, text := range texts {
		if !strings.ContainsAny(text, `*?[\`) {
			names = append(names, text)
			continue
		}
		re, err := compileGlob(flag, text)
		if err != nil {
			return err
		}
		globs = append(globs, re)
	}
	if len(globs) == 0 {
		f.addGlance(lacksAll(names))
	}
	f.tests = append(f.tests, func(r *sink.Record) bool {
		s := of(r)
		return slices.Contains(names, s) ||
			slices.ContainsFunc(globs, func(re *regexp.Regexp) bool { return re.MatchString(s) })
	})
	return nil
}

// compileGlob makes a regular expression of a glob.
func compileGlob(flag, glob string) (*regexp.Regexp, error) {
	if err := checkLength(flag, glob); err != nil {
		return nil, err
	}
	var re strings.Builder
	re.WriteString(`(?s)\A`)
	for i := 0; i < len(glob); i++ {
		switch c := glob[i]; c {
		case '*':
			re.WriteString(`.*`)
		case '?':
			re.WriteByte('.')
		case '[':
			end := strings.IndexByte(glob[i:], ']')
			if end < 2 {
				return nil, mistake(flag, glob, i, "the [ has no ] with characters before it; \\[ stands for itself")
			}
			set, negated := glob[i+1:i+end], ""
			if set[0] == '^' || set[0] == '!' {
				set, negated = set[1:], "^"
			}
			re.WriteString("[" + negated + strings.NewReplacer(`\`, `\\`, `[`, `\[`, `^`, `\^`).Replace(set) + "]")
			i += end
		case '\\':
			if i++; i == len(glob) {
				return nil, mistake(flag, glob, i-1, "nothing follows the \\")
			}
			re.WriteString(regexp.QuoteMeta(glob[i : i+1]))
		default:
			re.WriteString(regexp.QuoteMeta(glob[i : i+1]))
		}
	}
	compiled, err := regexp.Compile(re.String() + `\z`)
	if err != nil {
		return nil, mistake(flag, glob, strings.IndexByte(glob, '['), "it is no glob: %v", err)
	}
	return compiled, nil
}
