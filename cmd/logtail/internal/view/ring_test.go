package view

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slogcast/slogcast/sink"
	"github.com/slogcast/slogcast/sink/filter"
)

var began = time.Date(2026, 11, 25, 4, 0, 0, 0, time.UTC)

// numbered returns a record with a number in it.
func numbered(n int, more string) sink.Record {
	level := []string{"DEBUG", "INFO", "INFO", "WARN", "ERROR", "what"}[n%6]
	at := began.Add(time.Duration(n)*time.Millisecond + time.Duration(n%7)*time.Second) // not in order
	r := sink.ParseLine(fmt.Appendf(nil, `{"time":%q,"level":%q,"msg":"n%d","n":%d,"more":%q}`, at.Format(time.RFC3339Nano), level, n, n, more))
	r.Producer, r.Seq = fmt.Sprint("producer", n%3), uint64(n)
	r.App, r.Host = fmt.Sprint("app", n%3), "h1"
	r.Received = began.Add(time.Duration(n) * time.Millisecond)
	return r
}

func write(t testing.TB, r *Ring, records ...sink.Record) {
	t.Helper()
	if err := r.Write(context.Background(), records); err != nil {
		t.Fatal(err)
	}
}

// label is a row in short.
func label(row *Row) string {
	switch row.Kind {
	case Record:
		return row.Record.ID() + " " + string(row.Record.AppendLine(nil))
	case Gap:
		return fmt.Sprintf("gap %d-%d of %s: %s", row.Gap.First, row.Gap.Last, row.Gap.App, row.Gap.Cause)
	}
	return row.Text
}

// model is a ring that forgets nothing.
type model struct {
	rows []sink.Record // a Received alone for a notice
	text []string
}

func (m *model) record(r sink.Record) {
	m.rows = append(m.rows, r)
	m.text = append(m.text, r.ID()+" "+string(r.AppendLine(nil)))
}

// wants returns the labels of the rows from first on that a filter passes.
func (m *model) wants(first, next uint64, f *filter.Filter) (labels []string) {
	for pos := first; pos < next; pos++ {
		r := &m.rows[pos-1]
		if len(r.Body) == 0 || f.Pass(r) {
			labels = append(labels, m.text[pos-1])
		}
	}
	return labels
}

// Whatever has been written and whatever is asked for, a cursor shows the rows
// that a model has of what the ring still holds, in both directions, and the
// number of those that it does not.
func TestRingIsItsModel(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	ring, m := New(int64(64<<10+random.IntN(64<<10))), &model{}
	for n := 1; n < 1500; n++ {
		switch random.IntN(50) {
		case 0:
			g := &sink.Gap{Producer: "p", App: "lost", First: uint64(n), Last: uint64(2 * n), Time: began.Add(time.Hour), Cause: "dropped"}
			ring.Note(sink.Notice{Gap: g})
			m.rows = append(m.rows, sink.Record{Received: g.Time})
			m.text = append(m.text, fmt.Sprintf("gap %d-%d of lost: dropped", n, 2*n))
		case 1:
			r := numbered(n, strings.Repeat("long ", random.IntN(1200)))
			m.record(r)
			write(t, ring, r)
		default:
			r := numbered(n, "")
			m.record(r)
			write(t, ring, r)
		}
		if random.IntN(100) == 0 {
			m.compare(t, ring, random)
		}
	}
	m.compare(t, ring, random)
	if s := ring.Stats(); s.First == 1 {
		t.Error("the ring has not forgotten anything")
	}
}

func (m *model) compare(t *testing.T, ring *Ring, random *rand.Rand) {
	t.Helper()
	o := filter.Options{}
	if random.IntN(2) == 0 {
		o.Level = []string{"warn", "debug..info", "error.."}[random.IntN(3)]
	}
	if random.IntN(3) == 0 {
		o.Where = []string{"n % 5 == 0"}
	}
	if random.IntN(3) == 0 {
		o.Since = began.Add(time.Duration(random.IntN(4000)) * time.Millisecond)
	}
	f, err := o.Compile()
	if err != nil {
		t.Fatal(err)
	}
	query, err := NewQuery(o)
	if err != nil {
		t.Fatal(err)
	}
	s := ring.Stats()
	if s.Next != uint64(len(m.rows))+1 || s.Bytes > s.Size {
		t.Fatalf("%+v after %d rows", s, len(m.rows))
	}
	from := 1 + random.Uint64N(s.Next)
	var want []string
	if from < s.First {
		want = append(want, fmt.Sprintf("skipped %d rows: they left the ring before they were read", s.First-from))
	}
	want = append(want, m.wants(max(from, s.First), s.Next, f)...)
	var got []string
	c := ring.Cursor(from, query)
	for row, ok := c.Next(); ok; row, ok = c.Next() {
		got = append(got, label(row))
	}
	same(t, "forwards", got, want)
	var back []string
	for row, ok := c.Prev(); ok; row, ok = c.Prev() {
		back = append([]string{label(row)}, back...)
	}
	same(t, "backwards", back, m.wants(s.First, s.Next, f))

	bars, end := ring.Cursor(s.First, query).Histogram(t.Context(), time.Second, -1)
	counted := 0
	for _, bar := range bars {
		for _, n := range bar.Count {
			counted += int(n)
		}
	}
	records := 0
	for _, line := range m.wants(s.First, s.Next, f) {
		if !strings.HasPrefix(line, "gap") {
			records++
		}
	}
	if !end || counted != records {
		t.Fatalf("the histogram counts %d of %d records", counted, records)
	}
}

