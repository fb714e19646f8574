// Package wire is the codec of AMQP 0-9-1: frames, methods, field tables and
// content properties, as bytes and as Go values. It opens no sockets and
// starts no goroutines.
//
// Decoding treats its input as hostile. No input panics, and none makes the
// package allocate more than a small multiple of what has really arrived: an
// announced length is compared with the limit and with the bytes at hand
// before anything is allocated for it.
//
// Field tables follow RabbitMQ's reading of the types on which the
// specification and the brokers disagree (RabbitMQ's "AMQP 0-9-1 errata",
// section 3).
package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Frame types (AMQP 0-9-1 section 4.2.3).
const (
	FrameMethod    = 1
	FrameHeader    = 2
	FrameBody      = 3
	FrameHeartbeat = 8
)

const (
	frameHeaderSize = 7    // type, channel, payload size
	frameEnd        = 0xCE // the octet after every payload

	// FrameOverhead is what a frame adds to its payload. The negotiated
	// frame-max counts it, though a Reader does not insist.
	FrameOverhead = frameHeaderSize + 1

	// MinFrameMax is the smallest frame-max that may be negotiated.
	MinFrameMax = 4096
)

// ProtocolHeader is what a client sends first, and what a server that speaks
// only AMQP 0-9-1 answers to any other header.
const ProtocolHeader = "AMQP\x00\x00\x09\x01"

var (
	// ErrFrameTooLarge reports a frame above the negotiated frame-max.
	ErrFrameTooLarge = errors.New("wire: frame larger than the negotiated maximum")

	// ErrFrameEnd reports a frame whose last octet is not frame-end.
	ErrFrameEnd = errors.New("wire: frame without its end octet")

	// ErrFrameType reports a frame of a type AMQP 0-9-1 does not have.
	ErrFrameType = errors.New("wire: unknown frame type")
)

// A Frame is one unit of the connection.
type Frame struct {
	Type    uint8
	Channel uint16
	Payload []byte // valid until the next call of the Reader it came from
}

// A Reader reads frames through a buffer of its own, so that a burst of small
// frames costs one Read of the source. It never reads more of a frame than
// has arrived, and its buffer grows with the bytes, not with the announcement.
type Reader struct {
	src      io.Reader
	buf      []byte
	pos, end int // buf[pos:end] is read and not yet returned
	frameMax int
}

// readerSize is the least free space offered to a Read of the source, once
// the first bytes came.
const readerSize = 16 << 10

// NewReader returns a Reader of frames with payloads up to frameMax bytes.
func NewReader(src io.Reader, frameMax int) *Reader {
	return &Reader{src: src, buf: make([]byte, MinFrameMax), frameMax: frameMax}
}

// SetFrameMax changes the limit, as connection.tune-ok does.
func (r *Reader) SetFrameMax(n int) { r.frameMax = n }

// ReadProtocolHeader reads the eight bytes that open a connection.
func (r *Reader) ReadProtocolHeader() (string, error) {
	if err := r.fill(len(ProtocolHeader)); err != nil {
		return "", err
	}
	h := string(r.buf[r.pos : r.pos+len(ProtocolHeader)])
	r.pos += len(ProtocolHeader)
	return h, nil
}

// ReadFrame returns the next frame. The error is that of the source, one of
// this package's ErrFrame errors, or io.ErrUnexpectedEOF.
func (r *Reader) ReadFrame() (Frame, error) {
	if err := r.fill(frameHeaderSize); err != nil {
		return Frame{}, err
	}
	f, size, err := r.header()
	if err != nil {
		return f, err
	}
	if err := r.fill(size + FrameOverhead); err != nil {
		return Frame{}, err
	}
	payload := r.buf[r.pos+frameHeaderSize:]
	f.Payload = payload[:size:size]
	r.pos += size + FrameOverhead
	if payload[size] != frameEnd {
		return f, ErrFrameEnd
	}
	return f, nil
}

// header parses the frame header at pos, which must be in the buffer.
func (r *Reader) header() (f Frame, size int, err error) {
	h := r.buf[r.pos : r.pos+frameHeaderSize]
	f = Frame{Type: h[0], Channel: binary.BigEndian.Uint16(h[1:])}
	size = clampLen(binary.BigEndian.Uint32(h[3:]))
	switch f.Type {
	case FrameMethod, FrameHeader, FrameBody, FrameHeartbeat:
	default:
		return f, 0, fmt.Errorf("%w %d", ErrFrameType, f.Type)
	}
	// Some clients take frame-max for the limit of the payload. RabbitMQ, too,
	// lets them.
	if size > r.frameMax {
		return f, 0, fmt.Errorf("%w: %d bytes where %d are allowed", ErrFrameTooLarge, size, r.frameMax)
	}
	return f, size, nil
}

// Buffered reports whether ReadFrame would return without reading its source.
func (r *Reader) Buffered() bool {
	if r.end-r.pos < frameHeaderSize {
		return false
	}
	_, size, err := r.header()
	return err != nil || r.end-r.pos >= size+FrameOverhead
}

// fill reads until n bytes are buffered.
func (r *Reader) fill(n int) error {
	for empty := 0; r.end-r.pos < n; {
		r.makeRoom(n)
		got, err := r.src.Read(r.buf[r.end:])
		r.end += got
		switch {
		case r.end-r.pos >= n:
			return nil
		case err == io.EOF && r.end > r.pos:
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		case got > 0:
			empty = 0
		default:
			if empty++; empty == 100 {
				return io.ErrNoProgress
			}
		}
	}
	return nil
}

// makeRoom leaves free space behind end: it moves what is buffered to the
// front, and doubles a buffer that is full although n bytes do not fit.
func (r *Reader) makeRoom(n int) {
	if r.pos == r.end {
		r.pos, r.end = 0, 0
	}
	if r.end+n-(r.end-r.pos) <= len(r.buf) && r.end < len(r.buf) {
		return
	}
	buffered := r.buf[r.pos:r.end]
	if len(buffered) == len(r.buf) {
		r.buf = make([]byte, max(2*len(r.buf), readerSize))
	}
	copy(r.buf, buffered)
	r.pos, r.end = 0, len(buffered)
}

// beginFrame appends a frame header whose size endFrame fills in.
func beginFrame(dst []byte, typ uint8, channel uint16) (_ []byte, mark int) {
	dst = append(dst, typ, byte(channel>>8), byte(channel), 0, 0, 0, 0)
	return dst, len(dst)
}

// endFrame completes the frame whose payload begins at mark.
func endFrame(dst []byte, mark int) []byte {
	binary.BigEndian.PutUint32(dst[mark-4:], uint32(len(dst)-mark))
	return append(dst, frameEnd)
}

// AppendHeartbeat appends a heartbeat frame.
func AppendHeartbeat(dst []byte) []byte {
	dst, mark := beginFrame(dst, FrameHeartbeat, 0)
	return endFrame(dst, mark)
}

// AppendFrame appends a frame with any payload.
func AppendFrame(dst []byte, f Frame) []byte {
	dst, mark := beginFrame(dst, f.Type, f.Channel)
	return endFrame(append(dst, f.Payload...), mark)
}

// AppendBody appends body as the body frames of a content, none of them
// larger than frameMax. An empty body needs no frame.
func AppendBody(dst []byte, channel uint16, body []byte, frameMax int) []byte {
	for len(body) > 0 {
		n := min(len(body), frameMax-FrameOverhead)
		dst = AppendFrame(dst, Frame{Type: FrameBody, Channel: channel, Payload: body[:n]})
		body = body[n:]
	}
	return dst
}
