package sink

import (
	"testing"

	"github.com/slogcast/slogcast/internal/envelope"
	"github.com/slogcast/slogcast/internal/jsontext"
)

// TestAllocations holds what a record costs in memory at most, once the buffers
// are there.
func TestAllocations(t *testing.T) {
	r := Record{Body: served(1)[0], App: "web", Host: "h", Producer: "01a20621-6d67-77e1-943f-5c3a6f50edb6", Seq: 1, object: true}
	var line []byte
	seen := newSequences()
	about := envelope.Envelope{Producer: r.Producer, Seq: 1, App: "web", Host: "h", Count: 2}
	properties := about.AppendProperties(nil)
	body := append(append(append([]byte(nil), r.Body...), '\n'), r.Body...)
	var reader envelope.Reader
	for _, tt := range []struct {
		name string
		most float64
		do   func()
	}{
		{"a line of an archive", 0, func() { line = r.AppendLine(line[:0]) }},
		{"looking at a body", 0, func() { jsontext.IsObject(r.Body) }},
		{"a level", 0, func() { r.decoded = false; r.Level() }},
		{"a batch of two", 0, func() {
			about := reader.Read(properties, body)
			for seq, one := range about.Records(body) {
				seen.see(&about, seq, one, r.Received)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for range 100 {
				tt.do()
			}
			if n := testing.AllocsPerRun(1000, tt.do); n > tt.most {
				t.Errorf("got %v allocations, want %v at most", n, tt.most)
			}
		})
	}
}
