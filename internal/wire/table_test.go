package wire

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"testing"
)

func TestTableRoundTrip(t *testing.T) {
	for _, v := range []any{
		nil, true, false, int8(-8), uint8(200), int16(-300), uint16(60000), int32(-5), uint32(1 << 31),
		int64(math.MinInt64), float32(1.5), math.Inf(-1), "", "text", []byte{}, []byte{0, 255},
		Timestamp(math.MaxUint64), Decimal{2, -314}, []any{}, []any{"a", nil, []any{int8(1)}},
		Table(nil), Table{{"k", "v"}, {"k", int32(2)}, {"", Table{{"x", true}}}},
	} {
		want := Table{{"key", v}}
		got, err := ParseTable(AppendTable(nil, want))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %#v, %v, want %#v", got, err, want)
		}
	}
}

// TestTableTypes pins the octets, which a round trip would not.
func TestTableTypes(t *testing.T) {
	for _, test := range []struct {
		input string
		want  any
	}{
		{"t\x01", true}, {"t\x02", true}, {"b\xff", int8(-1)}, {"B\xff", uint8(255)},
		{"U\xff\xfe", int16(-2)}, {"s\xff\xfe", int16(-2)}, {"u\xff\xfe", uint16(65534)},
		{"I\xff\xff\xff\xfe", int32(-2)}, {"i\xff\xff\xff\xfe", uint32(1<<32 - 2)},
		{"L\xff\xff\xff\xff\xff\xff\xff\xfe", int64(-2)}, {"l\xff\xff\xff\xff\xff\xff\xff\xfe", int64(-2)},
		{"f\x3f\x80\x00\x00", float32(1)}, {"d\x3f\xf0\x00\x00\x00\x00\x00\x00", float64(1)},
		{"D\x02\x00\x00\x01\x3a", Decimal{2, 314}}, {"S\x00\x00\x00\x01a", "a"}, {"x\x00\x00\x00\x01a", []byte("a")},
		{"T\x00\x00\x00\x00\x00\x00\x00\x09", Timestamp(9)}, {"V", nil},
		{"A\x00\x00\x00\x03Vt\x01", []any{nil, true}}, {"F\x00\x00\x00\x03\x01kV", Table{{"k", nil}}},
	} {
		input := append([]byte{0, 0, 0, byte(2 + len(test.input)), 1, 'k'}, test.input...)
		got, err := ParseTable(input)
		if v, _ := got.Get("k"); err != nil || !reflect.DeepEqual(v, test.want) {
			t.Errorf("%q: got %#v, %v, want %#v", test.input, v, err, test.want)
		}
	}
}

func TestTableLimits(t *testing.T) {
	deep := func(n int) []byte {
		table := Table{}
		for range n - 1 {
			table = Table{{"t", table}}
		}
		return AppendTable(nil, table)
	}
	array := func(n int) []byte { return AppendTable(nil, Table{{"a", make([]any, n)}}) }
	for _, test := range []struct {
		name  string
		input []byte
		want  error
	}{
		{"deepest", deep(maxDepth), nil},
		{"too deep", deep(maxDepth + 1), ErrSyntax},
		{"much too deep", deep(10000), ErrSyntax},
		{"most values", array(maxValues - 1), nil},
		{"too many values", array(maxValues), ErrSyntax},
		{"cut", deep(3)[:8], ErrSyntax},
		{"more behind", append(deep(1), 0), ErrSyntax},
		{"array longer than its table", []byte("\x00\x00\x00\x08\x01aA\x00\x00\x00\x09V"), ErrSyntax},
		{"unknown type", []byte("\x00\x00\x00\x03\x01a?"), ErrSyntax},
		{"empty", nil, ErrSyntax},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := ParseTable(test.input); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}

func TestTableGet(t *testing.T) {
	table := Table{{"a", true}, {"b", "text"}, {"a", false}}
	if !table.Bool("a") || table.Bool("b") || table.Bool("c") {
		t.Error("Bool is wrong")
	}
	if v, ok := table.Get("c"); v != nil || ok {
		t.Errorf("got %v, %t for a missing key", v, ok)
	}
}

func TestAppendTablePanicsOnForeignType(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	AppendTable(nil, Table{{"k", struct{}{}}})
}

// FuzzTable parses any bytes; what is a table must survive a round trip, and
// skipTable must agree.
func FuzzTable(f *testing.F) {
	f.Add(AppendTable(nil, Table{{"k", "v"}, {"t", Table{{"a", []any{int32(1), nil}}}}}))
	f.Add(AppendTable(nil, Table{{"f", float32(1)}, {"d", 1.5}, {"D", Decimal{1, 2}}, {"T", Timestamp(3)}}))
	f.Add([]byte{0, 0, 0, 3, 1, 'k', 'V'})
	f.Fuzz(func(t *testing.T, input []byte) {
		table, err := ParseTable(input)
		c := coder{buf: input, decoding: true}
		c.skipTable(0)
		if skipErr := c.end(); err == nil && skipErr != nil {
			t.Fatalf("skipping fails with %v where parsing does not", skipErr)
		}
		if err != nil {
			return
		}
		encoded := AppendTable(nil, table)
		again, err := ParseTable(encoded)
		if err != nil {
			t.Fatalf("%v of %v", err, table)
		}
		// Compared as bytes, since NaN is not equal to itself.
		if !bytes.Equal(AppendTable(nil, again), encoded) {
			t.Fatalf("got %v, want %v", again, table)
		}
	})
}
