package filter

import "testing"

func TestHasUpper(t *testing.T) {
	for _, tt := range []struct {
		pattern string
		want    bool
	}{
		{"abc", false}, {"aBc", true}, {`\W\S+\D`, false}, {`\pL\p{Lu}`, false}, {`\x4A`, false}, {`\x{4A}`, false},
		{`(?P<Name>a)`, false}, {`(?P<name>A)`, true}, {`(?U)a`, false}, {"é", false}, {"É", true}, {`\\A`, true}, {`[A-Z]`, true},
	} {
		if got := hasUpper(tt.pattern); got != tt.want {
			t.Errorf("%q: got %v, want %v", tt.pattern, got, tt.want)
		}
	}
}
