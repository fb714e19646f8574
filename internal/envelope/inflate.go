package envelope

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"io"
	"strings"
)

// Bounds of what a compressed body may become. Logs shrink to a tenth or so; a
// small message that becomes a large one is not one that a person wants to read,
// and its memory is to be in proportion to what came from the broker.
const (
	mostInflation = 32
	mostInflated  = 16 << 20 // bytes
)

// inflate returns a body as it was before the content-encoding. It is not ok
// when that is none of gzip and deflate, when the body is not of it, or too large.
func inflate(encoding string, body []byte) (plain []byte, ok bool) {
	var in io.Reader
	var err error
	switch strings.ToLower(encoding) {
	case "gzip", "x-gzip":
		in, err = gzip.NewReader(bytes.NewReader(body))
	case "deflate":
		if in, err = zlib.NewReader(bytes.NewReader(body)); err != nil {
			in, err = flate.NewReader(bytes.NewReader(body)), nil // as some have it
		}
	default:
		return nil, false
	}
	if err != nil {
		return nil, false
	}
	most := min(mostInflated, mostInflation*len(body))
	plain, err = io.ReadAll(io.LimitReader(in, int64(most)+1))
	return plain, err == nil && len(plain) <= most
}
