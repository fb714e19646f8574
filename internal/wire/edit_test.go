package wire

import (
	"encoding/binary"
	"math/rand/v2"
	"reflect"
	"testing"
)

// randomProperties returns the bytes of some properties, and their headers.
func randomProperties(r *rand.Rand) ([]byte, Table) {
	var flags uint16
	var c coder
	var headers Table
	for _, p := range propertyKinds {
		if r.IntN(2) == 0 {
			continue
		}
		flags |= p.flag
		switch p.size {
		case shortString:
			s := "some text"[:r.IntN(10)]
			c.shortstr(&s)
		case fieldTable:
			headers = Table{{Key: "k", Value: "v"}, {Key: "n", Value: int64(r.Int64())}}
			c.table(&headers)
		default:
			c.buf = append(c.buf, make([]byte, p.size)...)
		}
	}
	return append(binary.BigEndian.AppendUint16(nil, flags), c.buf...), headers
}

// TestEditProperties tests that what is not edited stays as it is.
func TestEditProperties(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		raw, headers := randomProperties(r)
		before, err := ParseProperties(raw)
		if err != nil {
			t.Fatal(err)
		}
		edited := AppendWithHeader(nil, raw, "x-stream-offset", 7)
		got, err := ParseProperties(edited)
		if err != nil {
			t.Fatalf("%x: %v", raw, err)
		}
		table, _ := ParseTable(got.Headers)
		if want := append(Table{{Key: "x-stream-offset", Value: int64(7)}}, headers...); !reflect.DeepEqual(table, want) {
			t.Fatalf("got headers %v, want %v", table, want)
		}
		if back := SetHeaders(edited, headers); before.Headers != nil && string(back) != string(raw) {
			t.Fatalf("got %x, want %x", back, raw)
		}
		edited = WithoutExpiration(SetReplyTo(raw, "there"))
		got, err = ParseProperties(edited)
		if err != nil || got.HasExpiration || string(got.ReplyTo) != "there" || string(got.Headers) != string(before.Headers) {
			t.Fatalf("%x became %x: %v", raw, edited, err)
		}
		if HasField(before.Headers, "n") != (before.Headers != nil) || HasField(before.Headers, "N") {
			t.Fatalf("the fields of %v are not found", headers)
		}
	}
}
