package wire

import (
	"bytes"
	"errors"
	"testing"
)

// all has every property; its expiration is "60" and its user-id "me".
const all = "\xff\xfc" +
	"\x01a" + "\x01b" + "\x00\x00\x00\x03\x01kV" + "\x02" + "\x09" + "\x01c" + "\x01d" + "\x0260" + "\x01e" +
	"\x00\x00\x00\x00\x00\x00\x00\x01" + "\x01f" + "\x02me" + "\x01g" + "\x01h"

func TestParseProperties(t *testing.T) {
	for _, test := range []struct {
		name, raw               string
		expiration, user, table string
		err                     error
	}{
		{"none", "\x00\x00", "", "", "", nil},
		{"all", all, "60", "me", "\x00\x00\x00\x03\x01kV", nil},
		{"content type alone", "\x80\x00\x04text", "", "", "", nil},
		{"expiration alone", "\x01\x00\x0510000", "10000", "", "", nil},
		{"no flags", "", "", "", "", ErrSyntax},
		{"half the flags", "\x00", "", "", "", ErrSyntax},
		{"more flags", "\x00\x01\x00\x00", "", "", "", ErrSyntax},
		{"unused flag", "\x00\x02", "", "", "", ErrSyntax},
		{"string cut", "\x80\x00\x05text", "", "", "", ErrSyntax},
		{"timestamp cut", "\x00\x40\x00\x00", "", "", "", ErrSyntax},
		{"table cut", "\x20\x00\x00\x00\x00\x09", "", "", "", ErrSyntax},
		{"table with unknown type", "\x20\x00\x00\x00\x00\x03\x01k?", "", "", "", ErrSyntax},
		{"more behind", "\x00\x00\x00", "", "", "", ErrSyntax},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, err := ParseProperties([]byte(test.raw))
			if !errors.Is(err, test.err) {
				t.Fatalf("got error %v, want %v", err, test.err)
			}
			if err == nil && (string(p.Expiration) != test.expiration || p.HasExpiration != (test.expiration != "") ||
				string(p.UserID) != test.user || p.HasUserID != (test.user != "") || string(p.Headers) != test.table) {
				t.Errorf("got %+v", p)
			}
		})
	}
}

func TestHeaderRoundTrip(t *testing.T) {
	want := Header{Class: 60, BodySize: 1 << 40, Properties: []byte(all)}
	f, err := NewReader(bytes.NewReader(AppendHeader(nil, 9, want)), MinFrameMax).ReadFrame()
	if err != nil || f.Type != FrameHeader || f.Channel != 9 {
		t.Fatalf("got %v, %v", f, err)
	}
	got, err := ParseHeader(f.Payload)
	if err != nil || got.Class != want.Class || got.BodySize != want.BodySize || !bytes.Equal(got.Properties, want.Properties) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if _, err := ParseHeader(f.Payload[:11]); !errors.Is(err, ErrSyntax) {
		t.Errorf("got %v for a header cut short", err)
	}
}

// FuzzProperties parses any bytes as a content header and its properties; the
// bytes must come back as they were.
func FuzzProperties(f *testing.F) {
	f.Add([]byte("\x00\x3c\x00\x00\x00\x00\x00\x00\x00\x00\x00\x05" + all))
	f.Add([]byte("\x00\x3c\x00\x00\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		h, err := ParseHeader(payload)
		if err != nil {
			return
		}
		if p, err := ParseProperties(h.Properties); err == nil && p.Headers != nil {
			if len(p.Headers) < 4 {
				t.Fatalf("headers are %q", p.Headers)
			}
		}
		b := AppendHeader(nil, 1, h)
		again, err := ParseHeader(b[frameHeaderSize : len(b)-1])
		if err != nil || again.Class != h.Class || again.BodySize != h.BodySize || !bytes.Equal(again.Properties, h.Properties) {
			t.Fatalf("got %+v, %v, want %+v", again, err, h)
		}
	})
}
