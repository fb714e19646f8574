package wire

import "encoding/binary"

// propertyKinds tells how each property is skipped, in the order of the flags.
var propertyKinds = [...]struct {
	flag uint16
	size int // in bytes; shortString or fieldTable where it varies
}{
	{FlagContentType, shortString}, {FlagContentEncoding, shortString}, {FlagHeaders, fieldTable},
	{FlagDeliveryMode, 1}, {FlagPriority, 1}, {FlagCorrelationID, shortString}, {FlagReplyTo, shortString},
	{FlagExpiration, shortString}, {FlagMessageID, shortString}, {FlagTimestamp, 8}, {FlagType, shortString},
	{FlagUserID, shortString}, {FlagAppID, shortString}, {FlagClusterID, shortString},
}

const (
	shortString = -1
	fieldTable  = -2
)

// span returns where in raw, which ParseProperties has accepted, the property
// of a flag is. For one that is not there it is empty, at its place.
func span(raw []byte, flag uint16) (from, to int) {
	flags := binary.BigEndian.Uint16(raw)
	at := 2
	for _, p := range propertyKinds {
		end := at
		if flags&p.flag != 0 {
			switch p.size {
			case shortString:
				end += 1 + int(raw[at])
			case fieldTable:
				end += 4 + int(binary.BigEndian.Uint32(raw[at:]))
			default:
				end += p.size
			}
		}
		if p.flag == flag {
			return at, end
		}
		at = end
	}
	return at, at
}

// setProperty returns raw with another value of a property, or with nil
// without it. raw is left alone.
func setProperty(raw []byte, flag uint16, value []byte) []byte {
	from, to := span(raw, flag)
	dst := make([]byte, 0, len(raw)-(to-from)+len(value))
	dst = append(dst, raw[:from]...)
	dst = append(dst, value...)
	dst = append(dst, raw[to:]...)
	flags := binary.BigEndian.Uint16(raw) &^ flag
	if value != nil {
		flags |= flag
	}
	binary.BigEndian.PutUint16(dst, flags)
	return dst
}

// SetHeaders returns properties with other headers. raw must have been accepted
// by ParseProperties, here and below.
func SetHeaders(raw []byte, t Table) []byte {
	return setProperty(raw, FlagHeaders, AppendTable(nil, t))
}

// SetReplyTo returns properties with another reply-to, of 255 bytes at most.
func SetReplyTo(raw []byte, replyTo string) []byte {
	c := coder{}
	c.shortstr(&replyTo)
	return setProperty(raw, FlagReplyTo, c.buf)
}

// WithoutExpiration returns properties without an expiration.
func WithoutExpiration(raw []byte) []byte {
	return setProperty(raw, FlagExpiration, nil)
}

// AppendHeaderWith is AppendHeader with one more header among the properties, as
// AppendWithHeader adds it.
func AppendHeaderWith(dst []byte, channel uint16, h Header, key string, value int64) []byte {
	dst, mark := beginFrame(dst, FrameHeader, channel)
	dst = binary.BigEndian.AppendUint16(dst, h.Class)
	dst = append(dst, 0, 0) // weight
	dst = binary.BigEndian.AppendUint64(dst, h.BodySize)
	return endFrame(AppendWithHeader(dst, h.Properties, key, value), mark)
}

// AppendWithHeader appends properties with one more header, a 64-bit integer
// that goes before the others. It allocates nothing but what dst lacks.
func AppendWithHeader(dst, raw []byte, key string, value int64) []byte {
	start := len(dst)
	from, to := span(raw, FlagHeaders)
	var fields []byte
	if to > from {
		fields = raw[from+4 : to]
	}
	dst = append(dst, raw[:from]...)
	size := 1 + len(key) + 1 + 8 + len(fields)
	dst = binary.BigEndian.AppendUint32(dst, uint32(size))
	dst = append(dst, byte(len(key)))
	dst = append(dst, key...)
	dst = append(dst, 'l')
	dst = binary.BigEndian.AppendUint64(dst, uint64(value))
	dst = append(dst, fields...)
	dst = append(dst, raw[to:]...)
	flags := binary.BigEndian.Uint16(raw) | FlagHeaders
	binary.BigEndian.PutUint16(dst[start:], flags)
	return dst
}

// HasField reports whether a table, with its length as in Properties.Headers,
// has a field of that name. It allocates nothing.
func HasField(table []byte, key string) bool {
	c := coder{buf: table, decoding: true}
	in := c.nested(0)
	for len(in.buf) > 0 && in.err == nil {
		if string(in.shortBytes()) == key {
			return true
		}
		in.skipValue(0)
	}
	return false
}
