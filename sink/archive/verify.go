package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slogcast/slogcast/internal/jsontext"
	"github.com/slogcast/slogcast/sink"
)

// Counts are what Verify finds in a file, or in all.
type Counts struct {
	Records int64     `json:"records"` // lines that are whole
	Bytes   int64     `json:"bytes"`   // of all lines, decompressed
	First   time.Time `json:"first,omitzero"`
	Last    time.Time `json:"last,omitzero"`
	Torn    int64     `json:"torn"`    // lines that are no JSON object
	Foreign int64     `json:"foreign"` // records without an id
}

func (c *Counts) see(t time.Time) {
	if c.First.IsZero() || t.Before(c.First) {
		c.First = t
	}
	if t.After(c.Last) {
		c.Last = t
	}
}

func (c *Counts) add(of Counts) {
	c.Records, c.Bytes, c.Torn, c.Foreign = c.Records+of.Records, c.Bytes+of.Bytes, c.Torn+of.Torn, c.Foreign+of.Foreign
	if of.Records > 0 && !of.First.IsZero() {
		c.see(of.First)
		c.see(of.Last)
	}
}

// FileReport is what Verify found in a file.
type FileReport struct {
	Path string `json:"path"`
	Counts
	Problem string `json:"problem,omitempty"` // it could not be read to its end
}

// Range is a range of sequence numbers, both ends included.
type Range struct {
	First uint64 `json:"first"`
	Last  uint64 `json:"last"`
}

// ProducerReport is what Verify found of a producer.
type ProducerReport struct {
	Producer   string  `json:"producer"`
	App        string  `json:"app,omitempty"`
	Host       string  `json:"host,omitempty"`
	Records    int64   `json:"records"`    // different ones
	First      uint64  `json:"first"`      // lowest sequence number
	Last       uint64  `json:"last"`       // highest
	Missing    uint64  `json:"missing"`    // between them
	Gaps       []Range `json:"gaps"`       // what is missing; the first 1000
	Duplicates int64   `json:"duplicates"` // records that are there again
}

// Report is what Verify found.
type Report struct {
	Files      []FileReport     `json:"files"`
	Total      Counts           `json:"total"`
	Producers  []ProducerReport `json:"producers"`
	Missing    uint64           `json:"missing"`
	Duplicates int64            `json:"duplicates"`
	Declared   uint64           `json:"declared"` // what producers say they have dropped
	Problems   int              `json:"problems"` // files that could not be read to their end
}

// Whole reports whether nothing is missing, torn or damaged. Duplicates do no
// harm.
func (r *Report) Whole() bool { return r.Missing == 0 && r.Total.Torn == 0 && r.Problems == 0 }

// Verify reads archives and accounts for their records. Of the ids it trusts the
// archive's own, at the end of a line, alone. All sources are taken as parts of one
// archive. Its memory grows with the number of producers and gaps.
func Verify(ctx context.Context, sources []Source, opts ReadOptions) (*Report, error) {
	v := &verifier{opts: &opts, producers: make(map[string]*seen)}
	for _, s := range sources {
		files := s.files
		if files == nil && opts.Input != nil {
			files = []segment{{}}
		}
		for _, f := range files {
			if err := v.file(ctx, s, f); err != nil {
				return nil, err
			}
		}
	}
	return v.finish(), nil
}

type verifier struct {
	opts      *ReadOptions
	report    Report
	producers map[string]*seen
	last      *seen // of the line before
	record    sink.Record
	read      int64
}

// seen is what was seen of a producer.
type seen struct {
	id, app, host string
	spans         []Range // in order, with something between any two
	duplicates    int64
}

// file reads one file.
func (v *verifier) file(ctx context.Context, s Source, f segment) error {
	path := f.path
	var lines *lineReader
	var err error
	if path == "" {
		path = s.Name
		lines, err = newLineReader(path, v.opts.Input)
	} else {
		lines, err = openSegment(f)
	}
	report := FileReport{Path: path}
	if err == nil {
		err = v.lines(ctx, lines, &report.Counts)
		err = errors.Join(err, lines.Close())
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		report.Problem = err.Error()
		v.report.Problems++
	}
	v.report.Files = append(v.report.Files, report)
	v.report.Total.add(report.Counts)
	return nil
}

func (v *verifier) lines(ctx context.Context, lines *lineReader, c *Counts) error {
	for n := 0; ; n++ {
		if n%1024 == 0 {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if v.opts.OnProgress != nil {
				v.opts.OnProgress(v.read)
			}
		}
		line, err := lines.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		length := int64(len(line.text)) + 1
		if line.torn {
			length--
		}
		v.read += length
		c.Bytes += length
		v.line(line, c)
	}
}

