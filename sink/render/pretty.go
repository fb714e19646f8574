// Package render shows records to people and programs.
package render

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"path"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/slogcast/slogcast/internal/jsontext"
	"github.com/slogcast/slogcast/sink"
)

// Options are the settings of a Terminal. The zero value renders lines
// for people without colours.
type Options struct {
	// Color uses the terminal's 16 colours, so that its theme decides how they
	// look.
	Color bool

	// JSON writes each record as a line of an archive, see Record.AppendLine.
	JSON bool

	// Escape escapes what could control a terminal in JSON lines. Lines for
	// people are always free of it.
	Escape bool
}

// Terminal is a Writer that renders records: one line a record, with time,
// level, app, message and attributes. Text of several lines, a stack trace say,
// follows below, marked so that it can't pass for records. The lines of one
// Write reach w in one call.
type Terminal struct {
	w    io.Writer
	opts Options

	buf    []byte         // reused
	quoted []byte         // reused
	tails  []block        // of the record at hand
	apps   map[string]int // color of each app, by order of appearance
	appCol int            // width of the app column so far
}

// block is text of several lines, to follow its record.
type block struct{ key, text string }

// New returns a Terminal that writes to w.
func New(w io.Writer, opts Options) *Terminal {
	return &Terminal{w: w, opts: opts, apps: make(map[string]int)}
}

// Write renders the records. It is safe in the sense of Writer once w has
// taken them.
func (t *Terminal) Write(_ context.Context, records []sink.Record) error {
	t.buf = t.buf[:0]
	for i := range records {
		switch r := &records[i]; {
		case !t.opts.JSON:
			t.appendRecord(r)
		case t.opts.Escape:
			line := r.AppendLine(nil)
			t.buf = append(appendSafeJSON(t.buf, line[:len(line)-1]), '\n')
		default:
			t.buf = r.AppendLine(t.buf)
		}
	}
	if _, err := t.w.Write(t.buf); err != nil {
		return fmt.Errorf("write records: %w", err)
	}
	return nil
}

// style is an SGR parameter (ECMA-48 section 8.3.117).
type style string

const (
	dim    style = "2"
	bold   style = "1"
	red    style = "31"
	yellow style = "33"
	cyan   style = "36"
	loud   style = "1;37;41"
)

// appStyles tell apps apart. Red and yellow are left to levels.
var appStyles = []style{"32", "35", "34", "36", "92", "95", "94", "96"}

// open begins a style, close ends it.
func (t *Terminal) open(s style) {
	if t.opts.Color && s != "" {
		t.buf = append(append(append(t.buf, "\x1b["...), s...), 'm')
	}
}

func (t *Terminal) close(s style) {
	if t.opts.Color && s != "" {
		t.buf = append(t.buf, "\x1b[0m"...)
	}
}

// put appends text in a style.
func (t *Terminal) put(s style, text string) {
	t.open(s)
	t.buf = appendSafe(t.buf, text)
	t.close(s)
}

func (t *Terminal) appendRecord(r *sink.Record) {
	t.tails = t.tails[:0]
	t.appendTime(r.Time())
	level, ok := r.Level()
	t.appendLevel(r.LevelText(), level, ok)
	t.appendApp(r.App)
	messageStyle := bold
	if ok && level < slog.LevelInfo {
		messageStyle = ""
	}
	first, more, several := strings.Cut(trimLines(r.Message()), "\n")
	t.put(messageStyle, strings.TrimSuffix(first, "\r"))
	if several {
		t.tails = append(t.tails, block{text: more})
	}
	attrs := r.Attrs()
	if len(attrs) > 0 {
		t.buf = append(t.buf, ' ') // a second one sets them apart
	}
	for _, a := range attrs {
		t.appendAttr(a.Key, a.Value, 0)
	}
	if stack := r.Stack(); stack != "" {
		t.tails = append(t.tails, block{"stack", stack})
	}
	t.buf = append(bytes.TrimRight(t.buf, " "), '\n')
	for _, b := range t.tails {
		t.appendBlock(b)
	}
}

func (t *Terminal) appendTime(at time.Time, own bool) {
	t.open(dim)
	if !own {
		t.buf = append(t.buf, '~') // not the record's own time
	}
	t.buf = at.Local().AppendFormat(t.buf, "15:04:05.000")
	if !own {
		t.buf = t.buf[:len(t.buf)-1]
	}
	t.close(dim)
	t.buf = append(t.buf, ' ')
}

