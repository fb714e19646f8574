package envelope

import (
	"bytes"
	"encoding/binary"
	"time"
)

// Reader reads envelopes. It remembers the strings of the last ones, as messages
// of a producer have the same: it is not safe for concurrent use.
type Reader struct {
	producer, app, host, encoding string
}

// Read returns what a message's properties, with their flags first, say. It takes
// whatever any program may send: what it can't read is left at its zero value.
// What it returns holds nothing of properties and body.
func (r *Reader) Read(properties, body []byte) Envelope {
	e := Envelope{Count: 1}
	f := fields{properties, true}
	flags := binary.BigEndian.Uint16(f.take(2))
	text := func(flag uint16) []byte {
		if flags&flag == 0 {
			return nil
		}
		return f.short()
	}
	if string(text(flagContentType)) == ContentTypeNDJSON {
		e.Count = bytes.Count(body, []byte{'\n'}) + 1
	}
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
			e.Time = time.Unix(int64(binary.BigEndian.Uint64(seconds)), 0)
		}
	}
	text(flagType)
	text(flagUserID)
	e.App = keep(&r.app, text(flagAppID))
	return e
}

func (r *Reader) readHeaders(f fields, e *Envelope) {
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
		case headerDropped:
			e.Dropped = uint64(max(0, integer(kind, value)))
		}
	}
}

// keep returns b as a string: the last one, if it is the same.
func keep(last *string, b []byte) string {
	if string(b) != *last {
		*last = string(b)
	}
	return *last
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
