package main

import (
	"testing"

	"github.com/spf13/pflag"
)

func TestQuantities(t *testing.T) {
	for _, test := range []struct {
		flag  pflag.Value
		text  string
		shown string // "" when it is refused
	}{
		{new(size), "100MB", "100MB"},
		{new(size), "64MiB", "64MiB"},
		{new(size), "1.5 GB", "1500MB"},
		{new(size), "1024", "1KiB"},
		{new(size), "10k", "10kB"},
		{new(size), "0", ""},
		{new(size), "-1MB", ""},
		{new(size), "NaN", ""},
		{new(size), "1e30GB", ""},
		{new(size), "5 apples", ""},
		{new(span), "30d", "720h0m0s"},
		{new(span), "2w", "336h0m0s"},
		{new(span), "1h30m", "1h30m0s"},
		{new(span), "0", ""},
		{new(span), "1e9d", ""},
		{new(span), "-1h", ""},
		{new(floor), "5%", "5%"},
		{new(floor), "1GB", "1GB"},
		{new(floor), "100%", ""},
		{new(floor), "NaN%", ""},
		{new(fsync), "always", "always"},
		{new(fsync), "500ms", "500ms"},
		{new(fsync), "0s", ""},
		{new(fsync), "sometimes", ""},
		{new(fileMode), "0640", "0640"},
		{new(fileMode), "640", "0640"},
		{new(fileMode), "0400", ""},
		{new(fileMode), "0999", ""},
	} {
		err := test.flag.Set(test.text)
		switch {
		case err != nil && test.shown != "":
			t.Errorf("%T %q: %v", test.flag, test.text, err)
		case err == nil && test.shown != test.flag.String():
			t.Errorf("%T %q: got %q, want %q", test.flag, test.text, test.flag, test.shown)
		}
	}
}
