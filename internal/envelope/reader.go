package envelope

import (
	"encoding/binary"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/slogcast/slogcast/internal/jsontext"
)

// Reader reads envelopes. It remembers the strings of the last ones, as messages
// of a producer have the same: it is not safe for concurrent use.
type Reader struct {
	producer, user, app, host, encoding string
}

// Read returns what a message's properties, with their flags first, say. It takes
// whatever any program may send: what it can't read is left at its zero value.
// What it returns holds nothing of properties.
func (r *Reader) Read(properties, _ []byte) Envelope {
	e := Envelope{Count: 1}
	f := fields{properties, true}
	flags := binary.BigEndian.Uint16(f.take(2))
	text := func(flag uint16) []byte {
		if flags&flag == 0 {
			return nil
		}
		return f.short()
	}
	e.form = formOf(text(flagContentType))
	e.Encoding = keep(&r.encoding, text(flagContentEncoding))
	if flags&flagHeaders != 0 {
		r.readHeaders(fields{f.long(), true}, &e)
	}
	if flags&flagDeliveryMode != 0 {
		f.take(1)
	}
	if flags&flagPriority != 0 {
		f.take(1)
	}
	text(flagCorrelationID)
	text(flagReplyTo)
	text(flagExpiration)
	if producer, seq, ok := parseMessageID(text(flagMessageID)); ok {
		e.Producer, e.Seq = keep(&r.producer, producer), seq
	}
	if flags&flagTimestamp != 0 {
		if seconds := f.take(8); f.ok {
			e.Time = timestamp(int64(binary.BigEndian.Uint64(seconds)))
		}
	}
	text(flagType)
	e.User = keep(&r.user, text(flagUserID))
	if e.Count > 1 {
		e.form = open // it says so itself
	}
	e.App = keep(&r.app, text(flagAppID))
	return e
}

func (r *Reader) readHeaders(f fields, e *Envelope) {
	var foreign []byte
	defer func() {
		if len(foreign) > 0 {
			e.Headers = string(append(foreign, '}'))
		}
	}()
	for len(f.b) > 0 && f.ok {
		name, kind := f.short(), f.take(1)[0]
		value := f.value(kind)
		if !f.ok {
			return
		}
		switch string(name) {
		case headerHost:
			if kind == 'S' {
				e.Host = keep(&r.host, value)
			}
		case headerCount:
			e.Count = max(1, int(min(integer(kind, value), math.MaxInt32)))
		case headerOffset:
			e.Offset, e.InStream = integer(kind, value), true
		case headerDropped:
			e.Dropped = uint64(max(0, integer(kind, value)))
		default:
			foreign = appendHeader(foreign, name, kind, value)
		}
	}
}

// timestamp returns an AMQP timestamp, which counts seconds; some clients write
// milliseconds.
func timestamp(n int64) time.Time {
	const last = 253402300799 // the end of the year 9999
	if n > last {
		return time.UnixMilli(n)
	}
	return time.Unix(n, 0)
}

// keep returns b as a string, of the length of a short one and valid UTF-8: the
// last one, if it is the same.
func keep(last *string, b []byte) string {
	if b = b[:min(len(b), ShortString+utf8.UTFMax)]; string(b) != *last {
		*last = Clean(string(b))
	}
	return *last
}

// appendHeader appends a header of another program as a member of a JSON object
// that is open at the end of dst.
func appendHeader(dst, name []byte, kind byte, value []byte) []byte {
	if len(dst) == 0 {
		dst = append(dst, '{')
	} else {
		dst = append(dst, ',')
	}
	dst = append(jsontext.AppendSafeString(dst, string(name)), ':')
	return appendValue(dst, kind, value, 0)
}