func same(t *testing.T, direction string, got, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d rows, want %d", direction, len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("%s, row %d: got %s, want %s", direction, i, got[i], want[i])
		}
	}
}

func TestSeekTime(t *testing.T) {
	ring := New(1 << 20)
	for n := range 1000 {
		r := sink.ParseLine(fmt.Appendf(nil, `{"time":%q,"msg":"n%d"}`, began.Add(time.Duration(n)*time.Second).Format(time.RFC3339), n))
		write(t, ring, r)
	}
	for _, test := range []struct {
		at   time.Duration
		want uint64
	}{{-time.Hour, 1}, {0, 1}, {500 * time.Second, 501}, {500*time.Second - 1, 501}, {time.Hour, 1001}} {
		if got := ring.SeekTime(began.Add(test.at)); got != test.want {
			t.Errorf("%v: got %d, want %d", test.at, got, test.want)
		}
	}
}

// Viewers read, slowly or not at all, while the feed goes on: each row is read or
// told to be skipped.
func TestManyViewers(t *testing.T) {
	const records = 20_000
	ring := New(256 << 10)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stopped := ring.Cursor(1, nil)
	if _, ok := stopped.Next(); ok {
		t.Fatal("a row of nothing")
	}
	var viewers sync.WaitGroup
	for v := range 8 {
		viewers.Go(func() {
			c, seen := ring.Cursor(1, nil), uint64(0)
			for seen < records {
				if ring.Wait(ctx, c.Pos()) != nil {
					t.Errorf("viewer %d has seen %d", v, seen)
					return
				}
				for row, ok := c.Next(); ok; row, ok = c.Next() {
					if row.Pos != seen+1 {
						t.Errorf("viewer %d: row %d after %d", v, row.Pos, seen)
						return
					}
					if row.Kind == Skipped {
						seen += row.Count
						continue
					}
					seen = row.Pos
					if row.Record.Seq != row.Pos || v == 0 && row.Record.Message() != fmt.Sprint("n", row.Pos) {
						t.Errorf("viewer %d: record %d at %d", v, row.Record.Seq, row.Pos)
						return
					}
				}
			}
		})
	}
	for n := 1; n <= records; n += 100 {
		batch := make([]sink.Record, 100)
		for i := range batch {
			batch[i] = numbered(n+i, "")
		}
		write(t, ring, batch...)
	}
	viewers.Wait()
	row, ok := stopped.Next()
	if s := ring.Stats(); !ok || row.Kind != Skipped || row.Count != s.First-1 {
		t.Errorf("the viewer that stood still: %+v, the ring begins at %d", row, s.First)
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ring := New(1 << 20)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := ring.Wait(ctx, 1); err != context.DeadlineExceeded {
			t.Error(err)
		}
		go ring.Note(sink.Notice{Connected: "amqp://h"})
		if err := ring.Wait(t.Context(), 1); err != nil {
			t.Error(err)
		}
	})
}

// Memory is that of the ring, whatever is written: many small records, a new
// producer for each, or large ones.
func TestMemory(t *testing.T) {
	const size = 4 << 20
	for name, record := range map[string]func(n int) sink.Record{
		"small":     func(int) sink.Record { return sink.Record{Body: []byte("x")} },
		"producers": func(n int) sink.Record { return numbered(n, fmt.Sprint(n)) },
		"origins": func(n int) sink.Record {
			return sink.Record{App: fmt.Sprint(n, strings.Repeat("a", 200)), Host: fmt.Sprint(n), Body: []byte("{}")}
		},
		"large":     func(n int) sink.Record { return sink.Record{Body: make([]byte, 1+n*7919%(size/8))} },
		"too large": func(int) sink.Record { return sink.Record{Body: make([]byte, size/4)} },
	} {
		t.Run(name, func(t *testing.T) {
			before := heap()
			ring := New(size)
			for n := 0; ring.Stats().First == 1 && n < 2_000_000; n++ {
				if r := record(n); name != "too large" {
					write(t, ring, r)
				} else if write(t, ring, r); n > 20 {
					break
				}
			}
			held := heap() - before
			if s := ring.Stats(); s.Bytes > size || held > size+1<<20 {
				t.Errorf("holds %d, by its own account %d", held, s.Bytes)
			}
			runtime.KeepAlive(ring)
		})
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestRecordThatIsTooLarge(t *testing.T) {
	ring := New(1 << 20)
	write(t, ring, sink.Record{App: "web\x1b", Body: make([]byte, 1<<20)})
	row, ok := ring.Cursor(1, nil).Next()
	if want := `a record of 1048576 bytes of "web\x1b" is not kept here: the most is 131072`; !ok || row.Kind != Remark || row.Text != want {
		t.Errorf("got %+v", row)
	}
}
