package handler

import (
	"math/rand/v2"
	"testing"
	"time"
)

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
