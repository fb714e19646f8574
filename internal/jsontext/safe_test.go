package jsontext

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// directing are characters that nothing may write as they are.
const directing = "\x00\x1b\x7f\u0080\u009b\u009f\u061c\u200e\u200f\u2028\u2029\u202a\u202e\u2066\u2069"

func TestAppendSafeStringSeesEveryByte(t *testing.T) {
	for length := range 20 {
		for at := range length {
			for b := range 256 {
				s := strings.Repeat("x", at) + string([]byte{byte(b)}) + strings.Repeat("x", length-at-1)
				checkString(t, s)
			}
		}
	}
	for _, r := range directing + "é日\u2027\u206a👩‍💻" {
		checkString(t, "before "+string(r)+" after")
	}
}

func checkString(t *testing.T, s string) {
	t.Helper()
	got := string(AppendSafeString([]byte("["), s))
	var back []string
	if err := json.Unmarshal([]byte(got+"]"), &back); err != nil || back[0] != strings.ToValidUTF8(s, "\uFFFD") {
		t.Fatalf("%q: got %s, %v", s, got, err)
	}
	if !utf8.ValidString(got) || strings.ContainsAny(got, directing) {
		t.Fatalf("%q: got %q", s, got)
	}
}

func FuzzAppendSafe(f *testing.F) {
	for _, s := range []string{`{ "a" : [1,	"x y"] }`, "{\"a\":\"\x7f\u0085\u202e\\u202e\\\\\"}", "{\"\xff\":1}", "\"\\\"\n", `"\u00e9"`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		if !json.Valid(value) {
			return
		}
		got, exact := AppendSafe(nil, value)
		if !json.Valid(got) || !utf8.Valid(got) || strings.ContainsAny(string(got), directing+"\n\r\t") || len(got) > 6*len(value) {
			t.Fatalf("%q: got %q", value, got)
		}
		if exact != utf8.Valid(value) {
			t.Errorf("%q: exact: %t", value, exact)
		}
		var was, is any
		_ = json.Unmarshal(value, &was)
		_ = json.Unmarshal(got, &is)
		one, _ := json.Marshal(was)
		other, _ := json.Marshal(is)
		if string(one) != string(other) {
			t.Errorf("%q: got %q", value, got)
		}
	})
}
