package envelope

import (
	"bytes"
	"iter"
	"strings"

	"github.com/slogcast/slogcast/internal/jsontext"
)

// form is how several records may share a body.
type form byte

const (
	open  form = iota // the content type does not say; see Records
	lines             // a line for each: NDJSON, JSON Lines, JSON text sequences
	one               // they don't
)

// formOf returns the form that a content type, parameters and all, stands for.
func formOf(contentType []byte) form {
	if string(contentType) == ContentTypeNDJSON {
		return lines
	}
	kind, _, _ := strings.Cut(string(contentType), ";")
	switch strings.ToLower(strings.TrimSpace(kind)) {
	case ContentTypeNDJSON, "application/ndjson", "application/jsonl", "application/jsonlines", "application/x-jsonlines", "application/json-lines",
		"application/json-seq", "application/x-json-stream", "application/stream+json", "text/x-ndjson", "text/jsonl":
		return lines
	case "", ContentTypeJSON, "text/json", "text/plain", "application/octet-stream":
		return open
	}
	return one
}

// Records yields the bodies of a message with e as its envelope, with their
// sequence numbers, 0 when unknown. Lines that are blank are none, and have no
// number. Where the content type does not say that there are several, a body of
// a program without numbers has several if it is JSON objects, one behind the
// other, or an array of nothing but objects. The bodies share the memory of body, and nothing
// else is held. A body that gzip or deflate has made smaller is taken for what it
// was, within bounds, and Encoding is empty from then on.
func (e *Envelope) Records(body []byte) iter.Seq2[uint64, []byte] {
	return func(yield func(uint64, []byte) bool) {
		if e.Encoding != "" {
			plain, ok := inflate(e.Encoding, body)
			if !ok && Coded(e.Encoding) {
				yield(e.Seq, body)
				return
			}
			if ok {
				body, e.Encoding = plain, ""
			}
		}
		switch {
		case e.Count > 1 || e.form == lines:
			e.yieldLines(body, yield)
		case e.form == open && e.Seq == 0 && isSequence(body):
			yieldObjects(body, yield)
		case e.form == open && e.Seq == 0 && isArray(body):
			for object := range jsontext.ElementsOf(jsontext.TrimBody(body)) {
				if !yield(0, object) {
					return
				}
			}
		default:
			yield(e.Seq, jsontext.TrimBody(body))
		}
	}
}

// Coded reports whether a content-encoding makes something else of a text. Many
// programs have their charset there.
func Coded(encoding string) bool {
	switch strings.ToLower(encoding) {
	case "", "identity", "binary", "8bit", "7bit", "utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "latin1", "windows-1252":
		return false
	}
	return true
}

func (e *Envelope) yieldLines(body []byte, yield func(uint64, []byte) bool) {
	seq := e.Seq
	for line := range bytesLines(body) {
		if !yield(seq, line) {
			return
		}
		if seq > 0 {
			seq++
		}
	}
}

// bytesLines yields the lines of body that are not blank, without their ends.
func bytesLines(body []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for {
			body = trimBlank(body)
			if len(body) == 0 {
				return
			}
			line := body
			if end := bytes.IndexByte(body, '\n'); end >= 0 {
				line, body = body[:end], body[end+1:]
			} else {
				body = nil
			}
			if line = jsontext.TrimBody(line); len(line) > 0 && !yield(line) {
				return
			}
		}
	}
}

// trimBlank cuts ends of lines, and what may stand before a line, off the start.
func trimBlank(b []byte) []byte {
	for len(b) > 0 && (b[0] == '\n' || b[0] == '\r' || b[0] == '\x1e' || b[0] == 0) {
		b = b[1:]
	}
	return b
}

// trimSpace cuts all that may stand between objects off the start.
func trimSpace(b []byte) []byte {
	for {
		after := jsontext.SkipSpace(trimBlank(b))
		if len(after) == len(b) {
			return b
		}
		b = after
	}
}

// isSequence reports whether body is several JSON objects and nothing else: on
// lines of their own, on several lines each, or on one.
func isSequence(body []byte) bool {
	n, ok := 0, true
	for body = trimSpace(jsontext.TrimBody(body)); len(body) > 0 && ok; n++ {
		_, body, ok = jsontext.CutObject(body)
		body = trimSpace(body)
	}
	return n > 1 && ok
}

// yieldObjects yields those of a sequence.
func yieldObjects(body []byte, yield func(uint64, []byte) bool) {
	var object []byte
	for body = trimSpace(jsontext.TrimBody(body)); len(body) > 0; body = trimSpace(body) {
		if object, body, _ = jsontext.CutObject(body); !yield(0, object) {
			return
		}
	}
}

// isArray reports whether body is a JSON array of objects, at least one.
func isArray(body []byte) bool {
	body = jsontext.SkipSpace(jsontext.TrimBody(body))
	if len(body) == 0 || body[0] != '[' || !jsontext.IsArray(body) {
		return false
	}
	n := 0
	for element := range jsontext.ElementsOf(body) {
		if element[0] != '{' {
			return false
		}
		n++
	}
	return n > 0
}
