package envelope

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/slogcast/slogcast/internal/wire"
)

// foreign returns the properties of a message that another program sends: the
// flags, and for each what it is.
func foreign(flags uint16, values ...any) []byte {
	b := binary.BigEndian.AppendUint16(nil, flags)
	for _, v := range values {
		switch v := v.(type) {
		case string:
			b = appendShort(b, v)
		case wire.Table:
			b = wire.AppendTable(b, v)
		case byte:
			b = append(b, v)
		case uint64:
			b = binary.BigEndian.AppendUint64(b, v)
		}
	}
	return b
}

func headers(of ...wire.Field) []byte { return foreign(wire.FlagHeaders, wire.Table(of)) }

func TestForeignMessages(t *testing.T) {
	for _, tt := range []struct {
		name       string
		properties []byte
		want       Envelope
	}{
		{"nothing at all", foreign(0), Envelope{Count: 1}},
		{"not even flags", nil, Envelope{Count: 1}},
		{"other message-ids", foreign(wire.FlagMessageID, "42"), Envelope{Count: 1}},
		{"a UUID alone", foreign(wire.FlagMessageID, producer), Envelope{Count: 1}},
		{"number zero", foreign(wire.FlagMessageID, producer+"/0"), Envelope{Count: 1}},
		{"number too large", foreign(wire.FlagMessageID, producer+"/99999999999999999999"), Envelope{Count: 1}},
		{"headers of other types", headers(wire.Field{Key: "host", Value: int32(5)}, wire.Field{Key: "dropped", Value: "x"}, wire.Field{Key: "count", Value: wire.Table{}}), Envelope{Count: 1}},
		{"negative dropped", headers(wire.Field{Key: "dropped", Value: int64(-3)}), Envelope{Count: 1}},
		{"headers among all kinds of others", headers(
			wire.Field{Key: "a", Value: true}, wire.Field{Key: "b", Value: nil}, wire.Field{Key: "c", Value: 1.5}, wire.Field{Key: "d", Value: float32(1)},
			wire.Field{Key: "e", Value: []any{"x", wire.Table{{Key: "host", Value: "inside"}}}}, wire.Field{Key: "f", Value: wire.Timestamp(1)},
			wire.Field{Key: "g", Value: wire.Decimal{Scale: 1, Value: 2}}, wire.Field{Key: "h", Value: []byte("host")},
			wire.Field{Key: "i", Value: wire.Table{{Key: "host", Value: "inside"}}}, wire.Field{Key: "host", Value: "here"}), Envelope{Count: 1, Host: "here",
			Headers: `{"a":true,"b":null,"c":1.5,"d":1,"e":["x",{"host":"inside"}],"f":1,"g":null,"h":"host","i":{"host":"inside"}}`}},
		{"texts are cut and mended", headers(wire.Field{Key: "host", Value: strings.Repeat("h", 300)}, wire.Field{Key: "level", Value: "WARN\u0085\xff"}), Envelope{Count: 1, Host: strings.Repeat("h", 255),
			Headers: `{"level":"WARN\u0085�"}`}},
		{"milliseconds", foreign(wire.FlagTimestamp, uint64(1_700_000_000_123)), Envelope{Count: 1, Time: time.UnixMilli(1_700_000_000_123)}},
		{"all properties", foreign(0xFFF8, "text/plain", "gzip", wire.Table{{Key: "host", Value: "h"}}, byte(2), byte(9), "correlation", "reply",
			"1000", producer+"/7", uint64(1_700_000_000), "type", "user", "app"),
			Envelope{Count: 1, Encoding: "gzip", Host: "h", Producer: producer, Seq: 7, Time: time.Unix(1_700_000_000, 0), User: "user", App: "app"}},
		{"cut within a string", foreign(wire.FlagMessageID|wire.FlagAppID, producer+"/7", "app")[:43], Envelope{Count: 1, Producer: producer, Seq: 7}},
		{"cut within the headers", headers(wire.Field{Key: "host", Value: "h"})[:9], Envelope{Count: 1}},
		{"a table that ends outside", []byte("\x20\x00\xff\xff\xff\xff\x04hostS"), Envelope{Count: 1}},
		{"a header of an unknown type", []byte("\x20\x00\x00\x00\x00\x09\x01a?\x04hostS\x00"), Envelope{Count: 1}},
	} {
		if got := new(Reader).Read(tt.properties, nil); got != tt.want {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

func TestEveryAMQPIntegerIsRead(t *testing.T) {
	for _, v := range []any{int8(3), byte(3), int16(3), uint16(3), int32(3), uint32(3), int64(3)} {
		if got := new(Reader).Read(headers(wire.Field{Key: "dropped", Value: v}), nil); got.Dropped != 3 {
			t.Errorf("%T: got %d, want 3", v, got.Dropped)
		}
	}
}

// FuzzRead gives Reader any bytes. Headers that the embedded broker's codec
// takes must be read as that reads them.
func FuzzRead(f *testing.F) {
	about := Envelope{Producer: producer, Seq: 41, App: "shop", Host: "h1", Time: time.Unix(1_700_000_000, 0), Count: 3, Dropped: 7}
	f.Add(about.AppendProperties(nil))
	f.Add(foreign(0xFFF8, "text/plain", "gzip", wire.Table{{Key: "dropped", Value: int16(5)}}, byte(2), byte(9), "", "", "", "", uint64(1), "", "", ""))
	f.Add(headers(wire.Field{Key: "host", Value: []any{true, strings.Repeat("x", 300)}}, wire.Field{Key: "host", Value: "h"}))
	f.Fuzz(func(t *testing.T, properties []byte) {
		got := new(Reader).Read(properties, nil)
		known, err := wire.ParseProperties(properties)
		if err != nil || known.Headers == nil {
			return
		}
		table, err := wire.ParseTable(known.Headers)
		if err != nil {
			return // limits of the codec
		}
		want := Envelope{}
		for _, h := range table {
			switch v := h.Value.(type) {
			case string:
				switch h.Key {
				case headerHost:
					want.Host = v
				case headerDropped:
					want.Dropped = 0
				}
			case int64:
				if h.Key == headerDropped {
					want.Dropped = uint64(max(0, v))
				}
			default:
				if h.Key == headerDropped {
					want.Dropped = got.Dropped // TestEveryAMQPIntegerIsRead
				}
			}
		}
		if got.Host != want.Host || got.Dropped != want.Dropped && want.Dropped != 0 {
			t.Errorf("%q: got %+v, want %+v", properties, got, want)
		}
	})
}