// line accounts for a line.
func (v *verifier) line(l line, c *Counts) {
	if len(bytes.TrimSpace(l.text)) == 0 && !l.torn {
		return
	}
	if l.torn || !jsontext.IsObject(l.text) {
		c.Torn++
		return
	}
	c.Records++
	if t, ok := lineTime(&v.record, l.text); ok {
		c.see(t)
	}
	at, producer, seq, ok := findID(l.text)
	if !ok {
		c.Foreign++
		v.declare(l.text)
		return
	}
	p := v.last
	if p == nil || p.id != string(producer) {
		p = v.producers[string(producer)]
		if p == nil {
			p = &seen{id: string(producer)}
			p.app, p.host = envelopeOf(l.text[at:])
			v.producers[p.id] = p
		}
		v.last = p
	}
	p.see(seq)
}

// see notes a sequence number.
func (p *seen) see(seq uint64) {
	n := len(p.spans)
	switch {
	case n > 0 && seq == p.spans[n-1].Last+1:
		p.spans[n-1].Last++
		return
	case n == 0 || seq > p.spans[n-1].Last:
		p.spans = append(p.spans, Range{seq, seq})
		return
	}
	i, found := slices.BinarySearchFunc(p.spans, seq, func(s Range, seq uint64) int {
		switch {
		case seq < s.First:
			return 1
		case seq > s.Last:
			return -1
		}
		return 0
	})
	switch {
	case found:
		p.duplicates++
	case i > 0 && p.spans[i-1].Last+1 == seq && p.spans[i].First == seq+1:
		p.spans[i-1].Last = p.spans[i].Last
		p.spans = slices.Delete(p.spans, i, i+1)
	case i > 0 && p.spans[i-1].Last+1 == seq:
		p.spans[i-1].Last = seq
	case p.spans[i].First == seq+1:
		p.spans[i].First = seq
	default:
		p.spans = slices.Insert(p.spans, i, Range{seq, seq})
	}
}

// maxGaps bounds the gaps that are listed of a producer.
const maxGaps = 1000

func (v *verifier) finish() *Report {
	r := &v.report
	for _, p := range v.producers {
		one := ProducerReport{
			Producer: p.id, App: p.app, Host: p.host, Duplicates: p.duplicates,
			First: p.spans[0].First, Last: p.spans[len(p.spans)-1].Last, Gaps: []Range{},
		}
		for i, s := range p.spans {
			one.Records += int64(s.Last - s.First + 1)
			if i == 0 {
				continue
			}
			gap := Range{p.spans[i-1].Last + 1, s.First - 1}
			one.Missing += gap.Last - gap.First + 1
			if len(one.Gaps) < maxGaps {
				one.Gaps = append(one.Gaps, gap)
			}
		}
		r.Missing += one.Missing
		r.Duplicates += one.Duplicates
		r.Producers = append(r.Producers, one)
	}
	slices.SortFunc(r.Producers, func(a, b ProducerReport) int {
		if c := strings.Compare(a.App, b.App); c != 0 {
			return c
		}
		return strings.Compare(a.Producer, b.Producer)
	})
	return r
}

// Repair sets the torn ends of files that are not being written aside, each in a
// file of its own beside it, and returns what it did. A compressed segment is left as
// it is.
func Repair(sources []Source, did func(text string)) error {
	for _, s := range sources {
		for _, f := range s.files {
			if err := repair(s.names, f, did); err != nil {
				return fmt.Errorf("repair %s: %w", f.path, err)
			}
		}
	}
	return nil
}

func repair(names namer, s segment, did func(text string)) error {
	if s.comp != Plain || strings.HasSuffix(s.path, ".zst") || strings.HasSuffix(s.path, ".gz") {
		return nil
	}
	lock, err := takeLock(names.base(), names)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	f, err := os.OpenFile(s.path, os.O_RDWR|os.O_APPEND|openFlags, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return err
	}
	a := &Archive{path: s.path, names: names, opts: Options{Mode: info.Mode().Perm(), OnNotice: did}}
	_, err = a.setTornAside(f, info.Size())
	return err
}

// lossMessage is the message of the record in which a producer says how many it
// has dropped. It has no number.
const lossMessage = `"msg":"slogcast: records were dropped"`

// declare notes what a record without a number says of dropped records.
func (v *verifier) declare(line []byte) {
	if !bytes.Contains(line[:min(len(line), 256)], []byte(lossMessage)) {
		return
	}
	setCopy(&v.record, line)
	count, ok := v.record.Lookup("dropped")
	if !ok {
		return
	}
	n, err := strconv.ParseUint(count.Text(), 10, 64)
	if err != nil {
		return
	}
	v.report.Declared += n
}

// envelopeOf returns the app and host that a line's envelope has.
func envelopeOf(envelope []byte) (app, host string) {
	object := append([]byte{'{'}, bytes.TrimPrefix(envelope, []byte{','})...)
	for key, value := range jsontext.Members(string(object)) {
		switch key {
		case `"@app"`:
			app = jsontext.Unquote(value)
		case `"@host"`:
			host = jsontext.Unquote(value)
		}
	}
	return app, host
}
