package sink

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unsafe"

	"github.com/slogcast/slogcast/internal/envelope"
	"github.com/slogcast/slogcast/internal/jsontext"
)

// Record is one log record, as it came from the broker or from a line.
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
	Encoding string // AMQP property content-encoding: "zstd", say, where it is not undone
	Key      string // routing key, where it is not that of a handler
	Headers  Value  // the message's other headers, a JSON object; "" for none

	// Keys say where else to look for level, message and time. It belongs to the
	// source, and is the same for all of its records. May be nil.
	Keys *Keys

	object  bool           // Body is one JSON object
	decoded bool           // parts is of this record
	parts   *parts         // set by decode; its memory is used again
	zone    *time.Location // of times without one; if nil, time.Local
	hint    string         // "@level": of headers or routing key, where they are not known any more
}

// ID returns "<producer>/<seq>", or "" when the record has none.
func (r *Record) ID() string {
	if r.Seq == 0 {
		return ""
	}
	return envelope.MessageID(r.Producer, r.Seq)
}

// Clone returns a copy that stays valid.
func (r *Record) Clone() Record {
	c := *r
	c.Body = bytes.Clone(r.Body)
	c.Body = c.Body[:len(c.Body):len(c.Body)]
	c.decoded, c.parts = false, nil
	return c
}

// Object reports whether Body is one JSON object.
func (r *Record) Object() bool { return r.object }

// Time returns when the record was made. It is not its own time, but that of the
// message or of its arrival, when the record has none that can be read.
func (r *Record) Time() (t time.Time, own bool) {
	p := r.decode()
	return p.time, p.own
}

// Level returns the record's level on slog's scale, slog.LevelInfo for a record
// that has none. It is not known when the record has one that can't be ranked.
func (r *Record) Level() (l slog.Level, known bool) {
	if _, l, ok := r.slogLevel(); ok {
		return l, true
	}
	p := r.decode()
	if !p.ranked {
		return slog.LevelInfo, false
	}
	return p.level, true
}

// slogLevel returns the level of a record that slog has written, without taking
// the rest apart: most of those that a filter looks at are not shown. It is ok
// only where readSlog would say the same.
func (r *Record) slogLevel() (text string, l slog.Level, ok bool) {
	const levelStart, msgStart = `","level":"`, `","msg":"`
	if r.decoded || !r.startsWithTime() {
		return "", 0, false
	}
	rest := r.Body[len(`{"time":"`):]
	rest = rest[bytes.IndexByte(rest, '"'):]
	if len(rest) < len(levelStart) || string(rest[:len(levelStart)]) != levelStart {
		return "", 0, false
	}
	rest = rest[len(levelStart):]
	end := bytes.IndexByte(rest, '"')
	if end < 0 { // LineLevel looks at what is no JSON, too
		return "", 0, false
	}
	after := rest[end:]
	if len(after) <= len(msgStart) || string(after[:len(msgStart)]) != msgStart || after[len(msgStart)] == '"' || bytes.IndexByte(rest[:end], '\\') >= 0 {
		return "", 0, false
	}
	text = unsafe.String(unsafe.SliceData(rest), end)
	l, ok = parseLevel(text)
	return text, l, ok
}

// LevelName returns trace, debug, info, warn, error or fatal, whatever the
// record's logger calls it, and "" for a record without a level or with one that
// can't be ranked.
func (r *Record) LevelName() string {
	p := r.decode()
	if !p.ranked || p.levelText == "" {
		return ""
	}
	return levelName(p.level)
}

// LevelText returns the level as the record has it, "" when it has none.
func (r *Record) LevelText() string {
	if text, _, ok := r.slogLevel(); ok {
		return text
	}
	return r.decode().levelText
}

// Message returns the record's message, which may have several lines, without what
// sets colours in it.
func (r *Record) Message() string { return stripColor(r.decode().message) }

