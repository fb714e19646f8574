package sink

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/slogcast/slogcast/internal/envelope"
)

// script runs steps: a sequence number, with the producer's dropped count behind a
// slash and another body behind an exclamation mark; "reconnect" is our own
// connection lost, "full" our queue at its bound, "later" a moment passed. Behind an
// equals sign is what is wanted: "dup" of a record, and of "later" the notices.
func script(t *testing.T, steps string) {
	t.Helper()
	s := newSequences()
	now := time.Unix(1e9, 0)
	var told strings.Builder
	for step := range strings.FieldsSeq(steps + " later") {
		what, want, _ := strings.Cut(step, "=")
		now = now.Add(time.Millisecond)
		switch what {
		case "reconnect":
			s.connection++
		case "full":
			s.full = now
		case "archived5":
			s.known = map[string]uint64{"p": 5}
		case "later":
			now = now.Add(settle)
			told.Reset()
			for _, n := range s.report(now, false) {
				switch {
				case n.Gap != nil:
					fmt.Fprintf(&told, "%v:%s;", n.Gap.Spans, n.Gap.Cause)
				case n.Filled != nil:
					fmt.Fprintf(&told, "filled%v;", n.Filled.Spans)
				default:
					fmt.Fprintf(&told, "%s;", n.Remark)
				}
			}
			got := strings.ReplaceAll(told.String(), " ", "")
			for part := range strings.SplitSeq(want, "&") {
				if (want == "") != (got == "") || !strings.Contains(got, part) {
					t.Errorf("%s: got %s", step, got)
				}
			}
		default:
			e := envelope.Envelope{Producer: "p", App: "app", Host: "h"}
			number, body, _ := strings.Cut(what, "!")
			var seq uint64
			if n, _ := fmt.Sscanf(number, "%d/%d", &seq, &e.Dropped); n == 0 {
				t.Fatal(step)
			}
			if show := s.see(&e, seq, []byte(body), now); show == (want == "dup") {
				t.Errorf("%s: got %v", step, show)
			}
		}
	}
}

func TestGapsAndDuplicates(t *testing.T) {
	// Words of the causes, without their spaces.
	const drops, away, full, unknown = "theproducerdroppedthem", "disconnected", "fullqueue", "nobodysays"
	for _, tt := range []struct{ name, steps string }{
		{"in order", "5 6 7"},
		{"joined in the middle", "1000 1001"},
		{"from before we joined", "1000 999 998 1001"},
		{"all before were dropped", "9/8 10/8 later=[{18}]&" + drops},
		{"some before were dropped", "9/7 10/7"},
		{"first of all", "1 2"},
		{"sent again", "5 6 5=dup 6=dup 7 later=2recordscameagain"},
		{"another with the number", "5 6 5!other 6=dup 7 later=1recordshaveanumber"},
		{"a full queue", "5 full 9 later=[{68}]&" + full + " 10"},
		{"nobody knows", "5 9 later=[{68}]&" + unknown},
		{"full long before", "5 full later later later 6 later later 9 later=" + unknown},
		{"dropped by the producer", "5 9/3 later=[{68}]&" + drops + " 10/3"},
		{"dropped by both", "5 full 9/2 later=dropped2&" + full},
		{"while we were away", "5 reconnect 9 later=[{68}]&" + away},
		{"away, and dropped by the producer", "5 reconnect 9/3 later=" + drops},
		{"sent again in a moment", "5 9 7 6 8 10"},
		{"sent again later", "5 9 later=[{68}] 7 6 8 later=filled[{66}{77}{88}] 7=dup later=1records"},
		{"partly sent again", "5 9 7 later=[{66}{88}]:"},
		{"within a gap", "5 20 10 9 11 10=dup 6 19 19=dup later=[{78}{1218}]&2records"},
		{"one notice a cause", "5 7 9 11 13/1 15/2 later=[{66}{88}{1010}]&" + unknown + "&[{1212}{1414}]&" + drops},
		{"dropped count from before we came", "50/10 51/10 53/10 later=[{5252}]"},
		{"the last number", "18446744073709551614 18446744073709551615 18446744073709551615=dup 18446744073709551614=dup later=2records"},
		{"behind what is archived", "archived5 6 7 later"},
		{"a gap behind what is archived", "archived5 9 later=[{68}]&behindwhatwasthere 8 11 later=filled[{88}]&[{1010}]&" + unknown},
		{"archived, and sent again", "archived5 4 5 6 5!other 6=dup later=1records"},
		{"archived, and dropped by the producer", "archived5 9/50 10/50 later=[{68}]"},
		{"a leap is not followed", "5 9223372036854775807 6 7 later=1recordshaveanumbertoofarahead 9 later=[{88}]"},
		{"nor one that comes first", "9223372036854775807 5 6 8 later=[{77}]"},
	} {
		t.Run(tt.name, func(t *testing.T) { script(t, tt.steps) })
	}
}

