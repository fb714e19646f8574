package sink

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/slogcast/slogcast/internal/envelope"
	"github.com/slogcast/slogcast/internal/jsontext"
)

// Record is one log record as it came from the broker.
type Record struct {
	// Body is what the producer sent: for a slogcast handler the JSON object
	// that slog.JSONHandler would have written. Other programs may send anything.
	// It is valid until Write returns.
	Body []byte

	Producer string    // UUID of the handler, empty for other programs
	Seq      uint64    // its sequence number, 0 when unknown
	App      string    // AMQP property app-id
	Host     string    // header host
	Sent     time.Time // AMQP property timestamp, whole seconds; zero when missing
	Received time.Time
	Encoding string // AMQP property content-encoding: "gzip", say; not undone

	object  bool   // Body is one JSON object
	decoded bool   // parts is of this record
	parts   *parts // set by decode; its memory is used again
}

// ID returns "<producer>/<seq>", or "" when the record has none.
func (r *Record) ID() string {
	if r.Seq == 0 {
		return ""
	}
	return envelope.MessageID(r.Producer, r.Seq)
}

// ParseLine returns the record of a line: of an archive, or of any program's
// output. It is valid as long as line is, which it may change.
func ParseLine(line []byte) (r Record) {
	r.SetLine(line)
	return r
}

// SetLine is ParseLine into r, whose memory it uses again.
func (r *Record) SetLine(line []byte) {
	*r = Record{Body: line, object: jsontext.IsObject(line), parts: r.parts}
}

// Clone returns a copy that stays valid.
func (r *Record) Clone() Record {
	c := *r
	c.Body = bytes.Clone(r.Body)
	c.decoded, c.parts = false, nil
	return c
}

// Object reports whether Body is one JSON object.
func (r *Record) Object() bool { return r.object }

// Time returns when the record was made. It is not its own time, but that of the
// message or of its arrival, when the record has none that can be read.
func (r *Record) Time() (t time.Time, own bool) {
	p := r.decode()
	return p.time, !p.guessed
}

// Level returns the record's level on slog's scale, slog.LevelInfo for a record
// that has none. It is not known when the record has one that can't be ranked.
func (r *Record) Level() (l slog.Level, known bool) {
	text := r.decode().level
	if text == "" {
		return slog.LevelInfo, true
	}
	return parseLevel(text)
}

// LevelName returns trace, debug, info, warn, error or fatal, whatever the
// record's logger calls it, and "" for a record without a level or with one that
// can't be ranked.
func (r *Record) LevelName() string {
	l, known := r.Level()
	switch {
	case !known || r.LevelText() == "":
		return ""
	case l < slog.LevelDebug:
		return "trace"
	case l < slog.LevelInfo:
		return "debug"
	case l < slog.LevelWarn:
		return "info"
	case l < slog.LevelError:
		return "warn"
	case l < slog.LevelError+4:
		return "error"
	}
	return "fatal"
}

// LevelText returns the level as the record has it, "" when it has none.
func (r *Record) LevelText() string { return r.decode().level }

// Message returns the record's message, which may have several lines.
func (r *Record) Message() string { return r.decode().message }

// Attrs returns what is at the top of the record but for its time, level and
// message, in the record's order, duplicates included. They are valid as long as
// Body is.
func (r *Record) Attrs() []Attr { return r.decode().attrs }

// AppendLine appends the record as a line of an archive: the body, if it is a
// JSON object, with what the envelope says as its last members. Any other body
// becomes the message of a new object; one that is not UTF-8 is kept whole as
// "@base64", too. The line ends in a newline and holds no
// other.
func (r *Record) AppendLine(dst []byte) []byte {
	dst = r.appendOpen(dst)
	if r.Seq != 0 {
		dst = appendMember(dst, "@id", r.Producer)
		dst[len(dst)-1] = '/' // in place of the quote
		dst = append(strconv.AppendUint(dst, r.Seq, 10), '"')
	}
	if r.App != "" {
		dst = appendMember(dst, "@app", r.App)
	}
	if r.Host != "" {
		dst = appendMember(dst, "@host", r.Host)
	}
	return append(dst, '}', '\n')
}

// appendOpen appends the record as a JSON object without its last brace.
func (r *Record) appendOpen(dst []byte) []byte {
	if !r.object {
		dst = append(dst, `{"time":`...)
		dst = append(r.Received.AppendFormat(append(dst, '"'), time.RFC3339Nano), '"')
		dst = appendMember(dst, "msg", r.text())
		if !utf8.Valid(r.Body) {
			dst = appendMember(dst, "@base64", base64.StdEncoding.EncodeToString(r.Body))
		}
		return dst
	}
	body := bytes.TrimSpace(r.Body)
	if bytes.IndexByte(body, '\n') >= 0 || bytes.IndexByte(body, '\r') >= 0 {
		var compact bytes.Buffer
		if json.Compact(&compact, body) == nil {
			body = compact.Bytes()
		}
	}
	return append(dst, bytes.TrimSuffix(body, []byte{'}'})...)
}

