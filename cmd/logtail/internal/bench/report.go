package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// measured is what came of one measurement. Of several tails it has the worst.
type measured struct {
	PublishRate float64 `json:"producer_records_per_second"` // until all were confirmed
	TailRate    float64 `json:"tail_records_per_second"`     // from the first log call to the last record written
	TailMB      float64 `json:"tail_megabytes_per_second"`   // of 1e6 bytes, bodies alone
	P50         float64 `json:"latency_p50_us"`              // from the log call until the record is written; 0 without --rate
	P99         float64 `json:"latency_p99_us"`
	P999        float64 `json:"latency_p999_us"`
	Max         float64 `json:"latency_max_us"`
	ProducerCPU float64 `json:"producer_cpu_us_per_record"`
	TailCPU     float64 `json:"tail_cpu_us_per_record"`
	TailRSS     float64 `json:"tail_max_rss_mib"`
	Accepted    uint64  `json:"accepted"`
	Confirmed   uint64  `json:"confirmed"`
	Dropped     uint64  `json:"dropped"` // by the producer
	Unknown     uint64  `json:"unknown"` // unconfirmed
	Missing     int     `json:"missing"` // at a tail, of those not dropped
	Gaps        uint64  `json:"told_missing"`
	Duplicates  int     `json:"duplicates"`
}

func newMeasured(p *produced) *measured {
	return &measured{
		PublishRate: float64(p.Accepted) / p.Took.Seconds(),
		ProducerCPU: perRecord(p.CPU, int(p.Accepted)),
		Accepted:    p.Accepted, Confirmed: p.Confirmed, Dropped: p.Dropped, Unknown: p.Unknown,
	}
}

