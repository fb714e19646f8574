package broker

import (
	"strings"
	"testing"

	"github.com/slogcast/slogcast/internal/wire"
)

func TestDigest(t *testing.T) {
	seen := make(map[string]int)
	for n := range 1000 {
		args := wire.AppendTable(nil, wire.Table{{Key: "a", Value: strings.Repeat("x", 100*n)}})
		d := digest(args)
		if len(d) > 32 {
			t.Fatalf("%d bytes of arguments are kept as %d", len(args), len(d))
		}
		if m, dup := seen[d]; dup {
			t.Fatalf("arguments %d are the same as %d", n, m)
		}
		seen[d] = n
	}
	if a, b := digest([]byte("same")), digest([]byte("same")); a != b {
		t.Errorf("got %q and %q for the same arguments", a, b)
	}
}