// text returns a body that is not a JSON object as a message.
func (r *Record) text() string {
	if r.Encoding != "" && !utf8.Valid(r.Body) {
		return fmt.Sprintf("[%d bytes of %s]", len(r.Body), r.Encoding)
	}
	return strings.ToValidUTF8(string(r.Body), "\uFFFD")
}

// appendMember appends a member to an object that is open at the end of dst.
func appendMember(dst []byte, key, value string) []byte {
	return jsontext.AppendString(appendKey(dst, key), value)
}

func appendKey(dst []byte, key string) []byte {
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	return append(jsontext.AppendString(dst, key), ':')
}

// parts is what a viewer makes of a record.
type parts struct {
	time    time.Time
	guessed bool // time is the message's, or that of arrival
	level   string
	message string
	attrs   []Attr
}

// Names under which loggers other than slog keep what slog calls time, level
// and msg.
var (
	timeKeys    = []string{"time", "ts", "timestamp", "@timestamp"}
	levelKeys   = []string{"level", "severity", "lvl"}
	messageKeys = []string{"msg", "message"}
)

// decode takes the record apart, once.
func (r *Record) decode() *parts {
	if r.parts == nil {
		r.parts = &parts{attrs: make([]Attr, 0, 16)}
	}
	if !r.decoded {
		r.parts.read(r)
		r.decoded = true
	}
	return r.parts
}

// read takes r apart, into the memory that d has. Of several members with the
// key of a built-in the first is the built-in, as an attribute of the same name
// can only come later; the others are shown as attributes.
func (d *parts) read(r *Record) {
	*d = parts{attrs: d.attrs[:0]}
	if !r.object {
		d.message = r.text()
	} else {
		// No copy: what is read lives no longer than Body, which nobody changes.
		for key, value := range jsontext.Members(unsafe.String(&r.Body[0], len(r.Body))) {
			d.attrs = append(d.attrs, Attr{jsontext.Unquote(key), Value(value)})
		}
		d.readBuiltins()
	}
	if d.time.IsZero() {
		d.guessed = true
		d.time = r.Received
		if !r.Sent.IsZero() {
			d.time = r.Sent
		}
	}
}

// readBuiltins moves time, level and message out of the attributes.
func (d *parts) readBuiltins() {
	t := d.find(timeKeys, func(v string) (ok bool) {
		d.time, ok = parseTime(v)
		return ok
	})
	l := d.find(levelKeys, func(v string) bool { return v[0] == '"' || '0' <= v[0] && v[0] <= '9' })
	if l >= 0 {
		d.level = d.attrs[l].Value.Text()
	}
	m := d.find(messageKeys, func(string) bool { return true })
	if m >= 0 {
		d.message = d.attrs[m].Value.Text()
	}
	kept := d.attrs[:0]
	for i, a := range d.attrs {
		if i != t && i != l && i != m {
			kept = append(kept, a)
		}
	}
	d.attrs = kept
}

// find returns the index of the first attribute with one of the keys, the
// earlier key preferred, whose value is of use, or -1.
func (d *parts) find(keys []string, useful func(value string) bool) int {
	for _, key := range keys {
		for i := range d.attrs {
			if d.attrs[i].Key != key {
				continue
			}
			if useful(string(d.attrs[i].Value)) {
				return i
			}
			break
		}
	}
	return -1
}

// parseTime reads RFC 3339, or a Unix time in seconds, milliseconds,
// microseconds or nanoseconds, told apart by their size.
func parseTime(value string) (time.Time, bool) {
	if value[0] == '"' {
		t, err := time.Parse(time.RFC3339Nano, jsontext.Unquote(value))
		return t, err == nil
	}
	n, err := strconv.ParseFloat(value, 64)
	if err != nil || n <= 0 {
		return time.Time{}, false
	}
	for n >= 1e11 {
		n /= 1000
	}
	return time.UnixMicro(int64(n * 1e6)), true
}

// levelNames are what other loggers call their levels.
var levelNames = map[string]slog.Level{
	"trace":    slog.LevelDebug - 4,
	"notice":   slog.LevelInfo + 2,
	"warning":  slog.LevelWarn,
	"err":      slog.LevelError,
	"critical": slog.LevelError + 4,
	"fatal":    slog.LevelError + 4,
	"panic":    slog.LevelError + 4,
}

// parseLevel reads a level's name in any case, with slog's offsets.
func parseLevel(name string) (slog.Level, bool) {
	switch name {
	case "DEBUG":
		return slog.LevelDebug, true
	case "INFO":
		return slog.LevelInfo, true
	case "WARN":
		return slog.LevelWarn, true
	case "ERROR":
		return slog.LevelError, true
	}
	if l, ok := levelNames[strings.ToLower(name)]; ok {
		return l, true
	}
	var l slog.Level
	if l.UnmarshalText([]byte(name)) != nil {
		return slog.LevelInfo, false
	}
	return l, true
}
