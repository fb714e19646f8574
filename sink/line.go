package sink

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/slogcast/slogcast/internal/jsontext"
)

// Members that AppendLine adds behind a body, in their order.
var (
	idKey     = []byte(`"@id"`)
	appKey    = []byte(`"@app"`)
	hostKey   = []byte(`"@host"`)
	levelKey  = []byte(`"@level"`)
	timeKey   = []byte(`"@time"`)
	base64Key = []byte(`"@base64"`)

	envelopeKeys = [][]byte{idKey, appKey, hostKey, levelKey, timeKey, base64Key}
)

// AppendLine appends the record as a line of an archive: one JSON object in valid
// UTF-8, without control characters or others that direct a terminal, which are
// escaped. It is the body, if that is a JSON object, with what the envelope says
// as its last members:
//
//	"@id"      "<producer>/<seq>"; it is "" where the body ends in something that
//	           could be taken for one of these
//	"@app", "@host"
//	"@level"   of the message, if the body has none
//	"@time"    of the message or its arrival, if the body has none that can be read
//	"@base64"  the body, if the line has not all of it: it was not UTF-8, say
//
// Any other body becomes the message of a new object, with the time of "@time".
// ParseLine undoes it. The line ends in a newline and holds no other.
func (r *Record) AppendLine(dst []byte) []byte {
	start := len(dst)
	dst, exact := r.appendBody(dst)
	end, text := len(dst), !r.object
	if r.Seq != 0 {
		dst = appendMember(dst, "@id", r.Producer)
		dst[len(dst)-1] = '/' // in place of the quote
		dst = append(strconv.AppendUint(dst, r.Seq, 10), '"')
	} else if body := dst[start:]; text && r.App == "" && r.Host == "" && exact || endsInEnvelope(body) {
		dst = appendMember(dst, "@id", "")
	}
	if r.App != "" {
		dst = appendMember(dst, "@app", r.App)
	}
	if r.Host != "" {
		dst = appendMember(dst, "@host", r.Host)
	}
	if r.Key != "" && r.Seq == 0 || r.Headers != "" || r.hint != "" {
		if d := r.decode(); d.hinted {
			dst = appendMember(dst, "@level", d.levelText)
		}
	}
	if !text && !r.startsWithTime() {
		if _, own := r.Time(); !own {
			dst = appendTime(dst, "@time", r.arrival())
		}
	}
	if exact && !text && len(dst) > end {
		_, _, taken := cutText(dst[start:end])
		exact = !taken // for a text, of which this would be the line
	}
	if !exact {
		dst = append(append(appendKey(dst, "@base64"), '"'), base64.StdEncoding.EncodeToString(r.Body)...)
		dst = append(dst, '"')
	}
	return append(dst, '}', '\n')
}

// AppendJSON appends the record as AppendLine does, with the routing key and the
// headers of the message before the rest of the envelope, as "@key" and
// "@headers", where they are not those of a handler.
func (r *Record) AppendJSON(dst []byte) []byte {
	if r.Key == "" && r.Headers == "" {
		return r.AppendLine(dst)
	}
	c := *r
	open, exact := c.appendBody(nil)
	if r.Key != "" {
		open = appendMember(open, "@key", r.Key)
	}
	if r.Headers != "" {
		open, _ = jsontext.AppendSafe(appendKey(open, "@headers"), []byte(r.Headers))
	}
	if !exact {
		open = append(appendKey(open, "@base64"), '"')
		open = append(base64.StdEncoding.AppendEncode(open, r.Body), '"')
	}
	c.Body, c.object, c.decoded, c.parts = append(open, '}'), true, false, nil
	return c.AppendLine(dst)
}

// startsWithTime reports whether the body begins as slog's do: with its time.
func (r *Record) startsWithTime() bool {
	const start = `{"time":"`
	if !r.object || len(r.Body) < len(start) || string(r.Body[:len(start)]) != start || r.Keys != nil {
		return false
	}
	end := bytes.IndexByte(r.Body[len(start):], '"')
	if end < 0 {
		return false
	}
	_, _, ok := readSlogTime(unsafe.String(&r.Body[len(start)], end))
	return ok
}

// appendBody appends the record as a JSON object without its last brace. It is
// exact if the object has all of the body.
func (r *Record) appendBody(dst []byte) (line []byte, exact bool) {
	if !r.object {
		dst = appendTime(append(dst, '{'), "time", r.arrival())
		message := r.text()
		return appendMember(dst, "msg", message), message == string(r.Body)
	}
	dst, exact = jsontext.AppendSafe(dst, r.Body)
	dst = dst[:len(dst)-1] // the brace
	for dst[len(dst)-1] == ' ' {
		dst = dst[:len(dst)-1]
	}
	return dst, exact
}

