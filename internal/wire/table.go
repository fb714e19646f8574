package wire

import (
	"fmt"
	"math"
)

// Limits on a decoded table, beyond the size of its frame. They keep a small
// frame from costing much stack or heap.
const (
	maxDepth  = 16   // tables and arrays inside one another
	maxValues = 4096 // values in all tables of one method
)

// A Table is a field table in the order of the wire. Its values are nil, bool,
// int8, uint8, int16, uint16, int32, uint32, int64, float32, float64, string,
// []byte, Timestamp, Decimal, []any and Table.
type Table []Field

// A Field is one entry of a Table.
type Field struct {
	Key   string
	Value any
}

// A Timestamp counts seconds since 1970 (field type T).
type Timestamp uint64

// A Decimal is Value divided by ten to the power of Scale (field type D).
type Decimal struct {
	Scale uint8
	Value int32
}

// Get returns the value of key. Of a key that occurs twice the first counts.
func (t Table) Get(key string) (value any, ok bool) {
	for _, f := range t {
		if f.Key == key {
			return f.Value, true
		}
	}
	return nil, false
}

// Bool reports whether key is there and true.
func (t Table) Bool(key string) bool {
	v, _ := t.Get(key)
	b, _ := v.(bool)
	return b
}

// AppendTable appends t with its length. It panics on a value whose type is
// not listed at Table: tables are made by this program or by ParseTable.
func AppendTable(dst []byte, t Table) []byte {
	c := coder{buf: dst}
	c.table(&t)
	return c.buf
}

// ParseTable parses a table with its length, of which b may hold nothing more.
func ParseTable(b []byte) (Table, error) {
	c := coder{buf: b, decoding: true}
	var t Table
	c.table(&t)
	return t, c.end()
}

// ParseFields parses a table without its length, which all of b is.
func ParseFields(b []byte) (Table, error) {
	c := coder{decoding: true}
	t := c.readFields(coder{buf: b, decoding: true}, 0)
	return t, c.err
}

func (c *coder) table(t *Table) {
	if c.decoding {
		*t = c.readTable(0)
	} else {
		c.writeTable(*t)
	}
}

func (c *coder) writeTable(t Table) {
	mark := c.beginLong()
	for i := range t {
		c.shortstr(&t[i].Key)
		c.writeValue(t[i].Value)
	}
	c.endLong(mark)
}

// beginLong leaves room for a 32-bit length that endLong fills in.
func (c *coder) beginLong() (mark int) {
	c.buf = append(c.buf, 0, 0, 0, 0)
	return len(c.buf)
}

func (c *coder) endLong(mark int) {
	n := len(c.buf) - mark
	for i := range 4 {
		c.buf[mark-1-i] = byte(n >> (8 * i))
	}
}

func (c *coder) tag(t byte) { c.buf = append(c.buf, t) }

func (c *coder) writeValue(v any) {
	switch v := v.(type) {
	case nil:
		c.tag('V')
	case bool:
		c.tag('t')
		c.bits(&v)
	case int8:
		c.buf = append(c.buf, 'b', byte(v))
	case uint8:
		c.buf = append(c.buf, 'B', v)
	case int16:
		c.write16('s', uint16(v))
	case uint16:
		c.write16('u', v)
	case int32:
		c.write32('I', uint32(v))
	case uint32:
		c.write32('i', v)
	case int64:
		c.write64('l', uint64(v))
	case float32:
		c.write32('f', math.Float32bits(v))
	case float64:
		c.write64('d', math.Float64bits(v))
	case Timestamp:
		c.write64('T', uint64(v))
	case Decimal:
		c.buf = append(c.buf, 'D', v.Scale)
		n := uint32(v.Value)
		c.long(&n)
	case string:
		c.tag('S')
		mark := c.beginLong()
		c.buf = append(c.buf, v...)
		c.endLong(mark)
	case []byte:
		c.tag('x')
		c.longstr(&v)
	case []any:
		c.tag('A')
		mark := c.beginLong()
		for _, e := range v {
			c.writeValue(e)
		}
		c.endLong(mark)
	case Table:
		c.tag('F')
		c.writeTable(v)
	default:
		panic(fmt.Sprintf("wire: a table can't hold a %T", v))
	}
}

