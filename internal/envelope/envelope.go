// Package envelope is what surrounds a record on the wire, version 1: the
// properties and headers of an AMQP message, and how several records share one.
// handler writes envelopes, sink reads them; the record itself is neither's
// business here.
package envelope

import (
	"bytes"
	"iter"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Content types: one record, or several joined by newlines.
const (
	ContentTypeJSON   = "application/json"
	ContentTypeNDJSON = "application/x-ndjson"
)

// Names of the headers.
const (
	headerHost    = "host"    // the producer's host name
	headerCount   = "count"   // only on a batch: how many records
	headerDropped = "dropped" // the producer's dropped sequence numbers so far, when not zero
)

// shortString is the most bytes an AMQP short string holds (AMQP 0-9-1 section
// 4.2.5.3). amqp091-go closes the connection over a longer one.
const shortString = 255

// Envelope is what a message says about the record, or records, in it.
type Envelope struct {
	Producer string    // UUID of the Handler, empty when unknown
	Seq      uint64    // sequence number of the first record; 0 when it has none
	App      string    // which program speaks
	Host     string    // and where
	Time     time.Time // of the first record, whole seconds; zero when unknown
	Count    int       // records; at least 1
	Dropped  uint64    // sequence numbers below Seq that the producer has dropped
}

// Headers returns the headers that messages of a host have at least.
func Headers(host string) amqp.Table { return amqp.Table{headerHost: host} }

// MessageID returns "<producer>/<seq>".
func MessageID(producer string, seq uint64) string {
	var id [64]byte
	return string(strconv.AppendUint(append(append(id[:0], producer...), '/'), seq, 10))
}

// ParseMessageID undoes MessageID. Any other id, as other programs send, is
// not ok.
func ParseMessageID(id string) (producer string, seq uint64, ok bool) {
	const uuid = 36 // characters
	if len(id) < uuid+2 || id[uuid] != '/' {
		return "", 0, false
	}
	seq, err := strconv.ParseUint(id[uuid+1:], 10, 64)
	if err != nil || seq == 0 {
		return "", 0, false
	}
	return id[:uuid], seq, true
}

// Clamp cuts s to the length of an AMQP short string, between two runes.
func Clamp(s string) string { return cut(s, shortString) }

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
	return cut(app, shortString-len(level)) + level
}

// Publishing returns e as the message's properties. The strings must fit AMQP
// short strings; see Clamp. Messages that need no headers but the host share
// those in common, which is what Headers returns, or nil.
func (e *Envelope) Publishing(body []byte, common amqp.Table) amqp.Publishing {
	headers := common
	if headers == nil || e.Count > 1 || e.Dropped > 0 {
		headers = Headers(e.Host)
	}
	contentType := ContentTypeJSON
	if e.Count > 1 {
		headers[headerCount] = int32(e.Count)
		contentType = ContentTypeNDJSON
	}
	if e.Dropped > 0 {
		headers[headerDropped] = int64(e.Dropped)
	}
	id := ""
	if e.Seq > 0 {
		id = MessageID(e.Producer, e.Seq)
	}
	return amqp.Publishing{
		ContentType:  contentType,
		AppId:        e.App,
		MessageId:    id,
		Timestamp:    e.Time,
		DeliveryMode: amqp.Persistent,
		Headers:      headers,
		Body:         body,
	}
}

// Read returns what a delivered message says. It takes whatever any program
// may send: what it can't read is left at its zero value.
func Read(d *amqp.Delivery) Envelope {
	e := Envelope{App: d.AppId, Time: d.Timestamp, Count: 1}
	e.Producer, e.Seq, _ = ParseMessageID(d.MessageId)
	e.Host, _ = d.Headers[headerHost].(string)
	e.Dropped = uint64(max(0, integer(d.Headers[headerDropped])))
	if d.ContentType == ContentTypeNDJSON {
		e.Count = bytes.Count(d.Body, []byte{'\n'}) + 1
	}
	return e
}

// Records yields the bodies of a message with e as its envelope, with their
// sequence numbers, 0 when unknown. The bodies share the memory of body.
func (e *Envelope) Records(body []byte) iter.Seq2[uint64, []byte] {
	return func(yield func(uint64, []byte) bool) {
		if e.Count == 1 {
			yield(e.Seq, body)
			return
		}
		seq := e.Seq
		for one := range bytes.SplitSeq(body, []byte{'\n'}) {
			if !yield(seq, one) {
				return
			}
			if seq > 0 {
				seq++
			}
		}
	}
}

// integer returns any of AMQP's integers as clients of other languages write
// them, 0 for anything else.
func integer(v any) int64 {
	switch n := v.(type) {
	case int8:
		return int64(n)
	case byte:
		return int64(n)
	case int16:
		return int64(n)
	case uint16:
		return int64(n)
	case int32:
		return int64(n)
	case uint32:
		return int64(n)
	case int64:
		return n
	case uint64:
		return int64(min(n, 1<<62))
	}
	return 0
}