// appendTime appends a member with the time, if it has one that can be written.
func appendTime(dst []byte, key string, t time.Time) []byte {
	if t.IsZero() || t.Year() < 0 || t.Year() > 9999 {
		return dst
	}
	return append(t.AppendFormat(append(appendKey(dst, key), '"'), time.RFC3339Nano), '"')
}

// appendMember appends a member to an object that is open at the end of dst.
func appendMember(dst []byte, key, value string) []byte {
	return jsontext.AppendSafeString(appendKey(dst, key), value)
}

func appendKey(dst []byte, key string) []byte {
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	return append(append(append(dst, '"'), key...), '"', ':')
}

// cutLast cuts the last member off an object without its last brace, if it has
// a text as its value. Seen from the end, a quote that is not escaped is where a
// text begins, so that what is in it can't be taken for anything else.
func cutLast(open []byte) (rest, key, value []byte, ok bool) {
	start, ok := textStart(open)
	if !ok || start < 2 || open[start-1] != ':' {
		return open, nil, nil, false
	}
	before := open[:start-1]
	keyStart, ok := textStart(before)
	if !ok || keyStart == 0 || before[keyStart-1] != ',' && (before[keyStart-1] != '{' || keyStart != 1) {
		return open, nil, nil, false
	}
	rest = before[:keyStart]
	if rest[len(rest)-1] == ',' {
		rest = rest[:len(rest)-1]
	}
	return rest, before[keyStart:], open[start:], true
}

// textStart returns where the quoted text at the end of b begins.
func textStart(b []byte) (start int, ok bool) {
	if len(b) < 2 || b[len(b)-1] != '"' {
		return 0, false
	}
	for end := len(b) - 1; ; {
		at := bytes.LastIndexByte(b[:end], '"')
		if at < 0 {
			return 0, false
		}
		slashes := at
		for slashes > 0 && b[slashes-1] == '\\' {
			slashes--
		}
		if (at-slashes)%2 == 0 {
			return at, true
		}
		end = at
	}
}

// endsInEnvelope reports whether the last member of an open object could be
// taken for one of the envelope.
func endsInEnvelope(open []byte) bool {
	_, key, _, ok := cutLast(open)
	return ok && rankOfKey(key) >= 0
}

// rankOfKey returns the place of a key in envelopeKeys, or -1.
func rankOfKey(key []byte) int {
	if len(key) < len(`"@id"`) || key[1] != '@' {
		return -1
	}
	for i, known := range envelopeKeys {
		if bytes.Equal(key, known) {
			return i
		}
	}
	return -1
}

// cutText returns time and message, as JSON, of an open object that AppendLine
// has made of a text. at is nil where there is none.
func cutText(open []byte) (at, message []byte, ok bool) {
	const timeStart, msgStart = `{"time":"`, `"msg":"`
	rest := open
	if bytes.HasPrefix(rest, []byte(timeStart)) {
		n := bytes.IndexByte(rest[len(timeStart):], '"')
		if n < 0 {
			return nil, nil, false
		}
		at = rest[len(timeStart)-1 : len(timeStart)+n+1]
		rest = rest[len(timeStart)+n+1:]
		if len(rest) == 0 || rest[0] != ',' {
			return nil, nil, false
		}
	} else if len(rest) == 0 || rest[0] != '{' {
		return nil, nil, false
	}
	if rest = rest[1:]; !bytes.HasPrefix(rest, []byte(msgStart)) {
		return nil, nil, false
	}
	message = rest[len(msgStart)-1:]
	start, ok := textStart(message)
	if ok = ok && start == 0; ok && at != nil {
		_, ok = parseCanonical(at)
	}
	return at, message, ok
}

// parseCanonical reads a quoted time as AppendLine writes it.
func parseCanonical(quoted []byte) (time.Time, bool) {
	inner := string(quoted[1 : len(quoted)-1])
	t, err := time.Parse(time.RFC3339Nano, inner)
	var again [64]byte
	return t, err == nil && string(t.AppendFormat(again[:0], time.RFC3339Nano)) == inner
}

// LineID returns the number of a line that AppendLine has written, with or
// without its newline: "@id" of the envelope. It looks at the end of the line
// alone; nothing within the body is taken for it. It is not ok when the line has
// none.
func LineID(line []byte) (producer []byte, seq uint64, ok bool) {
	open, ok := openLine(line)
	if !ok {
		return nil, 0, false
	}
	for before := len(envelopeKeys); ; {
		rest, key, value, ok := cutLast(open)
		rank := rankOfKey(key)
		switch {
		case !ok || rank < 0 || rank >= before:
			return nil, 0, false
		case rank == 0:
			return parseID(value)
		}
		open, before = rest, rank
	}
}

// openLine returns a line without its newline and last brace.
func openLine(line []byte) (open []byte, ok bool) {
	line = bytes.TrimRight(line, "\r\n")
	if len(line) < 2 || line[0] != '{' || line[len(line)-1] != '}' {
		return nil, false
	}
	return line[:len(line)-1], true
}

