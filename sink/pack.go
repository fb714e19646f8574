package sink

import (
	"encoding/binary"
	"time"
	"unsafe"
)

// What a packed record has beside its body, by the bits of its first byte.
const (
	packedObject = 1 << iota
	packedSeq
	packedSent
	packedReceived
	packedEncoding
	packedKey
	packedHeaders
	packedHint
)

// Pack appends the record in a compact form, for the memory of a program that
// keeps many. It leaves out Producer, App and Host, which many records have in
// common, and Keys, which all have. Unpack undoes it. The form is not one for
// files: it may be another in the next version.
func (r *Record) Pack(dst []byte) []byte {
	at := len(dst)
	dst = append(dst, 0)
	if r.object {
		dst[at] |= packedObject
	}
	if r.Seq != 0 {
		dst[at] |= packedSeq
		dst = binary.AppendUvarint(dst, r.Seq)
	}
	if !r.Sent.IsZero() {
		dst[at] |= packedSent
		dst = binary.AppendVarint(dst, r.Sent.Unix())
	}
	if !r.Received.IsZero() {
		dst[at] |= packedReceived
		dst = binary.AppendVarint(dst, r.Received.Unix())
		dst = binary.AppendUvarint(dst, uint64(r.Received.Nanosecond()))
	}
	for _, text := range []struct {
		bit  byte
		text string
	}{{packedEncoding, r.Encoding}, {packedKey, r.Key}, {packedHeaders, string(r.Headers)}, {packedHint, r.hint}} {
		if text.text != "" {
			dst[at] |= text.bit
			dst = binary.AppendUvarint(dst, uint64(len(text.text)))
			dst = append(dst, text.text...)
		}
	}
	return append(dst, r.Body...)
}

// Unpack makes r the record that Pack has appended to an empty slice. Keys and
// memory of r are used again; Producer, App and Host are left to the caller. The
// record is valid as long as packed is, of which it is a part.
func (r *Record) Unpack(packed []byte) {
	has, rest := packed[0], packed[1:]
	*r = Record{parts: r.parts, Keys: r.Keys, zone: r.zone, object: has&packedObject != 0}
	uvarint := func() uint64 {
		n, size := binary.Uvarint(rest)
		rest = rest[size:]
		return n
	}
	varint := func() int64 {
		n, size := binary.Varint(rest)
		rest = rest[size:]
		return n
	}
	if has&packedSeq != 0 {
		r.Seq = uvarint()
	}
	if has&packedSent != 0 {
		r.Sent = time.Unix(varint(), 0)
	}
	if has&packedReceived != 0 {
		seconds := varint()
		r.Received = time.Unix(seconds, int64(uvarint()))
	}
	text := func(bit byte) string {
		if has&bit == 0 {
			return ""
		}
		size := uvarint()
		b := rest[:size]
		rest = rest[size:]
		return unsafe.String(&b[0], len(b)) // packed does not change
	}
	r.Encoding, r.Key, r.Headers, r.hint = text(packedEncoding), text(packedKey), Value(text(packedHeaders)), text(packedHint)
	r.Body = rest[:len(rest):len(rest)]
}
