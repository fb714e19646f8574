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
	received, wire                         int // records, and messages, in the durable queue
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

const tableHead = `| fault | attempted | confirmed | dropped | unknown | lost | recovered | unexpected | wire duplicates | reconnects | silent missing | gap told | shown twice | Handle p50 / p99.9 / max | control p99.9 | measured | verdict |
|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|
`

func (r *row) String() string {
	verdict := "ok"
	if r.failed {
		verdict = "**failed**"
	}
	measured := append(r.measured, "freed "+short(r.back))
	return fmt.Sprintf("| %s | %d | %d | %d | %d | %d | %d | %d | %d | %d | %d | %d | %d | %s / %s / %s | %s | %s | %s |\n",
		r.fault, r.attempted, r.confirmed, r.dropped, r.unknown, r.lost, r.recovered, r.unexpected, r.wire-r.received, r.reconnects,
		r.silent, r.told, r.twice, short(r.p50), short(r.p999), short(r.most), short(r.control),
		strings.Join(measured, "; "), verdict)
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
