package wire

import "encoding/binary"

// Property flags, in the order of the wire: the first property is the highest
// bit (AMQP 0-9-1 section 4.2.6.1).
const (
	FlagContentType = 1 << (15 - iota)
	FlagContentEncoding
	FlagHeaders
	FlagDeliveryMode
	FlagPriority
	FlagCorrelationID
	FlagReplyTo
	FlagExpiration
	FlagMessageID
	FlagTimestamp
	FlagType
	FlagUserID
	FlagAppID
	FlagClusterID
	flagUnused
	flagMore // another word of flags follows, which no class of AMQP 0-9-1 has
)

// A Header is the content header frame of a message.
type Header struct {
	Class      uint16
	BodySize   uint64
	Properties []byte // the flags and the values as they are on the wire
}

// ParseHeader parses the payload of a header frame. Properties aliases it and
// is not checked; see ParseProperties.
func ParseHeader(payload []byte) (Header, error) {
	c := coder{buf: payload, decoding: true}
	var h Header
	c.short(&h.Class)
	c.reserved16() // weight
	c.longlong(&h.BodySize)
	h.Properties = c.buf
	return h, c.err
}

// AppendHeader appends a header frame.
func AppendHeader(dst []byte, channel uint16, h Header) []byte {
	dst, mark := beginFrame(dst, FrameHeader, channel)
	dst = binary.BigEndian.AppendUint16(dst, h.Class)
	dst = append(dst, 0, 0) // weight
	dst = binary.BigEndian.AppendUint64(dst, h.BodySize)
	return endFrame(append(dst, h.Properties...), mark)
}

// Properties are the properties a broker acts on. The rest travels in
// Header.Properties without being looked at.
type Properties struct {
	Priority      uint8
	Expiration    []byte // milliseconds, in decimal
	HasExpiration bool
	ReplyTo       []byte // nil without one
	UserID        []byte
	HasUserID     bool
	Headers       []byte // the table of headers with its length; nil without one
}

// ParseProperties checks the layout of all properties, headers included, so
// that a message whose properties no client could decode goes no further. It
// allocates nothing; the result aliases raw.
func ParseProperties(raw []byte) (Properties, error) {
	c := coder{buf: raw, decoding: true}
	var p Properties
	var flags uint16
	c.short(&flags)
	if flags&(flagUnused|flagMore) != 0 {
		return p, ErrSyntax
	}
	c.skipShortIf(flags&FlagContentType != 0)
	c.skipShortIf(flags&FlagContentEncoding != 0)
	if flags&FlagHeaders != 0 {
		before := c.buf
		c.skipTable(0)
		p.Headers = before[:len(before)-len(c.buf)]
	}
	if flags&FlagDeliveryMode != 0 {
		c.take(1)
	}
	if flags&FlagPriority != 0 {
		c.octet(&p.Priority)
	}
	c.skipShortIf(flags&FlagCorrelationID != 0)
	if flags&FlagReplyTo != 0 {
		p.ReplyTo = c.shortBytes()
	}
	if p.HasExpiration = flags&FlagExpiration != 0; p.HasExpiration {
		p.Expiration = c.shortBytes()
	}
	c.skipShortIf(flags&FlagMessageID != 0)
	if flags&FlagTimestamp != 0 {
		c.take(8)
	}
	c.skipShortIf(flags&FlagType != 0)
	if p.HasUserID = flags&FlagUserID != 0; p.HasUserID {
		p.UserID = c.shortBytes()
	}
	c.skipShortIf(flags&FlagAppID != 0)
	c.skipShortIf(flags&FlagClusterID != 0)
	return p, c.end()
}

func (c *coder) skipShortIf(present bool) {
	if present {
		c.shortBytes()
	}
}