// Stack returns the lines of the stack trace, or of what else the record has of
// that kind, with \n between them: one text, or an array of lines or frames. It
// is "" when there is none. It is not among Attrs; a second one is.
func (r *Record) Stack() string { return r.decode().stack }

// Attrs returns what is at the top of the record but for its time, level,
// message and stack, in the record's order, duplicates included. Of a group that
// one of these was in, the rest is left. They are valid as long as Body is.
func (r *Record) Attrs() []Attr { return r.decode().attrs }

// arrival returns when the record came, or its message was sent.
func (r *Record) arrival() time.Time {
	if plausible(r.Sent) {
		return r.Sent
	}
	return r.Received
}

// text returns a body that is not a JSON object as a message.
func (r *Record) text() string {
	if envelope.Coded(r.Encoding) {
		return fmt.Sprintf("[%d bytes of %s]", len(r.Body), r.Encoding)
	}
	return strings.ToValidUTF8(string(r.Body), "\uFFFD")
}

// parts is what a viewer makes of a record.
type parts struct {
	time       time.Time
	own        bool // time is the record's own
	level      slog.Level
	levelText  string
	ranked     bool // level is what levelText says, or the record has none
	hinted     bool // the level is not the record's own: see levelHint
	message    string
	stack      string
	stackKey   string // where stack was found, for Lookup
	stackValue Value
	attrs      []Attr // a part of all

	all  []Attr     // its memory is used again
	uses []*dialect // of all

	places map[string]*time.Location // see clock.place; kept from record to record
}

// decode takes the record apart, once.
func (r *Record) decode() *parts {
	if r.parts == nil {
		r.parts = &parts{all: make([]Attr, 0, 16)}
	}
	if !r.decoded {
		r.parts.read(r)
		r.decoded = true
	}
	return r.parts
}

// reset makes d that of a record without anything. Memory for very many
// attributes is not kept for the next one.
func (d *parts) reset() {
	const most = 128
	if cap(d.all) > most {
		d.all, d.uses = make([]Attr, 0, 16), nil
	}
	*d = parts{all: d.all[:0], uses: d.uses[:0], ranked: true, places: d.places}
}

// split adds the members of object.
func (d *parts) split(object string) {
	for key, value := range jsontext.Members(object) {
		d.all = append(d.all, Attr{jsontext.Unquote(key), Value(value)})
	}
}

// read takes r apart, into the memory that d has. Of several members with the
// key of a built-in the first is the built-in, as an attribute of the same name
// can only come later; the others are shown as attributes.
func (d *parts) read(r *Record) {
	d.reset()
	if !r.object {
		d.readText(r, r.text())
		if strings.HasPrefix(d.message, "{") && d.levelText == "" {
			d.unwrap(r, "", 0)
		}
	} else {
		// No copy: what is read lives no longer than Body, which nobody changes.
		d.split(unsafe.String(&r.Body[0], len(r.Body)))
		d.readMembers(r, 0)
	}
	if d.stack == "" {
		d.message, d.stack = cutStack(d.message)
	}
	if !d.own {
		d.time = r.arrival()
	}
	if d.levelText == "" && d.ranked {
		d.levelText = r.levelHint()
		if d.hinted = d.levelText != ""; d.hinted {
			d.level, d.ranked = rankName(d.levelText, nil)
		}
	}
}

// levelHint returns what the message around the record says of its level: the
// header "level", or the end of the routing key.
func (r *Record) levelHint() string {
	if r.hint != "" {
		return r.hint
	}
	if r.Headers != "" {
		for _, key := range []string{"level", "severity", "log_level"} {
			if v, ok := first(r.Headers, key); ok && v[0] == '"' {
				return v.Text()
			}
		}
	}
	if dot := strings.LastIndexByte(r.Key, '.'); dot >= 0 {
		if _, ok := rankName(r.Key[dot+1:], nil); ok && len(r.Key)-dot > 2 {
			return r.Key[dot+1:]
		}
	}
	return ""
}
