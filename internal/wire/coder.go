package wire

import (
	"encoding/binary"
	"errors"
	"math"
	"unicode/utf8"
)

// ErrSyntax reports bytes that do not have the layout AMQP gives them.
var ErrSyntax = errors.New("wire: malformed arguments")

// ErrUTF8 reports a short string that is not UTF-8, as those of methods must be.
var ErrUTF8 = errors.New("wire: malformed UTF-8 in a short string")

// A coder walks the fields of a method or table in one of two directions, so
// that each layout is written down once: decoding fills the variables it is
// pointed at, encoding appends them.
//
// Decoding never fails halfway in a way a caller must check: the first error
// sticks and later calls leave their variables alone.
type coder struct {
	buf      []byte // decoding: the input not yet read; encoding: the output so far
	decoding bool
	strict   bool // decoding: short strings must be UTF-8
	err      error
	values   int // table values decoded so far, see maxValues
}

// take returns the next n bytes of the input, or nil once there are fewer.
func (c *coder) take(n int) []byte {
	switch {
	case c.err != nil:
		return nil
	case n > len(c.buf):
		c.err = ErrSyntax
		return nil
	}
	b := c.buf[:n:n]
	c.buf = c.buf[n:]
	return b
}

func (c *coder) octet(v *uint8) {
	if !c.decoding {
		c.buf = append(c.buf, *v)
	} else if b := c.take(1); b != nil {
		*v = b[0]
	}
}

func (c *coder) short(v *uint16) {
	if !c.decoding {
		c.buf = binary.BigEndian.AppendUint16(c.buf, *v)
	} else if b := c.take(2); b != nil {
		*v = binary.BigEndian.Uint16(b)
	}
}

func (c *coder) long(v *uint32) {
	if !c.decoding {
		c.buf = binary.BigEndian.AppendUint32(c.buf, *v)
	} else if b := c.take(4); b != nil {
		*v = binary.BigEndian.Uint32(b)
	}
}

func (c *coder) longlong(v *uint64) {
	if !c.decoding {
		c.buf = binary.BigEndian.AppendUint64(c.buf, *v)
	} else if b := c.take(8); b != nil {
		*v = binary.BigEndian.Uint64(b)
	}
}

// shortstr codes a string of at most 255 bytes; a longer one is cut, which
// only ever happens to the text of an error.
func (c *coder) shortstr(v *string) {
	if c.decoding {
		if *v = string(c.shortBytes()); c.strict && c.err == nil && !utf8.ValidString(*v) {
			c.err = ErrUTF8
		}
		return
	}
	s := *v
	if len(s) > math.MaxUint8 {
		s = s[:math.MaxUint8]
	}
	c.buf = append(c.buf, byte(len(s)))
	c.buf = append(c.buf, s...)
}

// shortBytes reads a short string without copying it.
func (c *coder) shortBytes() []byte {
	var n uint8
	c.octet(&n)
	return c.take(int(n))
}

// longstr codes a string with a 32-bit length; decoded, it aliases the input.
func (c *coder) longstr(v *[]byte) {
	n := uint32(len(*v))
	c.long(&n)
	if !c.decoding {
		c.buf = append(c.buf, *v...)
	} else if c.err == nil {
		*v = c.take(clampLen(n))
	}
}

// bits codes up to eight booleans packed in one octet, the first lowest
// (AMQP 0-9-1 section 4.2.5.2).
func (c *coder) bits(vs ...*bool) {
	var octet uint8
	if !c.decoding {
		for i, v := range vs {
			if *v {
				octet |= 1 << i
			}
		}
	}
	c.octet(&octet)
	if c.decoding && c.err == nil {
		for i, v := range vs {
			*v = octet&(1<<i) != 0
		}
	}
}

// reserved16 codes the field that once was an access ticket.
func (c *coder) reserved16() {
	var v uint16
	c.short(&v)
}

// reservedStr codes a short string that no longer means anything.
func (c *coder) reservedStr() {
	if c.decoding {
		c.shortBytes()
		return
	}
	c.buf = append(c.buf, 0)
}

// clampLen converts a length read from the wire to int. One that int can't
// hold on this machine becomes one that no input satisfies.
func clampLen(n uint32) int {
	return int(min(n, math.MaxInt32))
}

// reservedLong codes a long string that no longer means anything.
func (c *coder) reservedLong() {
	var v []byte
	c.longstr(&v)
}

// reservedBit codes an octet of bits that no longer mean anything.
func (c *coder) reservedBit() { c.bits() }