func (c *coder) write16(tag byte, v uint16) {
	c.tag(tag)
	c.short(&v)
}

func (c *coder) write32(tag byte, v uint32) {
	c.tag(tag)
	c.long(&v)
}

func (c *coder) write64(tag byte, v uint64) {
	c.tag(tag)
	c.longlong(&v)
}

// nested takes the next length-prefixed block and returns a coder of it.
func (c *coder) nested(depth int) coder {
	var b []byte
	c.longstr(&b)
	if depth >= maxDepth {
		c.err = ErrSyntax
	}
	return coder{buf: b, decoding: true, err: c.err, values: c.values}
}

// done takes over the error and the count of a nested coder.
func (c *coder) done(in *coder) {
	c.err, c.values = in.err, in.values
}

func (c *coder) readTable(depth int) Table { return c.readFields(c.nested(depth), depth) }

func (c *coder) readFields(in coder, depth int) Table {
	var t Table
	for len(in.buf) > 0 && in.err == nil {
		var f Field
		in.shortstr(&f.Key)
		f.Value = in.readValue(depth)
		t = append(t, f)
	}
	c.done(&in)
	return t
}

func (c *coder) readArray(depth int) []any {
	in := c.nested(depth)
	a := []any{}
	for len(in.buf) > 0 && in.err == nil {
		a = append(a, in.readValue(depth))
	}
	c.done(&in)
	return a
}

func (c *coder) readValue(depth int) any {
	if c.values++; c.values > maxValues {
		c.err = ErrSyntax
	}
	var tag uint8
	c.octet(&tag)
	switch tag {
	case 'V':
		return nil
	case 't':
		return c.read8() != 0
	case 'b':
		return int8(c.read8())
	case 'B':
		return c.read8()
	case 's', 'U':
		return int16(c.read16())
	case 'u':
		return c.read16()
	case 'I':
		return int32(c.read32())
	case 'i':
		return c.read32()
	case 'l', 'L':
		return int64(c.read64())
	case 'f':
		return math.Float32frombits(c.read32())
	case 'd':
		return math.Float64frombits(c.read64())
	case 'T':
		return Timestamp(c.read64())
	case 'D':
		return Decimal{Scale: c.read8(), Value: int32(c.read32())}
	case 'S':
		return string(c.readLong())
	case 'x':
		return append([]byte{}, c.readLong()...)
	case 'A':
		return c.readArray(depth + 1)
	case 'F':
		return c.readTable(depth + 1)
	}
	c.err = ErrSyntax
	return nil
}

func (c *coder) read8() (v uint8)     { c.octet(&v); return }
func (c *coder) read16() (v uint16)   { c.short(&v); return }
func (c *coder) read32() (v uint32)   { c.long(&v); return }
func (c *coder) read64() (v uint64)   { c.longlong(&v); return }
func (c *coder) readLong() (v []byte) { c.longstr(&v); return }

// end returns the error of decoding; bytes left over are one.
func (c *coder) end() error {
	if c.err == nil && len(c.buf) > 0 {
		c.err = ErrSyntax
	}
	return c.err
}

// skipTable steps over a table and checks its layout without decoding it.
func (c *coder) skipTable(depth int) {
	in := c.nested(depth)
	for len(in.buf) > 0 && in.err == nil {
		in.shortBytes()
		in.skipValue(depth)
	}
	c.done(&in)
}

func (c *coder) skipValue(depth int) {
	var tag uint8
	c.octet(&tag)
	switch tag {
	case 'V':
	case 't', 'b', 'B':
		c.take(1)
	case 's', 'U', 'u':
		c.take(2)
	case 'I', 'i', 'f':
		c.take(4)
	case 'D':
		c.take(5)
	case 'l', 'L', 'd', 'T':
		c.take(8)
	case 'S', 'x':
		c.readLong()
	case 'A':
		in := c.nested(depth + 1)
		for len(in.buf) > 0 && in.err == nil {
			in.skipValue(depth + 1)
		}
		c.done(&in)
	case 'F':
		c.skipTable(depth + 1)
	default:
		c.err = ErrSyntax
	}
}
