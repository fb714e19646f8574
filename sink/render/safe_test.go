package render

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestNoRuneControlsTheTerminal(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		s := "a" + string(r) + "b"
		got := string(appendSafe(nil, s))
		for _, c := range got {
			if c < ' ' || c >= 0x7f && c < 0xa0 || unicode.Is(unicode.Bidi_Control, c) || unicode.In(c, unicode.Cf, unicode.Zl, unicode.Zp) {
				t.Fatalf("%U comes through as %q", r, got)
			}
		}
		if unicode.IsPrint(r) && got != s {
			t.Errorf("%U is printable, and shown as %q", r, got)
		}
	}
}

func TestSafeText(t *testing.T) {
	for in, want := range map[string]string{
		"plain é 世界 🎉":             "plain é 世界 🎉",
		"\x1b[31mred\x1b]0;t\a":    `\x1b[31mred\x1b]0;t\a`,
		"\u009b31m\x7f":            `\u009b31m\x7f`,
		"\xc2\x9b \x9b":            `\u009b ` + "\uFFFD",
		"abc\u202edef\u200b\ufeff": `abc\u202edef\u200b\ufeff`,
		"a\r\nb\tc\u2028":          `a\r\nb\tc\u2028`,
		"\U000E0041":               `\U000e0041`,
	} {
		if got := string(appendSafe(nil, in)); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}

func TestSafeJSONHasTheSameValue(t *testing.T) {
	var all strings.Builder
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if utf8.ValidRune(r) && (r < 0x3000 || r > 0xD000) {
			all.WriteRune(r)
		}
	}
	want := all.String()
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got string
	escaped := appendSafeJSON(nil, text)
	if err := json.Unmarshal(escaped, &got); err != nil || got != want {
		t.Errorf("the value has changed (%v)", err)
	}
	for _, r := range string(escaped) {
		if !safe(r) {
			t.Fatalf("%U comes through", r)
		}
	}
}
