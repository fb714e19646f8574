package patterns

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// longest is how many bytes of a literal are looked for: that is enough to tell most
// texts.
const longest = 32

// needed returns literals, folded, of which one is in any text that re matches, nil if
// there are none. It is exact if re matches wherever one is.
func needed(re *regexp.Regexp) (literals []string, exact bool) {
	tree, err := syntax.Parse(re.String(), syntax.Perl)
	if err != nil { // a POSIX one
		return nil, false
	}
	return neededBy(tree.Simplify())
}

func neededBy(re *syntax.Regexp) (literals []string, exact bool) {
	switch re.Op {
	case syntax.OpLiteral:
		return neededByLiteral(re)
	case syntax.OpCapture:
		return neededBy(re.Sub[0])
	case syntax.OpPlus:
		literals, _ = neededBy(re.Sub[0])
		return literals, false
	case syntax.OpRepeat:
		if re.Min > 0 {
			literals, _ = neededBy(re.Sub[0])
		}
		return literals, false
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			if of, _ := neededBy(sub); shortest(of) > shortest(literals) {
				literals = of
			}
		}
		return literals, false
	case syntax.OpAlternate:
		exact = true
		for _, sub := range re.Sub {
			of, exactly := neededBy(sub)
			if of == nil {
				return nil, false
			}
			literals, exact = append(literals, of...), exact && exactly
		}
		return literals, exact
	}
	return nil, false
}

// shortest returns the length of the shortest literal, 0 of none.
func shortest(literals []string) int {
	if len(literals) == 0 {
		return 0
	}
	return len(slices.MinFunc(literals, func(a, b string) int { return len(a) - len(b) }))
}

func neededByLiteral(re *syntax.Regexp) (literals []string, exact bool) {
	folds := re.Flags&syntax.FoldCase != 0
	usable := func(r rune) bool {
		// Invalid bytes match U+FFFD, and who folds other letters than these knows more.
		return r != utf8.RuneError && (!folds || r < utf8.RuneSelf)
	}
	best, part := "", ""
	exact = folds
	for _, r := range re.Rune {
		if !usable(r) {
			part, exact = "", false
			continue
		}
		if part += string(r); len(part) > len(best) {
			best = part
		}
	}
	best = folded(best)
	if len(best) > longest {
		best, exact = best[:longest], false
	}
	if best == "" {
		return nil, false
	}
	if !folds { // but the automaton does: exact if there is no other case
		whole := len(best) == len(string(re.Rune))
		exact = whole && !slices.ContainsFunc(re.Rune, func(r rune) bool { return !usable(r) || unicode.SimpleFold(r) != r })
	}
	return []string{best}, exact
}

// folded returns text as the automaton sees it.
func folded(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); {
		c, size := fold(text, i)
		b.WriteByte(c)
		i += size
	}
	return b.String()
}

// fold returns the byte at an offset of a text in lower case, and how many bytes of the
// text it stands for: there are two characters beyond ASCII whose lower case is
// within.
func fold(text string, at int) (c byte, size int) {
	c = text[at]
	switch {
	case c < utf8.RuneSelf:
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
	case strings.HasPrefix(text[at:], "\u212a"): // the Kelvin sign
		return 'k', len("\u212a")
	case strings.HasPrefix(text[at:], "\u017f"): // the long s
		return 's', len("\u017f")
	}
	return c, 1
}
