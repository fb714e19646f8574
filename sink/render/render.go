// Package render shows records to people and programs: as lines to read, JSON,
// logfmt, the producers' own bytes, or by a template.
//
// # The promise
//
//   - Nothing of a record is left out unless the options ask for it, and numbers
//     are shown as the record has them.
//   - No text of a record controls the terminal, and none looks like a record of
//     its own: all of it passes appendSafe, and each line after a record's first
//     is marked or indented.
//   - The output is at most a constant times as large as the records.
//
// It does not filter or order records, and it starts no goroutines.
package render

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/slogcast/slogcast/internal/patterns"
	"github.com/slogcast/slogcast/sink"
)

// Format is a form of output.
type Format string

const (
	Pretty   Format = "pretty"   // a line for people; the default
	JSON     Format = "json"     // the line of an archive, see sink.Record.AppendLine
	Raw      Format = "raw"      // what the producer sent
	Logfmt   Format = "logfmt"   // key=value
	Template Format = "template" // Options.Template
)

// Formats are all forms of output.
func Formats() []Format { return []Format{Pretty, JSON, Raw, Logfmt, Template} }

// ParseFormat returns the format of the name.
func ParseFormat(name string) (Format, error) {
	if f := Format(name); slices.Contains(Formats(), f) {
		return f, nil
	}
	return "", fmt.Errorf("unknown output %q, want pretty, json, raw, logfmt or template", name)
}

// Options are the settings of a Terminal. The zero value renders lines for
// people without colours.
type Options struct {
	// Format is the form of output. If empty, Pretty.
	Format Format

	// Template is what ParseTemplate has made of a template, for Format Template.
	Template *RecordTemplate

	// Escape says that the output is a terminal: Raw and Template, too, are kept
	// from controlling it. The other formats never do.
	Escape bool

	// Color uses the terminal's 16 colours, so that its theme decides how they
	// look. Light chooses those that can be read on a light background.
	Color, Light bool

	// Links makes the source of a record a hyperlink (OSC 8) to its file.
	Links bool

	// Hide and Show choose attributes in Pretty and Logfmt by dotted key, with *
	// and ? as wild cards; a group goes with all that is in it. Show alone leaves
	// nothing else; beside Hide it names exceptions from it. Hide also takes time,
	// level, app and msg, the columns of a line.
	Hide, Show []string

	// Time is the layout of times in Pretty, as ParseTime returns it. If empty,
	// 15:04:05.000, with the date when it is not today's.
	Time string

	// UTC shows times in UTC instead of the local zone. Logfmt and templates
	// follow it.
	UTC bool

	// Width is that of the terminal in columns: longer lines are wrapped and
	// indented, or, with Truncate, cut. If zero, there is no limit.
	Width    int
	Truncate bool

	// Fold counts records that look like the one before instead of showing them.
	// Call Flush to have the count shown before another record comes.
	Fold bool

	// Highlight marks what matches any of these in messages, keys and values,
	// where there are colours.
	Highlight []*regexp.Regexp

	// Now tells the time. If nil, time.Now.
	Now func() time.Time
}

// Terminal is a sink.Writer that renders records. The lines of one Write reach
// the writer in one call. It is for one goroutine at a time.
type Terminal struct {
	w    io.Writer
	opts Options
	zone *time.Location

	highlight *patterns.Set

	buf   []byte // lines of this Write; reused
	line  liner
	clock clock
	apps  apps
	fold  fold
}

// New returns a Terminal that writes to w.
func New(w io.Writer, opts Options) *Terminal {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	opts.Hide, opts.Show = slices.Clone(opts.Hide), slices.Clone(opts.Show)
	t := &Terminal{w: w, opts: opts, zone: time.Local, highlight: patterns.New(opts.Highlight)}
	if opts.UTC {
		t.zone = time.UTC
	}
	t.clock = clock{layout: opts.Time, zone: t.zone}
	t.apps = newApps(opts.Light)
	return t
}

// Write renders the records. They are safe in the sense of sink.Writer once w
// has taken them.
func (t *Terminal) Write(_ context.Context, records []sink.Record) error {
	t.buf = t.buf[:0]
	now := t.opts.Now()
	for i := range records {
		r := &records[i]
		switch t.opts.Format {
		case JSON:
			t.appendJSON(r)
		case Raw:
			t.appendRaw(r)
		case Logfmt:
			t.appendLogfmt(r)
		case Template:
			t.appendTemplate(r)
		default:
			t.appendPretty(r, now)
		}
	}
	return t.write()
}

// Separate writes a line of two dashes, as grep puts between contexts, where the
// format is for people.
func (t *Terminal) Separate() error {
	if f := t.opts.Format; f != Pretty && f != "" {
		return nil
	}
	t.buf = t.buf[:0]
	t.endFold()
	t.put(dim, "--")
	t.buf = append(t.buf, '\n')
	return t.write()
}

// Flush writes how often the last record was repeated since that was last said.
func (t *Terminal) Flush() error {
	t.buf = t.buf[:0]
	t.endFold()
	return t.write()
}

// SetWidth tells of a terminal that has another width now.
func (t *Terminal) SetWidth(columns int) { t.opts.Width = columns }

func (t *Terminal) write() error {
	if len(t.buf) == 0 {
		return nil
	}
	if _, err := t.w.Write(t.buf); err != nil {
		return fmt.Errorf("write records: %w", err)
	}
	return nil
}

func (t *Terminal) appendJSON(r *sink.Record) {
	start := len(t.buf)
	t.buf = r.AppendLine(t.buf)
	line := t.buf[start : len(t.buf)-1]
	if isPlain(view(line)) {
		return
	}
	t.line.text = append(t.line.text[:0], line...)
	t.buf = append(appendSafeJSON(t.buf[:start], view(t.line.text)), '\n')
}

func (t *Terminal) appendRaw(r *sink.Record) {
	switch {
	case !t.opts.Escape:
		t.buf = append(t.buf, r.Body...)
	case r.Object():
		t.buf = appendSafeJSON(t.buf, view(r.Body))
	default:
		t.buf = appendLines(t.buf, string(r.Body))
	}
	t.buf = append(t.buf, '\n')
}

// appendLines appends safe text with its line ends and tabs kept.
func appendLines(dst []byte, text string) []byte {
	for len(text) > 0 {
		i := strings.IndexAny(text, "\n\t")
		if i < 0 {
			return appendSafe(dst, text)
		}
		dst = append(appendSafe(dst, trimReturn(text[:i], text[i])), text[i])
		text = text[i+1:]
	}
	return dst
}

// trimReturn drops a carriage return before a line feed.
func trimReturn(text string, end byte) string {
	if end != '\n' {
		return text
	}
	return strings.TrimSuffix(text, "\r")
}