// parseID reads a quoted "<producer>/<seq>".
func parseID(quoted []byte) (producer []byte, seq uint64, ok bool) {
	id := quoted[1 : len(quoted)-1]
	slash := bytes.LastIndexByte(id, '/')
	digits := id[slash+1:]
	if slash < 0 || len(digits) == 0 || digits[0] == '0' || len(digits) > 20 {
		return nil, 0, false
	}
	for _, c := range digits {
		d := uint64(c - '0')
		if d > 9 || seq > (1<<64-1-d)/10 {
			return nil, 0, false
		}
		seq = seq*10 + d
	}
	return id[:slash], seq, true
}

// ParseLine returns the record of a line: of an archive, or of any program's
// output. It is valid as long as line is, which it may change.
func ParseLine(line []byte) (r Record) {
	r.SetLine(line)
	return r
}

// SetLine is ParseLine into r, whose memory and Keys it uses again. What
// AppendLine has added to the body is taken off it, so that AppendLine gives the
// line again. What stands further in front in a line is the body's, whatever it
// is called.
func (r *Record) SetLine(line []byte) {
	last := *r
	line = jsontext.TrimBody(line)
	*r = Record{Body: line, parts: r.parts, Keys: r.Keys, zone: r.zone}
	if open, ok := openLine(line); ok && jsontext.IsObject(line) {
		r.object = true
		r.readEnvelope(open, &last)
	}
}

// readEnvelope takes the envelope off a line, an object without its last brace.
func (r *Record) readEnvelope(open []byte, last *Record) {
	body := open
	var original []byte
	for before := len(envelopeKeys); before > 0; {
		rest, key, value, ok := cutLast(body)
		rank := rankOfKey(key)
		if !ok || rank < 0 || rank >= before || !r.setMember(rank, value, &original, last) {
			break
		}
		body, before = rest, rank
	}
	if len(body) == len(open) {
		return
	}
	at, message, isText := cutText(body)
	if isText && (original == nil || !jsontext.IsObject(original)) {
		r.object = false
		if at != nil {
			r.Received, _ = parseCanonical(at)
		}
		r.Body = original
		text := jsontext.Unquote(unsafe.String(&message[0], len(message)))
		if original == nil {
			r.Body = []byte(text)
		} else if encoding, ok := strings.CutPrefix(text, fmt.Sprintf("[%d bytes of ", len(original))); ok {
			r.Encoding = strings.TrimSuffix(encoding, "]")
		}
		return
	}
	if original != nil {
		r.Body, r.object = original, jsontext.IsObject(original)
		return
	}
	r.Body = append(body, '}') // over what followed
}

// setMember sets what a member of the envelope says. It reports whether it is
// one that AppendLine may have written.
func (r *Record) setMember(rank int, value []byte, original *[]byte, last *Record) bool {
	switch rank {
	case 0:
		if len(value) == len(`""`) {
			return true
		}
		producer, seq, ok := parseID(value)
		if ok {
			r.Producer, r.Seq = again(last.Producer, producer), seq
		}
		return ok
	case 1:
		r.App = again(last.App, value[1:len(value)-1])
		return r.App != ""
	case 2:
		r.Host = again(last.Host, value[1:len(value)-1])
		return r.Host != ""
	case 3:
		r.hint = again(last.hint, value[1:len(value)-1])
		return r.hint != ""
	case 4:
		t, ok := parseCanonical(value)
		if ok {
			r.Received = t
		}
		return ok
	}
	decoded, err := base64.StdEncoding.Strict().DecodeString(string(value[1 : len(value)-1]))
	if err == nil {
		*original = append([]byte{}, decoded...)
	}
	return err == nil
}

// again returns the text of JSON without its quotes: the last one, if it is the
// same.
func again(last string, inner []byte) string {
	if string(inner) == last {
		return last
	}
	if bytes.IndexByte(inner, '\\') < 0 {
		return string(inner)
	}
	return jsontext.Unquote(`"` + string(inner) + `"`)
}

// LineLevel returns the level of a line that slog has written, by its first three
// members alone: a look that costs a tenth of SetLine. It is ok only if the record
// of the line, with nil Keys, has that level for certain, and has its body as it
// stands in the line. Whether the rest of the line is valid is not looked at: if it
// is not, the record is a text of that level, without attributes, whose message is
// the line.
func LineLevel(line []byte) (text string, level slog.Level, ok bool) {
	line = jsontext.TrimBody(line)
	r := Record{Body: line, object: true}
	if text, level, ok = r.slogLevel(); !ok {
		return "", 0, false
	}
	if open, closed := openLine(line); closed {
		if _, key, _, _ := cutLast(open); bytes.Equal(key, base64Key) { // the body
			return "", 0, false
		}
	}
	return text, level, true
}
