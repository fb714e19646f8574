package sink

import (
	"fmt"
	"testing"
	"time"

	"github.com/slogcast/slogcast/internal/envelope"
)

// What was shown is not shown again, however far the numbers leap in between and
// whoever else logs.
func TestShownOnce(t *testing.T) {
	type span struct{ first, last uint64 }
	for _, tt := range []struct {
		name  string
		shown []span
		again span
	}{
		{"a few, and a leap", []span{{1, 9}, {206, 207}}, span{1, 9}},
		{"a thousand of a young one", []span{{1, 65}, {1068, 2000}}, span{44, 65}},
		{"a leap farther than is remembered", []span{{1, 100}, {1_000_000, 1_000_010}}, span{1, 100}},
		{"leaps", []span{{1, 10}, {1000, 1010}, {50_000, 50_010}, {900_000, 900_001}}, span{1, 10}},
		{"backwards", []span{{1000, 1010}, {1, 10}, {2000, 2100}}, span{1, 10}},
		{"what a frozen node still had", []span{{1, 110_000}}, span{1, 1000}},
		{"the last page", []span{{1, mostPages*pageSize - 1}}, span{1, 64}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSequences()
			see := func(part span) (shown int) {
				for seq := part.first; seq <= part.last; seq++ {
					if s.see(&envelope.Envelope{Producer: "p"}, seq, []byte("body"), time.Unix(0, 0)) {
						shown++
					}
				}
				return shown
			}
			for _, part := range tt.shown {
				if got, want := see(part), int(part.last-part.first+1); got != want {
					t.Errorf("%d of %d are shown", got, want)
				}
			}
			if got := see(tt.again); got > 0 {
				t.Errorf("%d of %v are shown again", got, tt.again)
			}
		})
	}
}

func TestShownOnceByManyProducers(t *testing.T) {
	const producers, records, again = 100, 12_000, 9000
	s := newSequences()
	see := func(producer string, seq uint64) bool {
		return s.see(&envelope.Envelope{Producer: producer}, seq, nil, time.Unix(0, 0))
	}
	var names []string
	for p := range producers {
		names = append(names, fmt.Sprint(p))
	}
	see("quiet", 1)
	for seq := range uint64(records) {
		for _, name := range names {
			see(name, seq+1)
		}
	}
	if see("quiet", 1) {
		t.Error("the record of one that logs little is shown again")
	}
	shown := 0
	for _, name := range names {
		for seq := uint64(records - again + 1); seq <= records; seq++ {
			if see(name, seq) {
				shown++
			}
		}
	}
	if shown > 0 {
		t.Errorf("%d of %d are shown again", shown, producers*again)
	}
}

// An invented number takes no room of a producer's own.
func TestShownOnceBelowInventedNumbers(t *testing.T) {
	s := newSequences()
	e := &envelope.Envelope{Producer: "p"}
	for seq := uint64(1); seq <= 100; seq++ {
		s.see(e, seq, []byte("true"), time.Unix(0, 0))
	}
	for i := range uint64(2 * mostPages) {
		s.see(e, farthest+i*pageSize, []byte("forged"), time.Unix(0, 0))
	}
	for seq := uint64(101); seq <= 200; seq++ { // the first of them tells what is invented
		s.see(e, seq, []byte("true"), time.Unix(0, 0))
	}
	if s.see(e, 150, []byte("true"), time.Unix(0, 0)) {
		t.Error("a repeat is shown")
	}
}
