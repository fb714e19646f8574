package handler

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func TestNumbersAreWrittenAsByEncodingJSON(t *testing.T) {
	check := func(f float64) {
		t.Helper()
		want, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		if got := appendFloat(nil, f); string(got) != string(want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	for _, f := range []float64{0, math.Copysign(0, -1), 1, -1, 0.75, 0.1, 0.3, 1.0 / 3, 99.99, 1e-6, 1e-7, -2.5e-6, 1e9, 1e9 - 1e-6, 999999999.999999,
		-999999999.999999, 123456.000001, 1e15, 1e20, 1e21, 1e22, math.MaxFloat64, math.SmallestNonzeroFloat64, 0.1 + 0.2, 4.35, 0.000001, 9007199254740993} {
		check(f)
	}
	rnd := rand.New(rand.NewPCG(1, 1))
	for range 200_000 {
		n := rnd.Int64N(4e15) - 2e15
		check(float64(n) / 1e6)
		check(float64(n>>rnd.IntN(40)) / math.Pow10(rnd.IntN(9)))
		check(math.Nextafter(float64(n)/1e6, math.Inf(1)))
		if f := math.Float64frombits(rnd.Uint64()); !math.IsNaN(f) && !math.IsInf(f, 0) {
			check(f)
		}
	}
}

// TestTimesAreWrittenAsByTheTimePackage goes back and forth among zones and
// seconds, as one second's text is remembered.
func TestTimesAreWrittenAsByTheTimePackage(t *testing.T) {
	newYork, err := time.LoadLocation("America/New_York")
	if err != nil {
		newYork = time.FixedZone("EST", -5*60*60)
	}
	zones := []*time.Location{time.UTC, newYork, time.FixedZone("", 5*60*60+30*60), time.FixedZone("odd", -3601), time.Local}
	rnd := rand.New(rand.NewPCG(1, 1))
	var s seconds
	base := time.Date(2026, 11, 1, 5, 59, 58, 0, time.UTC) // in New York an hour comes twice
	for range 100_000 {
		at := base.Add(time.Duration(rnd.Int64N(4e9))).In(zones[rnd.IntN(len(zones))])
		switch rnd.IntN(4) {
		case 0:
			at = at.Truncate(time.Duration(1_000_000_000))
		case 1:
			at = at.Truncate(time.Millisecond)
		case 2:
			at = at.AddDate(rnd.IntN(7000), 0, 0)
		}
		want, err := at.MarshalJSON()
		if err != nil { // zones with seconds are not of RFC 3339; slog writes them
			want = at.AppendFormat(nil, `"`+time.RFC3339Nano+`"`)
		}
		if got := s.append(nil, at); string(got) != string(want) {
			t.Fatalf("got %s, want %s", got, want)
		}
	}
}
