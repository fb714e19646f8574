package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/slogcast/slogcast/cmd/logtail/internal/view"
	"github.com/slogcast/slogcast/internal/jsontext"
)

// record answers with one record: the line of an archive, and what stands in a
// page as it is to be read.
func (s *Server) record(w http.ResponseWriter, req *http.Request) {
	pos, _, err := s.place(req.URL.Query(), "pos")
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	row, ok := s.cfg.Ring.Cursor(pos, nil).Next()
	if !ok || row.Pos != pos || row.Kind != view.Record {
		http.Error(w, "that record is not in the ring any more", http.StatusNotFound)
		return
	}
	r := row.Record
	line := r.AppendJSON(nil)
	w.Header().Set("Content-Type", "application/json")
	answer := append([]byte(`{"line":`), jsontext.AppendSafeString(nil, strings.TrimSuffix(string(line), "\n"))...)
	answer = appendText(answer, "message", r.Message())
	answer = appendText(answer, "stack", r.Stack())
	answer = append(answer, `,"json":`...)
	answer = append(answer, line[:len(line)-1]...)
	_, _ = w.Write(append(answer, '}')) // who does not read has gone
}

const (
	histogramRows = 300_000 // that are looked at for an answer
	leastWidth    = 100 * time.Millisecond
	mostWidth     = 366 * 24 * time.Hour
)

// histogram counts records from a position on, as far as it comes:
//
//	{"run":…,"at":position,"end":bool,"bars":[[start in ms, count of each of view.Levels …] …]}
func (s *Server) histogram(w http.ResponseWriter, req *http.Request) {
	q, v, ok := query(w, req)
	if !ok {
		return
	}
	from, _, err1 := s.place(v, "from")
	ms, _, err2 := number(v, "width", uint64(mostWidth/time.Millisecond))
	if err := errors.Join(err1, err2); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	width := max(leastWidth, time.Duration(ms)*time.Millisecond)
	cursor := s.cfg.Ring.Cursor(from, q)
	ctx, cancel := context.WithTimeout(req.Context(), partTime)
	defer cancel()
	bars, end := cursor.Histogram(ctx, width, histogramRows)
	answer := fmt.Appendf(nil, `{"run":%q,"at":%d,"end":%t,"bars":[`, s.run, cursor.Pos(), end)
	for i := range bars {
		if i > 0 {
			answer = append(answer, ',')
		}
		answer = fmt.Appendf(answer, "[%d", bars[i].Start.UnixMilli())
		for _, n := range bars[i].Count {
			answer = fmt.Appendf(answer, ",%d", n)
		}
		answer = append(answer, ']')
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(answer, ']', '}')) // who does not read has gone
}

// download answers with all records of now that are asked for, as lines of an
// archive.
func (s *Server) download(w http.ResponseWriter, req *http.Request) {
	q, _, ok := query(w, req)
	if !ok {
		return
	}
	stats := s.cfg.Ring.Stats()
	cursor := s.cfg.Ring.Cursor(stats.First, q)
	one, ok := s.viewers.enter(cursor)
	if !ok {
		http.Error(w, fmt.Sprintf("%d pages are open, which is the most", maxViewers), http.StatusServiceUnavailable)
		return
	}
	defer s.viewers.leave(one)
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="logtail-%s.ndjson"`, time.Now().Format("20060102T150405")))
	control := http.NewResponseController(w)
	var part []byte
	for {
		row, ok := cursor.NextOf(lookRows)
		if ok && row.Kind == view.Record && row.Pos < stats.Next {
			part = row.Record.AppendJSON(part)
		}
		end := cursor.Pos() >= stats.Next || req.Context().Err() != nil
		if len(part) >= partSize || end {
			one.at(cursor.Pos())
			_ = control.SetWriteDeadline(time.Now().Add(writeTimeout)) // Write tells what is wrong
			if _, err := w.Write(part); err != nil || end {
				return
			}
			part = part[:0]
		}
	}
}

// health says that the server is there. That the broker is not is no reason to
// start it again.
func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if s.cfg.Ring.Stats().Connected {
		fmt.Fprintln(w, "ok")
		return
	}
	fmt.Fprintln(w, "ok, but not connected to the broker")
}

// metrics writes numbers in the text form of Prometheus.
func (s *Server) metrics(w http.ResponseWriter, _ *http.Request) {
	stats := s.cfg.Ring.Stats()
	viewers, lag := s.viewers.lag(stats.Next)
	connected, last := 0, 0.0
	if stats.Connected {
		connected = 1
	}
	if !stats.Last.IsZero() {
		last = float64(stats.Last.UnixMilli()) / 1e3
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	for _, m := range []struct {
		name, kind, help string
		value            any
	}{
		{"logtail_connected", "gauge", "Whether the broker is there.", connected},
		{"logtail_records_total", "counter", "Records that have come.", stats.Records},
		{"logtail_last_record_timestamp_seconds", "gauge", "When the last record came, 0 for never.", last},
		{"logtail_gaps_total", "counter", "Gaps in the numbers of producers.", stats.Gaps},
		{"logtail_missing_records_total", "counter", "Records that are missing in those gaps, dropped by their producer or lost on the way.", stats.Missing},
		{"logtail_ring_rows", "gauge", "Rows that the ring holds.", stats.Next - stats.First},
		{"logtail_ring_bytes", "gauge", "Bytes that the ring holds.", stats.Bytes},
		{"logtail_ring_size_bytes", "gauge", "Bytes that the ring may hold.", stats.Size},
		{"logtail_viewers", "gauge", "Pages that read at the moment.", viewers},
		{"logtail_viewer_lag_rows", "gauge", "How many rows the slowest of them is behind.", lag},
		{"logtail_viewer_rows_total", "counter", "Rows that were sent to pages.", s.served.Load()},
		{"logtail_viewer_skipped_rows_total", "counter", "Rows that left the ring before a page had read them.", s.skipped.Load()},
		{"logtail_start_timestamp_seconds", "gauge", "When this began.", s.began.Unix()},
	} {
		fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n%s %v\n", m.name, m.help, m.name, m.kind, m.name, m.value)
	}
}
