package envelope

import (
	"encoding/binary"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/slogcast/slogcast/internal/jsontext"
	"github.com/slogcast/slogcast/internal/wire"
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
	f := wire.Scan(properties)
	flags := binary.BigEndian.Uint16(f.Take(2))
	text := func(flag uint16) []byte {
		if flags&flag == 0 {
			return nil
		}
		return f.Short()
	}
	e.form = formOf(text(wire.FlagContentType))
	e.Encoding = keep(&r.encoding, text(wire.FlagContentEncoding))
	if flags&wire.FlagHeaders != 0 {
		r.readHeaders(wire.Scan(f.Long()), &e)
	}
	if flags&wire.FlagDeliveryMode != 0 {
		f.Take(1)
	}
	if flags&wire.FlagPriority != 0 {
		f.Take(1)
	}
	text(wire.FlagCorrelationID)
	text(wire.FlagReplyTo)
	text(wire.FlagExpiration)
	if producer, seq, ok := parseMessageID(text(wire.FlagMessageID)); ok {
		e.Producer, e.Seq = keep(&r.producer, producer), seq
	}
	if flags&wire.FlagTimestamp != 0 {
		if seconds := f.Take(8); f.OK() {
			e.Time = timestamp(int64(binary.BigEndian.Uint64(seconds)))
		}
	}
	text(wire.FlagType)
	e.User = keep(&r.user, text(wire.FlagUserID))
	if e.Count > 1 {
		e.form = open // it says so itself
	}
	e.App = keep(&r.app, text(wire.FlagAppID))
	return e
}

func (r *Reader) readHeaders(f wire.Scanner, e *Envelope) {
	var foreign []byte
	defer func() {
		if len(foreign) > 0 {
			e.Headers = string(append(foreign, '}'))
		}
	}()
	for f.Len() > 0 && f.OK() {
		name, kind := f.Short(), f.Take(1)[0]
		value := f.Value(kind)
		if !f.OK() {
			return
		}
		switch string(name) {
		case headerHost:
			if kind == 'S' {
				e.Host = keep(&r.host, value)
			}
		case headerCount:
			e.Count = max(1, int(min(wire.Integer(kind, value), math.MaxInt32)))
		case headerOffset:
			e.Offset, e.InStream = wire.Integer(kind, value), true
		case headerDropped:
			e.Dropped = uint64(max(0, wire.Integer(kind, value)))
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
		return strconv.AppendInt(dst, wire.Integer(kind, value), 10)
	case 'T':
		return strconv.AppendUint(dst, binary.BigEndian.Uint64(value), 10)
	case 'f':
		return appendFloat(dst, float64(math.Float32frombits(binary.BigEndian.Uint32(value))), 32)
	case 'd':
		return appendFloat(dst, math.Float64frombits(binary.BigEndian.Uint64(value)), 64)
	case 'F', 'A':
		if depth < deepest {
			return appendNested(dst, kind, wire.Scan(value), depth)
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
func appendNested(dst []byte, kind byte, f wire.Scanner, depth int) []byte {
	brackets := "[]"
	if kind == 'F' {
		brackets = "{}"
	}
	dst = append(dst, brackets[0])
	for start := len(dst); f.Len() > 0; {
		var name []byte
		if kind == 'F' {
			name = f.Short()
		}
		inner := f.Take(1)[0]
		value := f.Value(inner)
		if !f.OK() {
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
