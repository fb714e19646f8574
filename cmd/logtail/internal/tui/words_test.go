package tui

import (
	"slices"
	"testing"
)

func TestFilterWords(t *testing.T) {
	for line, want := range map[string][]string{
		"":                                     {},
		"  ":                                   {},
		"warn":                                 {"-l", "warn"},
		"debug..info":                          {"-l", "debug..info"},
		"timeout":                              {"-g", "timeout"},
		"connection refused":                   {"-g", "connection refused"},
		"status >= 500":                        {"-w", "status >= 500"},
		`app == "web" and not ok`:              {"-w", `app == "web" and not ok`},
		"user in groups":                       {"-w", "user in groups"},
		`-l warn -g "a b" -f 'took > 250ms'`:   {"-l", "warn", "-g", "a b", "-f", "took > 250ms"},
		`-g a\ b -g 'it'\''s' -g "q\"q" -g ''`: {"-g", "a b", "-g", "it's", "-g", `q"q`, "-g", ""},
		`-g \d+`:                               {"-g", "d+"},
		`-g '\d+' -g "\d"`:                     {"-g", `\d+`, "-g", `\d`},
	} {
		words, err := filterWords(line)
		if got := textsOf(words); !slices.Equal(got, want) || err != nil {
			t.Errorf("%q: got %q, %v, want %q", line, got, err, want)
		}
	}
	for line, at := range map[string]int{"-g 'a": 3, `-g x "y`: 5} {
		_, err := filterWords(line)
		if mistake, ok := err.(*lineError); !ok || mistake.at != at {
			t.Errorf("%q: got %v, want an error at %d", line, err, at)
		}
	}
}

func TestPlaceOfMistake(t *testing.T) {
	for line, at := range map[string]int{
		"status >= ":               9,
		"  a ==":                   6,
		"-l warn -w 'a + )'":       16,
		"-l wran":                  3,
		`-g "a b(" -l warn`:        4,
		`-w 'attr("x") ==' -g "b"`: 16,
		"-q x":                     -1,
	} {
		_, err := compileLine(line, compile)
		if mistake, ok := err.(*lineError); !ok || mistake.at != at {
			t.Errorf("%q: got %+v, want a mistake at %d", line, err, at)
		}
	}
}

func FuzzWords(f *testing.F) {
	for _, line := range []string{"-l warn", `-g "a b" 'c'\''d' \x`, "a == 'b'", "\\"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		words, err := splitWords(line)
		if err != nil {
			return
		}
		again, err := splitWords(JoinWords(textsOf(words)))
		if err != nil || !slices.Equal(textsOf(again), textsOf(words)) {
			t.Errorf("%q: %q become %q, %v", line, textsOf(words), textsOf(again), err)
		}
		for _, w := range words {
			if len(w.at) != len(w.text)+1 || w.at[len(w.text)] > len(line) {
				t.Errorf("%q: %q has the places %v", line, w.text, w.at)
			}
		}
		_, _ = compileLine(line, compile)
	})
}
