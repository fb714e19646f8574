package patterns

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var expressions = []string{"timeout", "(?i)timeout", "(?i)kiss", "KISS", "(?i)é", "é", "(?i)ém", "日本", "a|b", "foo|fox|bar", "(?i)foo|fox|bar", "^foo", "foo$", `\bfoo\b`, "x*", "x+y", "(foo){2,3}", "(foo)?", "(foo|)bar",
	`[0-9]+ms`, `code=[45]\d\d`, ".", "", "\ufffd", "a\ufffdb", `(?s)a.*b`, "(?i)ſ", "(?i)K", "(?U)a+b", `\x{212a}`, "a{0}b", "[ab]c", "(?i:foo)BAR", "500", `\.`, strings.Repeat("long ", 10), "(?i)" + strings.Repeat("long ", 10), `(?m)^bar`, "a(?:|b)c"}

var texts = []string{"", "timeout", "TimeOut after 5ms", "kiss", "KISS", "\u212aiss", "ki\u017fs", "\u212ai\u017f\u017f", "É", "é", "ém", "日本語", "a", "foofoo", "xfoo", "foo bar", "FOO bar", "fooBAR", "code=500", "a\nb", "\nbar",
	"a\xffb", "\xff", "\ufffd", "a\ufffdb", "\u017f", "xxy", "\xe2\x84", "\xc5", "\xe2\x84\xaa\xaa", strings.Repeat("long ", 11), strings.Repeat("LONG ", 11), strings.Repeat("long ", 7), "ac", "abc", "bc", "x.y", "1500", "\xe6\xe6\x97\xa5\xe6\x9c\xac"}

func compileAll(t testing.TB, texts []string) (all []*regexp.Regexp) {
	for _, text := range texts {
		re, err := regexp.Compile(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, re)
	}
	return all
}

// check compares a set with its expressions, one by one.
func check(t testing.TB, all []*regexp.Regexp, text string) {
	t.Helper()
	s := New(all)
	want := false
	tried := map[int]int{}
	s.Each(text, func(i int) bool { tried[i]++; return true })
	for i, re := range all {
		matches := re.MatchString(text)
		want = want || matches
		if tried[i] > 1 || matches && tried[i] == 0 {
			t.Errorf("%q in %q: tried %d times, matches: %t", re, text, tried[i], matches)
		}
		if matches && s.Needs() && !s.Has("before "+text+" behind") {
			t.Errorf("%q in %q: it has not what it needs", re, text)
		}
	}
	if got := s.Match(text); got != want {
		t.Errorf("%q in %q: got %t, want %t", all, text, got, want)
	}
}

func TestSet(t *testing.T) {
	all := compileAll(t, expressions)
	for _, text := range texts {
		check(t, all, text)
		for i := range all {
			check(t, all[i:i+1], text)
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		some := slices.Clone(all)
		random.Shuffle(len(some), func(i, j int) { some[i], some[j] = some[j], some[i] })
		text := texts[random.IntN(len(texts))] + texts[random.IntN(len(texts))]
		check(t, some[:random.IntN(len(some))], text)
	}
	if new(Set).Match("x") || (*Set)(nil).Len() != 0 {
		t.Error("an empty set matches")
	}
}

// More expressions than fit are tried one by one.
func TestVeryMany(t *testing.T) {
	var all []*regexp.Regexp
	for i := range 3000 {
		all = append(all, regexp.MustCompile(fmt.Sprintf("%c%d %x%s", 'a'+i%26, i, i*7919, strings.Repeat(string(rune('À'+i%200)), 12))))
	}
	for _, i := range []int{0, 17, 1500, 2999} {
		check(t, all, "x "+all[i].String()+" y")
	}
	check(t, all, "nothing")
	if s := New(all); len(s.found.next) > maxCells {
		t.Errorf("%d cells", len(s.found.next))
	}
}

func FuzzSet(f *testing.F) {
	for i, expression := range expressions {
		f.Add(expression, texts[i%len(texts)], texts[i%len(texts)])
	}
	f.Fuzz(func(t *testing.T, one, other, text string) {
		var all []*regexp.Regexp
		for _, expression := range []string{one, other, "(?i)" + other, regexp.QuoteMeta(other)} {
			if re, err := regexp.Compile(expression); err == nil {
				all = append(all, re)
			}
		}
		check(t, all, text)
		for i := range all {
			check(t, all[i:i+1], text)
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	text := strings.Repeat("the quick brown fox jumps over the lazy dog ", 100)
	for _, n := range []int{1, 20, 200, 2000} {
		var all []*regexp.Regexp
		for i := range n {
			all = append(all, regexp.MustCompile(fmt.Sprintf("(?i)word%dx", i)))
		}
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			s := New(all)
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				s.Match(text)
			}
		})
	}
}
