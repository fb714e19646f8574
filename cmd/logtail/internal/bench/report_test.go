package bench

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"
)

func TestReportShowsMediansOfRatios(t *testing.T) {
	r := report{}
	for _, rates := range [][2]float64{{100, 50}, {300, 100}, {200, 400}} {
		r.Runs = append(r.Runs, pair{
			Slogcast: &measured{PublishRate: rates[0], Accepted: 10, Confirmed: 10},
			Baseline: &measured{PublishRate: rates[1]},
		})
	}
	r.summarize()
	first := r.Median[0]
	if first.Slogcast != 200 || *first.Baseline != 100 || *first.Ratio != 2 {
		t.Errorf("got %v against %v, ratio %v", first.Slogcast, *first.Baseline, *first.Ratio)
	}
	var out bytes.Buffer
	if err := r.print(&out, false); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Split(out.String(), "\n"); !strings.HasSuffix(lines[0], "median of 3   slogcast   baseline   ratio") || !strings.HasSuffix(lines[1], "200        100    2.00") {
		t.Errorf("got\n%s", out.String())
	}
}

func TestMedian(t *testing.T) {
	for _, tt := range []struct {
		of   []float64
		want float64
	}{{[]float64{3}, 3}, {[]float64{4, 1}, 2.5}, {[]float64{9, 1, 5}, 5}} {
		if got := median(tt.of); math.Abs(got-tt.want) > 1e-9 {
			t.Errorf("median of %v: got %v, want %v", tt.of, got, tt.want)
		}
	}
}

func TestLossesAreErrors(t *testing.T) {
	for _, tt := range []struct {
		name string
		m    measured
		want string
	}{
		{"all there", measured{Accepted: 10, Confirmed: 8, Dropped: 2}, ""},
		{"told as missing", measured{Accepted: 10, Confirmed: 10, Missing: 3, Gaps: 3}, ""},
		{"unconfirmed", measured{Accepted: 10, Unknown: 10, Missing: 3}, ""},
		{"lost in silence", measured{Accepted: 10, Confirmed: 10, Missing: 3, Gaps: 1}, "3 records were lost, and 1 told as missing"},
		{"not accounted for", measured{Accepted: 10, Confirmed: 9}, "1 records are not accounted for"},
		{"twice", measured{Accepted: 1, Confirmed: 1, Duplicates: 2}, "2 records were shown twice"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := report{Runs: []pair{{Slogcast: &tt.m}}}
			got := ""
			if err := r.lost(); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestBaselinesBodyIsARecord makes sure that both sides measure the same bytes,
// and that a time can be written over.
func TestBaselinesBodyIsARecord(t *testing.T) {
	l := Load{Size: 250, Attrs: 7}
	body := l.body()
	if n := len(body); n < 230 || n > 260 {
		t.Errorf("got %d bytes, want about 250: %s", n, body)
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 60, time.UTC)
	at.AppendFormat(body[:len(stampKey)], stampFormat)
	if got, ok := stampOf(body); !ok || !got.Equal(at) {
		t.Errorf("got %v of %s", got, body)
	}
	if _, ok := stampOf([]byte(`{"msg":"no time"}`)); ok {
		t.Error("got a time where there is none")
	}
}