// add adds a tail that should have received the expected records.
func (m *measured) add(p *produced, t *tailed, expect int) {
	elapsed := t.Last.Sub(p.Start).Seconds()
	rate, mb := 0.0, 0.0
	if elapsed > 0 {
		rate, mb = float64(t.Records)/elapsed, float64(t.Bytes)/1e6/elapsed
	}
	if m.TailRSS == 0 || rate < m.TailRate {
		m.TailRate, m.TailMB = rate, mb
	}
	m.P50 = max(m.P50, micros(t.Latency.P50))
	m.P99 = max(m.P99, micros(t.Latency.P99))
	m.P999 = max(m.P999, micros(t.Latency.P999))
	m.Max = max(m.Max, micros(t.Latency.Max))
	m.TailCPU = max(m.TailCPU, perRecord(t.CPU, t.Records))
	m.TailRSS = max(m.TailRSS, float64(t.MaxRSS)/(1<<20))
	m.Missing = max(m.Missing, expect-t.Records)
	m.Gaps = max(m.Gaps, t.Gaps)
	m.Duplicates = max(m.Duplicates, t.Duplicates)
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

func perRecord(d time.Duration, records int) float64 {
	return micros(d) / float64(max(1, records))
}

// pair is what was measured one after the other.
type pair struct {
	Slogcast *measured `json:"slogcast"`
	Baseline *measured `json:"baseline,omitempty"`
}

// report is the result of a benchmark.
type report struct {
	Load   Load   `json:"load"`
	Runs   []pair `json:"runs"`
	Median []row  `json:"median"`
}

// row is a figure's medians; the ratio is that of the pairs' ratios.
type row struct {
	Name     string   `json:"name"`
	Slogcast float64  `json:"slogcast"`
	Baseline *float64 `json:"baseline,omitempty"`
	Ratio    *float64 `json:"ratio,omitempty"` // slogcast to baseline

	format string
}

// figures are the rows of the report.
var figures = []struct {
	name, format string
	of           func(*measured) float64
}{
	{"records/s, producer", "%.0f", func(m *measured) float64 { return m.PublishRate }},
	{"records/s, to the tail", "%.0f", func(m *measured) float64 { return m.TailRate }},
	{"MB/s, to the tail", "%.1f", func(m *measured) float64 { return m.TailMB }},
	{"latency p50, µs", "%.0f", func(m *measured) float64 { return m.P50 }},
	{"latency p99, µs", "%.0f", func(m *measured) float64 { return m.P99 }},
	{"latency p99.9, µs", "%.0f", func(m *measured) float64 { return m.P999 }},
	{"latency max, µs", "%.0f", func(m *measured) float64 { return m.Max }},
	{"producer CPU, µs/record", "%.2f", func(m *measured) float64 { return m.ProducerCPU }},
	{"tail CPU, µs/record", "%.2f", func(m *measured) float64 { return m.TailCPU }},
	{"tail memory, MiB", "%.1f", func(m *measured) float64 { return m.TailRSS }},
	{"accepted", "%.0f", func(m *measured) float64 { return float64(m.Accepted) }},
	{"confirmed", "%.0f", func(m *measured) float64 { return float64(m.Confirmed) }},
	{"dropped", "%.0f", func(m *measured) float64 { return float64(m.Dropped) }},
	{"unknown", "%.0f", func(m *measured) float64 { return float64(m.Unknown) }},
	{"missing at the tail", "%.0f", func(m *measured) float64 { return float64(m.Missing) }},
	{"told as missing", "%.0f", func(m *measured) float64 { return float64(m.Gaps) }},
	{"duplicates", "%.0f", func(m *measured) float64 { return float64(m.Duplicates) }},
}

// summarize works out the medians of the runs.
func (r *report) summarize() {
	if len(r.Runs) == 0 {
		return
	}
	for _, f := range figures {
		var ours, theirs, ratios []float64
		for _, p := range r.Runs {
			ours = append(ours, f.of(p.Slogcast))
			if p.Baseline == nil {
				continue
			}
			theirs = append(theirs, f.of(p.Baseline))
			if b := f.of(p.Baseline); b > 0 {
				ratios = append(ratios, f.of(p.Slogcast)/b)
			}
		}
		m := row{Name: f.name, Slogcast: median(ours), format: f.format}
		if len(theirs) > 0 {
			b := median(theirs)
			m.Baseline = &b
		}
		if len(ratios) > 0 {
			q := median(ratios)
			m.Ratio = &q
		}
		r.Median = append(r.Median, m)
	}
}

// median returns the middle one of values, of which there must be some.
func median(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

// print writes the report.
func (r *report) print(w io.Writer, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	baseline := slices.ContainsFunc(r.Runs, func(p pair) bool { return p.Baseline != nil })
	head := "slogcast\t"
	if baseline {
		head += "baseline\tratio\t"
	}
	fmt.Fprintf(t, "median of %d\t%s\n", len(r.Runs), head)
	for _, m := range r.Median {
		if m.Slogcast == 0 && (m.Baseline == nil || *m.Baseline == 0) && m.format == "%.0f" && m.Name != "missing at the tail" {
			continue // does not apply, or is as it should be
		}
		fmt.Fprintf(t, "%s\t"+m.format+"\t", m.Name, m.Slogcast)
		if m.Baseline != nil {
			fmt.Fprintf(t, m.format+"\t", *m.Baseline)
		}
		if m.Ratio != nil {
			fmt.Fprintf(t, "%.2f\t", *m.Ratio)
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}

// lost returns an error when records of slogcast were lost, or came twice,
// without a word.
func (r *report) lost() error {
	for _, p := range r.Runs {
		m := p.Slogcast
		switch {
		case m.Accepted != m.Confirmed+m.Dropped+m.Unknown:
			return fmt.Errorf("%d records are not accounted for", m.Accepted-m.Confirmed-m.Dropped-m.Unknown)
		case m.Unknown == 0 && m.Missing > int(m.Gaps):
			return fmt.Errorf("%d records were lost, and %d told as missing", m.Missing, m.Gaps)
		case m.Duplicates > 0:
			return fmt.Errorf("%d records were shown twice", m.Duplicates)
		}
	}
	return nil
}