// appendValue appends a header's value as JSON. What is nested too deep is null.
func appendValue(dst []byte, kind byte, value []byte, depth int) []byte {
	const deepest = 8
	switch kind {
	case 'S', 'x':
		return jsontext.AppendSafeString(dst, string(value))
	case 't':
		return strconv.AppendBool(dst, value[0] != 0)
	case 'b', 'B', 's', 'U', 'u', 'I', 'i', 'l', 'L':
		return strconv.AppendInt(dst, integer(kind, value), 10)
	case 'T':
		return strconv.AppendUint(dst, binary.BigEndian.Uint64(value), 10)
	case 'f':
		return appendFloat(dst, float64(math.Float32frombits(binary.BigEndian.Uint32(value))), 32)
	case 'd':
		return appendFloat(dst, math.Float64frombits(binary.BigEndian.Uint64(value)), 64)
	case 'F', 'A':
		if depth < deepest {
			return appendNested(dst, kind, fields{value, true}, depth)
		}
	}
	return append(dst, "null"...)
}

func appendFloat(dst []byte, f float64, bits int) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(dst, "null"...)
	}
	return strconv.AppendFloat(dst, f, 'g', -1, bits)
}

// appendNested appends a table, or an array, as far as it can be read.
func appendNested(dst []byte, kind byte, f fields, depth int) []byte {
	brackets := "[]"
	if kind == 'F' {
		brackets = "{}"
	}
	dst = append(dst, brackets[0])
	for start := len(dst); len(f.b) > 0; {
		var name []byte
		if kind == 'F' {
			name = f.short()
		}
		inner := f.take(1)[0]
		value := f.value(inner)
		if !f.ok {
			break
		}
		if len(dst) > start {
			dst = append(dst, ',')
		}
		if kind == 'F' {
			dst = append(jsontext.AppendSafeString(dst, string(name)), ':')
		}
		dst = appendValue(dst, inner, value, depth+1)
	}
	return append(dst, brackets[1])
}

// fields takes the fields of properties and tables from b, as long as ok: then
// they are all zero.
type fields struct {
	b  []byte
	ok bool
}

var zeros [8]byte

// take returns the next n bytes. Behind the end it returns zeros, of at most 8.
func (f *fields) take(n int) []byte {
	if n < 0 || n > len(f.b) { // negative where int has 32 bits
		f.b, f.ok = nil, false
		return zeros[:min(uint(n), uint(len(zeros)))]
	}
	taken := f.b[:n]
	f.b = f.b[n:]
	return taken
}

// short returns a short string, long a long one or the inside of a table.
func (f *fields) short() []byte { return f.sized(int(f.take(1)[0])) }
func (f *fields) long() []byte  { return f.sized(int(binary.BigEndian.Uint32(f.take(4)))) }

func (f *fields) sized(n int) []byte {
	if taken := f.take(n); f.ok {
		return taken
	}
	return nil
}

// value returns a header's value. The types are those that RabbitMQ has
// (https://www.rabbitmq.com/amqp-0-9-1-errata, section 3).
func (f *fields) value(kind byte) []byte {
	switch kind {
	case 'V':
		return nil
	case 't', 'b', 'B':
		return f.take(1)
	case 's', 'U', 'u':
		return f.take(2)
	case 'I', 'i', 'f':
		return f.take(4)
	case 'D':
		return f.take(5)
	case 'l', 'L', 'd', 'T':
		return f.take(8)
	case 'S', 'x', 'A', 'F':
		return f.long()
	}
	f.b, f.ok = nil, false
	return nil
}

// integer returns any of AMQP's integers as clients of other languages write
// them, 0 for anything else.
func integer(kind byte, value []byte) int64 {
	switch kind {
	case 'b':
		return int64(int8(value[0]))
	case 'B':
		return int64(value[0])
	case 's', 'U':
		return int64(int16(binary.BigEndian.Uint16(value)))
	case 'u':
		return int64(binary.BigEndian.Uint16(value))
	case 'I':
		return int64(int32(binary.BigEndian.Uint32(value)))
	case 'i':
		return int64(binary.BigEndian.Uint32(value))
	case 'l', 'L':
		return int64(binary.BigEndian.Uint64(value))
	}
	return 0
}
