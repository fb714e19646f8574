package main

import "testing"

func TestByteSize(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "17": 17, "17B": 17, "64kB": 64e3, "64KiB": 64 << 10, "10 MB": 10e6, "1GiB": 1 << 30, "2GB": 2e9,
		"": -1, "-1": -1, "1.5MB": -1, "MB": -1, "1TB": -1, "99999999999GiB": -1,
	} {
		var b byteSize
		err := b.Set(text)
		if want < 0 {
			if err == nil {
				t.Errorf("%q: got %d, want an error", text, b)
			}
			continue
		}
		if err != nil || int64(b) != want {
			t.Errorf("%q: got %d, %v, want %d", text, b, err, want)
		}
	}
	for size, want := range map[byteSize]string{0: "0", 64 << 20: "64MiB", 1000: "1000", 3 << 30: "3GiB"} {
		if got := size.String(); got != want {
			t.Errorf("%d: got %s, want %s", int64(size), got, want)
		}
	}
}
