package jsontext

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// FuzzObject holds IsObject against encoding/json.
func FuzzObject(f *testing.F) {
	for _, seed := range []string{
		`{}`, ` {"a" : [1, -0.5e+3, "\u00e9\n\"", true, false, null, {"b":{}}, []] } `, `{"a":01}`, `{"a":-}`, `{"a":1.}`, `{"a":1e}`, `{"a":.5}`,
		`{"a":"\x"}`, `{"a":"\u12g4"}`, `{"a":"\u12`, `{"a":"\`, "{\"a\":\"\t\"}", "{\"a\":\"\xff\"}", `{"a"}`, `{"a":}`, `{"a":1,}`, `{,}`, `{"a":1]`, `[1]`, `{}{}`,
		`{"a":tru}`, `{"a":nullx}`, `{a:1}`, `{"a":[1,]}`, `{"a":1 "b":2}`, `{`, `{"`, ``, ` `, "{\"a\":1}\n", "\ufeff{}", `{"a":1E-9}`, `{"a":-0}`, `{"a":"\/\b\f\r\t"}`,
		`{"a":` + strings.Repeat("[", 9_999) + strings.Repeat("]", 9_999) + `}`, `{"a":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `}`,
		`{"a":` + strings.Repeat("[", 9_999) + "1" + strings.Repeat("]", 9_999) + `}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		trimmed := bytes.TrimLeft(body, " \t\r\n")
		want := len(trimmed) > 0 && trimmed[0] == '{' && json.Valid(body)
		if got := IsObject(body); got != want {
			t.Errorf("got %t, want %t, for %.200q", got, want, body)
		}
	})
}

// BenchmarkIsObject looks whether a body is an object, against encoding/json.
func BenchmarkIsObject(b *testing.B) {
	body := []byte(`{"time":"2026-11-23T01:02:03.456789012Z","level":"INFO","msg":"request served","method":"GET","path":"/users/1","status":200,"took":1234567,"ratio":0.75,"cached":true}`)
	b.Run("f=slogcast", func(b *testing.B) {
		for b.Loop() {
			IsObject(body)
		}
	})
	b.Run("f=json", func(b *testing.B) {
		for b.Loop() {
			json.Valid(body)
		}
	})
}
