package faults

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// row is a line of the table: one run.
type row struct {
	fault string

	attempted, confirmed, dropped, unknown int // by the handlers
	received, wire                         int // records in the durable queue, and those that came again
	lost, recovered, unexpected            int
	silent, told, wrong, twice             int // at the tail
	reconnects                             int

	p50, p999, most time.Duration // of Handle
	control         time.Duration // p99.9 of slog.JSONHandler to io.Discard, with the same records
	back            time.Duration // until goroutines and files were back
	measured        []string      // times and rates by the fault's own goals
	failed          bool
}

// measure notes a figure of the fault's own for the table.
func (r *run) measure(format string, args ...any) {
	r.row.measured = append(r.row.measured, fmt.Sprintf(format, args...))
}

// within notes a time for the table and fails when it is over its goal.
func (r *run) within(what string, took, goal time.Duration) {
	r.t.Helper()
	r.measure("%s %s", what, short(took))
	if took > goal {
		r.t.Errorf("%s: took %v, want at most %v", what, took, goal)
	}
}

const tableHead = `| fault | attempted | confirmed | dropped | lost | wire duplicates | silent missing | gap told | shown twice | Handle p50 / p99.9 / max | measured |
|---|---|---|---|---|---|---|---|---|---|---|
`

// String returns the line, with what has no column only where it is not zero.
func (r *row) String() string {
	handle := "not measured"
	if r.most > 0 {
		handle = short(r.p50) + " / " + short(r.p999) + " / " + short(r.most)
	}
	measured := r.measured
	if r.unknown > 0 {
		measured = append(measured, fmt.Sprintf("%d unknown", r.unknown))
	}
	if r.failed {
		measured = append([]string{"**failed**"}, measured...)
	}
	return fmt.Sprintf("| %s | %d | %d | %d | %d | %d | %d | %d | %d | %s | %s |\n",
		r.fault, r.attempted, r.confirmed, r.dropped, r.lost, r.wire, r.silent, r.told, r.twice,
		handle, strings.Join(measured, "; "))
}

// details are what a run shows beside its line.
func (r *row) details() string {
	return fmt.Sprintf("%d recovered, %d unexpected, %d told and shown, %d reconnects; p99.9 of slog.JSONHandler %s; freed after %s",
		r.recovered, r.unexpected, r.wrong, r.reconnects, short(r.control), short(r.back))
}

// short rounds to three digits.
func short(d time.Duration) string {
	unit := time.Nanosecond
	for d/unit >= 1000 {
		unit *= 10
	}
	return d.Round(unit).String()
}

// table prints the rows, and writes them to the file named by -table.
func table(t *testing.T, rows []row) {
	t.Helper()
	var b strings.Builder
	b.WriteString(tableHead)
	for i := range rows {
		b.WriteString(rows[i].String())
	}
	fmt.Printf("\n%s\n", b.String())
	if *tableFile == "" {
		return
	}
	if err := os.WriteFile(*tableFile, []byte(b.String()), 0o644); err != nil {
		t.Error(err)
	}
}
