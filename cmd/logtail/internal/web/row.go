package web

import (
	"strconv"
	"strings"

	"github.com/slogcast/slogcast/cmd/logtail/internal/view"
	"github.com/slogcast/slogcast/internal/jsontext"
	"github.com/slogcast/slogcast/sink"
	"github.com/slogcast/slogcast/sink/render"
)

// What a row takes in a page at most; all of the record is to be had at
// /api/record.
const (
	maxMessage = 2 << 10
	maxAttrs   = 2 << 10
	maxValue   = 512
	maxKey     = 128
)

// kinds are the names of a row's kind.
var kinds = map[view.Kind]string{
	view.Gap: "gap", view.Connected: "connected", view.Lost: "lost", view.Remark: "remark", view.Skipped: "skipped",
}

// appendRow appends a row as a line of NDJSON:
//
//	p position, k kind (none for a record), t time in ms since 1970 (none if
//	there is none), x text of other kinds, n how many rows or records it stands for
//
// and of a record
//
//	l level's name, v level as the record has it if that is another, m message,
//	s how many lines of a stack it has, a attributes (key, value, key, value …), y a letter for
//	the kind of each value, i app, h host, c true if something is cut
//
// Texts are safe to show: nothing in them is invisible or changes direction.
func appendRow(dst []byte, row *view.Row) []byte {
	dst = append(dst, `{"p":`...)
	dst = strconv.AppendUint(dst, row.Pos, 10)
	if !row.Time.IsZero() {
		dst = append(dst, `,"t":`...)
		dst = strconv.AppendInt(dst, row.Time.UnixMilli(), 10)
	}
	if row.Kind == view.Record {
		dst = appendRecord(dst, row.Record)
		return append(dst, '}', '\n')
	}
	dst = appendText(dst, "k", kinds[row.Kind])
	dst = appendText(dst, "x", cutTo(row.Text, maxMessage))
	count := row.Count
	if row.Gap != nil {
		count = row.Gap.Count()
	}
	if count > 0 {
		dst = strconv.AppendUint(append(dst, `,"n":`...), count, 10)
	}
	return append(dst, '}', '\n')
}

func appendRecord(dst []byte, r *sink.Record) []byte {
	dst = appendText(dst, "l", r.LevelName())
	if text := r.LevelText(); !strings.EqualFold(text, r.LevelName()) {
		dst = appendText(dst, "v", cutTo(text, maxKey))
	}
	message := r.Message()
	shown := cutTo(message, maxMessage)
	dst = appendText(dst, "m", shown)
	if r.App != "" {
		dst = appendText(dst, "i", r.App)
	}
	if r.Host != "" {
		dst = appendText(dst, "h", r.Host)
	}
	if stack := r.Stack(); stack != "" {
		dst = append(dst, `,"s":`...)
		dst = strconv.AppendInt(dst, int64(1+strings.Count(stack, "\n")), 10)
	}
	a := attrs{dst: append(dst, `,"a":[`...), left: maxAttrs}
	for _, attr := range r.Attrs() {
		a.add(attr.Key, attr.Value)
	}
	dst = append(append(append(a.dst, `],"y":"`...), a.kinds...), '"')
	if a.cut || len(shown) < len(message) {
		dst = append(dst, `,"c":true`...)
	}
	return dst
}

// attrs appends attributes, groups as their members with dotted keys, until there
// is no more room.
type attrs struct {
	dst   []byte
	kinds []byte
	left  int // bytes
	cut   bool
}

func (a *attrs) add(key string, value sink.Value) {
	if a.left <= 0 {
		a.cut = true
		return
	}
	kind := value.Kind()
	if kind == sink.Object && len(key) < maxKey && value != "{}" {
		for member, v := range value.Members() {
			if a.left <= 0 {
				a.cut = true
				return
			}
			a.add(key+"."+member, v)
		}
		return
	}
	k, v := cutTo(key, maxKey), cutTo(value.Text(), maxValue)
	a.cut = a.cut || len(k) < len(key) || len(v) < len(value.Text())
	if len(a.kinds) > 0 {
		a.dst = append(a.dst, ',')
	}
	a.dst = jsontext.AppendSafeString(a.dst, safe(k))
	a.dst = append(a.dst, ',')
	a.dst = jsontext.AppendSafeString(a.dst, safe(v))
	a.kinds = append(a.kinds, letter(kind))
	a.left -= len(k) + len(v) + 8
}

// letter is a kind in a page: a text, a number, true, false or null, or JSON.
func letter(kind sink.Kind) byte {
	switch kind {
	case sink.String:
		return 's'
	case sink.Number:
		return 'n'
	case sink.Bool, sink.Null:
		return 'b'
	}
	return 'j'
}

// appendText appends a member with a text that is safe to show.
func appendText(dst []byte, key, text string) []byte {
	dst = append(append(append(dst, ',', '"'), key...), '"', ':')
	return jsontext.AppendSafeString(dst, safe(text))
}

// safe is text as a page may show it. Its lines and tabs stay what they are.
func safe(text string) string {
	if plain(text) {
		return text
	}
	var b strings.Builder
	for {
		end := strings.IndexAny(text, "\n\t")
		if end < 0 {
			b.WriteString(render.Safe(text))
			return b.String()
		}
		b.WriteString(render.Safe(text[:end]))
		b.WriteByte(text[end])
		text = text[end+1:]
	}
}

// plain reports whether text is printable ASCII.
func plain(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

// cutTo cuts a text at so many bytes, between two characters.
func cutTo(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && text[most]&0xC0 == 0x80 {
		most--
	}
	return text[:most]
}
