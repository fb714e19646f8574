// Package envelope is what surrounds a record on the wire, version 1: the
// properties and headers of an AMQP message, and how several records share one.
// handler writes envelopes, sink reads them; the record itself is neither's
// business here.
package envelope

import (
	"encoding/binary"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/slogcast/slogcast/internal/wire"
)

// Content types: one record, or several joined by newlines.
const (
	ContentTypeJSON   = "application/json"
	ContentTypeNDJSON = "application/x-ndjson"
)

// Names of the headers.
const (
	headerHost    = "host"            // the producer's host name
	headerCount   = "count"           // only on a batch: how many records
	headerOffset  = "x-stream-offset" // set by the broker
	headerDropped = "dropped"         // the producer's dropped sequence numbers so far, when not zero
)

// ShortString is the most bytes an AMQP short string holds (AMQP 0-9-1 section
// 4.2.5.3). amqp091-go closes the connection over a longer one.
const ShortString = 255

// Envelope is what a message says about the record, or records, in it.
type Envelope struct {
	Producer string    // UUID of the Handler, empty when unknown
	Seq      uint64    // sequence number of the first record; 0 when it has none
	User     string    // who published it, as the broker has checked; mostly empty
	App      string    // which program speaks
	Host     string    // and where
	Time     time.Time // of the first record, whole seconds; zero when unknown
	Count    int       // records, as the producer says; at least 1
	Dropped  uint64    // sequence numbers below Seq that the producer has dropped
	Offset   int64     // in the stream that it came from, where InStream
	InStream bool

	Encoding  string // content-encoding, of other programs: "gzip", say; see Records
	Transient bool   // delivery-mode 1; Reader does not tell
	Headers   string // those that are not ours, as a JSON object; "" for none

	form form // of the body
}

// MessageID returns "<producer>/<seq>".
func MessageID(producer string, seq uint64) string {
	var id [64]byte
	return string(strconv.AppendUint(append(append(id[:0], producer...), '/'), seq, 10))
}

// ParseMessageID undoes MessageID. Any other id, as other programs send, is
// not ok.
func ParseMessageID(id string) (producer string, seq uint64, ok bool) {
	who, seq, ok := parseMessageID([]byte(id))
	return string(who), seq, ok
}

func parseMessageID(id []byte) (producer []byte, seq uint64, ok bool) {
	const uuid = 36 // characters
	if len(id) < uuid+2 || id[uuid] != '/' {
		return nil, 0, false
	}
	seq, err := strconv.ParseUint(string(id[uuid+1:]), 10, 64)
	if err != nil || seq == 0 {
		return nil, 0, false
	}
	return id[:uuid], seq, true
}

// Clean returns s as any client can read it: in valid UTF-8, and cut to the length
// of an AMQP short string. One that can't decode a property, aio-pika for one, gets
// nothing more.
func Clean(s string) string { return Clamp(strings.ToValidUTF8(s, "\uFFFD")) }

// Clamp cuts s to the length of an AMQP short string, between two runes.
func Clamp(s string) string { return cut(s, ShortString) }

func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}

// RoutingKey returns "<app>.<level>". A fanout ignores it; a topic exchange
// bound behind one can route by it. The level survives a long app.
func RoutingKey(app, level string) string {
	level = "." + strings.ToLower(level)
	return cut(app, ShortString-len(level)) + level
}

// Delivery modes.
const (
	transient  = 1
	persistent = 2
)

// AppendProperties appends e as the properties of a message, flags first, as a
// content header has them. The strings must be as Clean returns them; a time that
// not every client can read is left out.
func (e *Envelope) AppendProperties(dst []byte) []byte {
	flags, contentType := uint16(wire.FlagContentType|wire.FlagHeaders|wire.FlagDeliveryMode), ContentTypeJSON
	if e.Count > 1 {
		contentType = ContentTypeNDJSON
	}
	if e.Seq > 0 {
		flags |= wire.FlagMessageID
	}
	timed := e.timed()
	if timed {
		flags |= wire.FlagTimestamp
	}
	if e.App != "" {
		flags |= wire.FlagAppID
	}
	dst = binary.BigEndian.AppendUint16(dst, flags)
	dst = appendShort(dst, contentType)
	dst = e.appendHeaders(dst)
	mode := byte(persistent)
	if e.Transient {
		mode = transient
	}
	dst = append(dst, mode)
	if e.Seq > 0 {
		mark := len(dst)
		dst = append(append(append(dst, 0), e.Producer...), '/')
		dst = strconv.AppendUint(dst, e.Seq, 10)
		dst[mark] = byte(len(dst) - mark - 1)
	}
	if timed {
		dst = binary.BigEndian.AppendUint64(dst, uint64(e.Time.Unix()))
	}
	if e.App != "" {
		dst = appendShort(dst, e.App)
	}
	return dst
}

// timed reports whether the time is one that every client can read: a timestamp is
// a date from 1970 to 9999 to them, if the protocol has more.
func (e *Envelope) timed() bool {
	const first, last = 0, 253_402_300_799
	return !e.Time.IsZero() && e.Time.Unix() >= first && e.Time.Unix() <= last
}

// appendHeaders appends the table of headers, its length first. The types are
// RabbitMQ's: S is a long string, I and l are signed integers of 32 and 64 bits.
func (e *Envelope) appendHeaders(dst []byte) []byte {
	mark := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = append(appendShort(dst, headerHost), 'S')
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(e.Host)))
	dst = append(dst, e.Host...)
	if e.Count > 1 {
		dst = append(appendShort(dst, headerCount), 'I')
		dst = binary.BigEndian.AppendUint32(dst, uint32(e.Count))
	}
	if e.Dropped > 0 {
		dst = append(appendShort(dst, headerDropped), 'l')
		dst = binary.BigEndian.AppendUint64(dst, e.Dropped)
	}
	binary.BigEndian.PutUint32(dst[mark:], uint32(len(dst)-mark-4))
	return dst
}

func appendShort(dst []byte, s string) []byte { return append(append(dst, byte(len(s))), s...) }
