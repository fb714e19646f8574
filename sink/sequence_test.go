package sink

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/slogcast/slogcast/internal/envelope"
)

func TestGapsAndDuplicates(t *testing.T) {
	// Words of the causes, without their spaces.
	const drops, away, full = "producerdropped", "disconnected", "fullqueue"
	// A step is a sequence number, with the producer's dropped count behind a
	// slash; "reconnect" is our own connection lost. Behind an equals sign is
	// what is wanted: "dup", or the gap and a word of its cause.
	for _, tt := range []struct{ name, steps string }{
		{"in order", "5 6 7"},
		{"joined in the middle", "1000 1001"},
		{"all before were dropped", "9/8=1-8:" + drops + " 10/8"},
		{"some before were dropped", "9/7 10/7"},
		{"first of all", "1 2"},
		{"sent again", "5 6 5=dup 6=dup 7"},
		{"dropped from our queue", "5 9=6-8:" + full + " 10"},
		{"dropped by the producer", "5 9/3=6-8:" + drops + " 10/3"},
		{"dropped by both", "5 9/2=6-8:dropped2 10/2"},
		{"while we were away", "5 reconnect 9=6-8:" + away},
		{"away, and dropped by the producer", "5 reconnect 9/3=6-8:" + drops},
		{"late, and late again", "5 8=6-7:" + full + " 6 6=dup 7 7=dup 9"},
		{"within a gap", "5 20=6-19:" + full + " 10 9 11 10=dup 6 19 19=dup"},
		{"dropped count from before we came", "50/10 51/10 53/10=52-52:" + full},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSequences()
			for step := range strings.FieldsSeq(tt.steps) {
				what, want, _ := strings.Cut(step, "=")
				if what == "reconnect" {
					s.session++
					continue
				}
				e := envelope.Envelope{Producer: "p", App: "app", Host: "h"}
				var seq uint64
				if n, _ := fmt.Sscanf(what, "%d/%d", &seq, &e.Dropped); n == 0 {
					t.Fatal(step)
				}
				fresh, gap := s.see(&e, seq, time.Time{})
				got := ""
				switch {
				case !fresh:
					got = "dup"
				case gap != nil:
					got = fmt.Sprintf("%d-%d:%s", gap.First, gap.Last, gap.Cause)
				}
				span, cause, _ := strings.Cut(want, ":")
				if !strings.HasPrefix(got, span) || (want == "") != (got == "") || !strings.Contains(strings.ReplaceAll(got, " ", ""), cause) {
					t.Errorf("%s: got %q", step, got)
				}
			}
		})
	}
}

func TestProducersAreApart(t *testing.T) {
	s := newSequences()
	for _, producer := range []string{"a", "b"} {
		for _, seq := range []uint64{1, 2} {
			if fresh, gap := s.see(&envelope.Envelope{Producer: producer}, seq, time.Time{}); !fresh || gap != nil {
				t.Errorf("%s/%d: fresh %v, gap %v", producer, seq, fresh, gap)
			}
		}
	}
	if fresh, _ := s.see(&envelope.Envelope{}, 0, time.Time{}); !fresh {
		t.Error("a record without a number is taken for a duplicate")
	}
}

func TestMemoryOfProducersIsBounded(t *testing.T) {
	s := newSequences()
	now := time.Unix(0, 0)
	for i := range 2 * maxProducers {
		now = now.Add(time.Second)
		s.see(&envelope.Envelope{Producer: fmt.Sprint(i)}, 1, now)
		s.see(&envelope.Envelope{Producer: "busy"}, uint64(1+2*i), now)
	}
	if n := len(s.producers); n != maxProducers {
		t.Errorf("got %d producers", n)
	}
	if busy := s.producers["busy"]; busy == nil || len(busy.missing) != maxSpans {
		t.Errorf("got %+v", busy)
	}
}

func TestGapText(t *testing.T) {
	g := Gap{App: "shop", Host: "h1", First: 3, Last: 3, Cause: "lost"}
	if got, want := g.String(), "gap: 1 record of shop@h1 is missing (#3): lost"; got != want {
		t.Errorf("got %s", got)
	}
	g.Last = 1004
	if got, want := g.String(), "gap: 1002 records of shop@h1 are missing (#3-#1004): lost"; got != want {
		t.Errorf("got %s", got)
	}
}
