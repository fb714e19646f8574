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
		if safe(r) && got != s {
			t.Errorf("%U is printable, and shown as %q", r, got)
		}
	}
}

func TestSafeText(t *testing.T) {
	for in, want := range map[string]string{
		"plain é 世界 🎉":             "plain é 世界 🎉",
		"\x1b[31mred\x1b]0;t\a":    `red\x1b]0;t\a`,
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
	escaped := appendSafeJSON(nil, string(text))
	if err := json.Unmarshal(escaped, &got); err != nil || got != want {
		t.Errorf("the value has changed (%v)", err)
	}
	for _, r := range string(escaped) {
		if !safe(r) && !inContext(r) {
			t.Fatalf("%U comes through", r)
		}
	}
}

// inContext reports whether r is safe beside some others.
func inContext(r rune) bool {
	return r == zwj || r == zwnj || r == '\uFE0E' || r == '\uFE0F' || r >= 0x180B && r <= 0x180F || r >= 0xE0061 && r <= 0xE007F
}

func TestWordsAndEmojiStayReadable(t *testing.T) {
	for _, s := range []string{
		"می\u200cخواهم", "क्\u200dष", "അവന്\u200d", "ශ්\u200dරී", "é e\u0301", "မြို့", "שָׁלוֹם", "ภาษาไทย",
		"👨\u200d👩\u200d👧", "🏳\ufe0f\u200d🌈", "👩🏽\u200d🚀", "🇩🇪", "1\ufe0f\u20e3", "❤\ufe0f", "☎\ufe0e",
		"🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
	} {
		if got := Safe(s); got != s {
			t.Errorf("%q is shown as %q", s, got)
		}
	}
}

// attacks are texts that must not come through as they are.
var attacks = []string{
	"\x1b[2J", "\x1b[1;31", "\x1b[?1049h", "\x1b]0;title\a", "\x1b]8;;http://evil\x1b\\x", "\x1b]52;c;aGk=\a", "\x1bP+q\x1b\\", "\x1b_G\x1b\\",
	"\x1b^x\x1b\\", "\x1bXx\x1b\\", "\x9b31m", "\u009b31m", "\u009d0;t\u009c", "\a", "\b", "a\rb", "\x7f", "\x0e", "\v", "\f", "\x00",
	"\u202e", "\u2066", "\u200e", "\u061c", "\u200b", "\ufeff", "\u2060", "\u00ad", "\U000e0041", "\ufff9", "a\ufe0f", "\ufe00", "\U000e0100",
	"\u00a0", "\u2003", "\u202f", "\u3000", "\u3164", "\u115f", "\u1160", "\uffa0", "\u2800", "\u034f", "\u17b4", "\u2028", "\u2029", "\u0085",
	"a\u200db", "a\u200cb", "می\u200c\u200cخ", "👩\u200d", "a" + strings.Repeat("\u0301", 9), "\u0301", "\ue000", "\U0010ffff",
	"🏴\U000e0068\U000e0069\U000e007f", strings.Repeat("م\u064e\u200c\u064e\u064e\u064e\u064e", 3), "\x1b\x1b[31m[2J",
}

func TestAttacksAreShown(t *testing.T) {
	for _, s := range attacks {
		got := Safe(s)
		if got == s {
			t.Errorf("%q comes through", s)
		}
		for _, r := range got {
			if !safe(r) && !inContext(r) {
				t.Errorf("%q: %U comes through", s, r)
			}
		}
	}
}

func TestColourCodesAreLeftOut(t *testing.T) {
	for in, want := range map[string]string{
		"\x1b[31merror\x1b[39m \x1b[1;38:5:3mx\x1b[m": "error x",
		"\x1b\x1b[31m[31m":                            `\x1b[31m`,
		"\x1b[31\x1b[mm":                              `\x1b[31m`,
		"\x1b[" + strings.Repeat("1", 100) + "m":      `\x1b[` + strings.Repeat("1", 100) + "m",
	} {
		if got := Safe(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