// A message that takes a producer's numbers ahead of it hides none of its records.
func TestNobodySilencesAnother(t *testing.T) {
	s := newSequences()
	now := time.Unix(0, 0)
	victim := &envelope.Envelope{Producer: "victim"}
	shown := 0
	see := func(seq uint64, body string) {
		if s.see(victim, seq, []byte(body), now) {
			shown++
		}
	}
	for seq := range uint64(95) {
		see(seq+1, fmt.Sprint("true", seq))
	}
	for seq := range uint64(1000) {
		see(96+seq, "forged")
	}
	for i := range uint64(66) {
		see(1e18+1000*i, "forged")
	}
	shown = 95
	for seq := uint64(96); seq <= 300; seq++ {
		see(seq, fmt.Sprint("true", seq))
	}
	if shown != 300 || s.count.unsure != 205 || s.count.leaps != 66 {
		t.Errorf("%d of 300 are shown, counted %+v", shown, s.count)
	}
	// The user is checked by the broker: what others send is apart.
	checked := &envelope.Envelope{Producer: "victim", User: "shop"}
	for seq := range uint64(10) {
		if !s.see(checked, seq+1, nil, now) || s.see(checked, seq+1, nil, now) {
			t.Errorf("number %d of a checked user", seq+1)
		}
	}
}

func TestInventedProducersDoNotPushOutRealOnes(t *testing.T) {
	s := newSequences()
	now := time.Unix(0, 0)
	for seq := range uint64(100) {
		s.see(&envelope.Envelope{Producer: "real"}, seq+1, nil, now)
	}
	for i := range 3 * maxProducers {
		s.see(&envelope.Envelope{Producer: fmt.Sprint(i)}, 1, nil, now)
	}
	if s.see(&envelope.Envelope{Producer: "real"}, 100, nil, now) {
		t.Error("a repeat is shown")
	}
	s.see(&envelope.Envelope{Producer: "real"}, 102, nil, now)
	var text []string
	for _, n := range s.report(now, true) {
		text = append(text, n.String())
	}
	if got := strings.Join(text, "\n"); !strings.Contains(got, "#101") || !strings.Contains(got, "producers that were silent for longest are forgotten") {
		t.Errorf("told %s", got)
	}
}

// Numbers in any order cost bounded memory, and each gap is told: as missing and
// not filled are exactly those that have not come.
func TestNumbersInAnyOrder(t *testing.T) {
	s := newSequences()
	now := time.Unix(0, 0)
	e := &envelope.Envelope{Producer: "p"}
	const n = 100_000
	came := make([]bool, n+1)
	missing := make([]bool, n+1)
	tell := func(notices []Notice) {
		for _, notice := range notices {
			for _, of := range []struct {
				gap  *Gap
				want bool
			}{{notice.Gap, true}, {notice.Filled, false}} {
				if of.gap == nil {
					continue
				}
				for _, span := range of.gap.Spans {
					for seq := span.First; seq <= span.Last; seq++ {
						missing[seq] = of.want
					}
				}
			}
		}
	}
	see := func(seq uint64) {
		now = now.Add(10 * time.Microsecond)
		s.see(e, seq, nil, now)
		came[seq] = true
		p := s.producers[producerID{uuid: "p"}]
		if len(p.holes) > 2*maxHoles+1 || len(p.filled) > maxHoles || len(p.pages) > mostPages || s.sums.pages.Len() > maxPages {
			t.Fatalf("holds %d holes, %d filled, %d pages of sums", len(p.holes), len(p.filled), len(p.pages))
		}
		if seq%1000 == 0 {
			tell(s.report(now, false))
		}
	}
	see(1)
	for seq := uint64(3); seq <= n; seq += 2 {
		see(seq)
	}
	for seq := uint64(n - 10); seq > n-900; seq -= 4 { // backwards
		see(seq)
	}
	tell(s.report(now, true))
	for seq := 1; seq < n; seq++ {
		if came[seq] == missing[seq] {
			t.Fatalf("%d came: %v, told as missing: %v", seq, came[seq], missing[seq])
		}
	}
}

func TestProducersAreApart(t *testing.T) {
	s := newSequences()
	for _, producer := range []string{"a", "b"} {
		for _, seq := range []uint64{1, 2} {
			if !s.see(&envelope.Envelope{Producer: producer}, seq, nil, time.Time{}) {
				t.Errorf("%s/%d is not shown", producer, seq)
			}
		}
	}
	if !s.see(&envelope.Envelope{}, 0, nil, time.Time{}) || len(s.report(time.Time{}, true)) > 0 {
		t.Error("a record without a number is taken for a duplicate")
	}
}

func BenchmarkSee(b *testing.B) {
	body := []byte(strings.Repeat("x", 250))
	for _, step := range []uint64{1, 2} {
		b.Run(fmt.Sprint("step=", step), func(b *testing.B) {
			s := newSequences()
			e := &envelope.Envelope{Producer: "p"}
			now := time.Unix(0, 0)
			b.ReportAllocs()
			for seq := uint64(1); b.Loop(); seq += step {
				s.see(e, seq, body, now)
				if len(s.ready) > maxHoles {
					s.report(now, false)
				}
			}
		})
	}
}

func TestGapText(t *testing.T) {
	g := Gap{App: "shop", Host: "h1", First: 3, Last: 3, Spans: []Span{{3, 3}}, Cause: "lost"}
	if got, want := g.String(), "gap: 1 record of shop@h1 is missing (#3): lost"; got != want {
		t.Errorf("got %s", got)
	}
	g.Last, g.Spans[0].Last = 1004, 1004
	if got, want := g.String(), "gap: 1002 records of shop@h1 are missing (#3-#1004): lost"; got != want {
		t.Errorf("got %s", got)
	}
}
