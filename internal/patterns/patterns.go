// Package patterns looks for many regular expressions at once.
//
// Most expressions need a literal: timeout\d+ matches nothing without "timeout". All
// literals of a Set are looked for in one pass over a text (Aho-Corasick), and of its
// expressions only those are tried whose literal is there, or that need none. So the
// time is in proportion to the text, whatever the number of expressions.
package patterns

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Set is a set of regular expressions, for any number of goroutines. The nil Set is
// empty.
type Set struct {
	all    []*regexp.Regexp
	exact  []bool // of all: it matches wherever one of its literals is
	always []int  // those that need no literal, or begin with the prefix
	prefix string // of the only expression; "" for none
	found  *automaton
}

// New returns the set of some expressions.
func New(all []*regexp.Regexp) *Set {
	s := &Set{all: slices.Clone(all), exact: make([]bool, len(all))}
	if len(all) == 1 { // that is the quickest by itself
		if s.prefix, _ = all[0].LiteralPrefix(); strings.ContainsRune(s.prefix, utf8.RuneError) {
			s.prefix = "" // which invalid bytes match
		}
	}
	var b builder
	for i, re := range all {
		literals, exact := needed(re)
		if literals == nil || s.prefix != "" || !b.add(literals, i) {
			s.always = append(s.always, i)
			continue
		}
		s.exact[i] = exact
	}
	s.found = b.build()
	return s
}

// Len returns how many expressions there are.
func (s *Set) Len() int {
	if s == nil {
		return 0
	}
	return len(s.all)
}

// Match reports whether one of the expressions matches text.
func (s *Set) Match(text string) bool {
	matched := false
	s.Each(text, func(i int) bool {
		matched = s.exact[i] || s.all[i].MatchString(text)
		return !matched
	})
	return matched
}

// Each calls try with each expression that may match text, until it returns false.
func (s *Set) Each(text string, try func(i int) bool) {
	if s == nil {
		return
	}
	var memory [16]uint64 // for 1024 expressions
	tried := memory[:]
	if words := (len(s.all) + 63) / 64; words > len(memory) {
		tried = make([]uint64, words)
	}
	if !s.found.each(text, func(i int) bool {
		word, bit := i/64, uint64(1)<<(i%64)
		if tried[word]&bit != 0 {
			return true
		}
		tried[word] |= bit
		return try(i)
	}) {
		return
	}
	for _, i := range s.always {
		if !try(i) {
			return
		}
	}
}

// Expression returns the one that Each calls i.
func (s *Set) Expression(i int) *regexp.Regexp { return s.all[i] }

// Needs reports whether every expression needs a literal: without one of these in
// a text, see Has, none matches any part of it.
func (s *Set) Needs() bool { return s.Len() > 0 && (len(s.always) == 0 || s.prefix != "") }

// Has reports whether a literal that an expression needs is in text.
func (s *Set) Has(text string) bool {
	if s.prefix != "" {
		return strings.Contains(text, s.prefix)
	}
	return !s.found.each(text, func(int) bool { return false })
}