// appendLevel appends a level in five columns, or more when it has an offset.
// Without a name, and under one that is none, it has no style.
func (t *Terminal) appendLevel(name string, l slog.Level, known bool) {
	s := dim
	switch {
	case name == "" || !known:
		s = ""
	case l > slog.LevelError:
		s = loud
	case l >= slog.LevelError:
		s = red
	case l >= slog.LevelWarn:
		s = yellow
	case l >= slog.LevelInfo:
		s = cyan
	}
	switch {
	case !known:
		name = fmt.Sprintf("%.12s", name)
	case name != "" && l%4 == 0 && l >= slog.LevelDebug && l <= slog.LevelError:
		name = l.String() // also for "warning" and the like
	default:
		name = strings.ToUpper(name)
	}
	t.open(s)
	t.buf = appendSafe(t.buf, name)
	for range 5 - utf8.RuneCountInString(name) {
		t.buf = append(t.buf, ' ')
	}
	t.close(s)
	t.buf = append(t.buf, ' ')
}

// appendApp appends the app in a column that grows up to 16.
func (t *Terminal) appendApp(app string) {
	const widest = 16
	if app == "" && t.appCol == 0 {
		return
	}
	index, ok := t.apps[app]
	if !ok {
		index = len(t.apps)
		if index < 1024 { // more are none that a person tells apart
			t.apps[app] = index
		}
	}
	t.put(appStyles[index%len(appStyles)], app)
	width := utf8.RuneCountInString(app)
	t.appCol = max(t.appCol, min(width, widest))
	for range max(0, t.appCol-width) + 1 {
		t.buf = append(t.buf, ' ')
	}
}

// maxNesting is how deep groups are taken apart; what is deeper is shown as
// JSON.
const maxNesting = 16

func (t *Terminal) appendAttr(key string, value sink.Value, depth int) {
	if value[0] == '{' && jsontext.SkipSpace(value[1:])[0] != '}' && depth < maxNesting {
		if depth == 0 && key == slog.SourceKey && t.appendSource(value) {
			return
		}
		for k, v := range value.Members() {
			t.appendAttr(key+"."+k, v, depth+1)
		}
		return
	}
	s := value.Text()
	if value[0] == '"' && strings.Contains(trimLines(s), "\n") {
		t.tails = append(t.tails, block{key, s})
		return
	}
	t.buf = append(t.buf, ' ')
	if needsQuotes(key) {
		key = strconv.Quote(key)
	}
	t.open(dim)
	t.buf = append(appendSafe(t.buf, key), '=')
	t.close(dim)
	valueStyle := style("")
	if strings.HasSuffix(key, "err") || strings.HasSuffix(key, "error") {
		valueStyle = red
	}
	switch {
	case value[0] == '"' && needsQuotes(s):
		t.quoted = strconv.AppendQuote(t.quoted[:0], s)
		t.open(valueStyle)
		t.buf = appendSafe(t.buf, t.quoted)
		t.close(valueStyle)
	case value[0] == '"':
		t.put(valueStyle, s)
	case value[0] == '{' || value[0] == '[':
		var compact bytes.Buffer
		_ = json.Compact(&compact, []byte(value)) // it is valid
		t.put(valueStyle, compact.String())
	default:
		t.put(valueStyle, string(value))
	}
}

// appendSource appends slog's call site as file:line.
func (t *Terminal) appendSource(value sink.Value) bool {
	var file, line string
	for k, v := range value.Members() {
		switch k {
		case "file":
			file = v.Text()
		case "line":
			line = v.Text()
		}
	}
	if file == "" {
		return false
	}
	dir, base := path.Split(file)
	t.buf = append(t.buf, ' ')
	t.put(dim, slog.SourceKey+"=")
	t.put("", path.Join(path.Base(dir), base)+":"+line)
	return true
}

// trimLines cuts the ends of lines off the end of s.
func trimLines(s string) string {
	for len(s) > 0 && (s[len(s)-1] == '\n' || s[len(s)-1] == '\r') {
		s = s[:len(s)-1]
	}
	return s
}

// bare tells the characters that can't be taken for anything else.
var bare = func() (t [utf8.RuneSelf * 2]bool) {
	for b := '!'; b < 0x7f; b++ {
		t[b] = b != '"' && b != '=' && b != '\\'
	}
	return t
}()

// needsQuotes reports whether a value could be taken for something else.
func needsQuotes(s string) bool {
	for i := range len(s) {
		if !bare[s[i]] {
			// Beyond ASCII it takes a closer look.
			return strings.ContainsFunc(s, func(r rune) bool { return r < utf8.RuneSelf && !bare[r] || !safe(r) })
		}
	}
	return s == ""
}

// appendBlock appends text of several lines, each marked.
func (t *Terminal) appendBlock(b block) {
	mark := func() {
		t.buf = append(t.buf, "             "...) // below the level
		t.put(dim, "│ ")
	}
	indent := ""
	if b.key != "" {
		mark()
		t.put(dim, b.key+":")
		t.buf = append(t.buf, '\n')
		indent = "  "
	}
	for line := range strings.SplitSeq(trimLines(b.text), "\n") {
		mark()
		t.buf = append(t.buf, indent...)
		t.put("", strings.ReplaceAll(strings.TrimSuffix(line, "\r"), "\t", "    "))
		t.buf = append(t.buf, '\n')
	}
}
