package filter

import (
	"math/big"
	"testing"
)

func TestDecimal(t *testing.T) {
	texts := []string{"0", "-0", "0.0", "0e9", "1", "1.0", "10e-1", "0.1", "0.10", ".1", "1e-1", "0.01", "-0.1", "-1", "-10", "10", "9", "12.5", "125e-1",
		"9007199254740992", "9007199254740993", "18446744073709551615", "1e3", "1000", "1000.0001", "0.30000000000000000001", "0.3", "3e-1", "100.001", "99.999"}
	for _, a := range texts {
		for _, b := range texts {
			x, ok1 := parseDecimal(a)
			y, ok2 := parseDecimal(b)
			p, _ := new(big.Rat).SetString(a)
			q, _ := new(big.Rat).SetString(b)
			if got, want := x.compare(y), p.Cmp(q); !ok1 || !ok2 || got != want {
				t.Errorf("%s, %s: got %d, want %d", a, b, got, want)
			}
		}
	}
	for _, text := range []string{"", "-", ".", "e5", "1e", "1e+", "1_000", "0x10", "NaN", "inf", "1.2.3", "1 ", "--1", "1e5.5"} {
		if d, ok := parseDecimal(text); ok {
			t.Errorf("%q: got %+v, want none", text, d)
		}
	}
	huge, _ := parseDecimal("1e99999999999999999999")
	small, _ := parseDecimal("-1e-99999999999999999999")
	one, _ := parseDecimal("1")
	if huge.compare(one) != 1 || small.compare(one) != -1 || one.compare(huge) != -1 {
		t.Error("numbers of any size must compare")
	}
}
