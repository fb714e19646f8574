package filter

import (
	"encoding/json"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slogcast/slogcast/sink"
)

// cases are of testdata/cases.json: records, and which of them pass with which
// flags of logtail. The command's tests use them, too.
type cases struct {
	Records map[string]json.RawMessage
	Cases   []struct {
		Flags []string
		Pass  []string
	}
}

func readCases(t testing.TB) (c cases) {
	data, err := os.ReadFile("testdata/cases.json")
	if err == nil {
		err = json.Unmarshal(data, &c)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// record returns a record as it comes from a broker.
func record(t testing.TB, line []byte) sink.Record {
	var envelope struct {
		App  string `json:"@app"`
		Host string `json:"@host"`
	}
	r := sink.ParseLine(slices.Clone(line))
	if json.Unmarshal(line, &envelope) == nil {
		r.App, r.Host = envelope.App, envelope.Host
	}
	return r
}

// options returns what flags of logtail ask for.
func options(t testing.TB, flags []string) (o Options) {
	for i := 0; i < len(flags); i += 2 {
		value := flags[i+1]
		switch flags[i] {
		case "-l":
			o.Level = value
		case "-g":
			o.Grep = append(o.Grep, value)
		case "-v":
			o.Exclude = append(o.Exclude, value)
		case "--app":
			o.App = append(o.App, value)
		case "--host":
			o.Host = append(o.Host, value)
		case "-f":
			o.Field = append(o.Field, value)
		case "-w":
			o.Where = append(o.Where, value)
		case "--since", "--until":
			at, err := ParseTime(value, time.Now(), time.UTC)
			if err != nil {
				t.Fatal(err)
			}
			if flags[i] == "--since" {
				o.Since = at
			} else {
				o.Until = at
			}
		default:
			t.Fatalf("unknown flag %s", flags[i])
		}
	}
	return o
}

func compile(t testing.TB, o Options) *Filter {
	t.Helper()
	f, err := o.Compile()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestCases(t *testing.T) {
	c := readCases(t)
	for _, tt := range c.Cases {
		t.Run(strings.Join(tt.Flags, " "), func(t *testing.T) {
			f := compile(t, options(t, tt.Flags))
			for name, line := range c.Records {
				r := record(t, line)
				if got, want := f.Pass(&r), slices.Contains(tt.Pass, name); got != want {
					t.Errorf("%s: got %v, want %v: %s", name, got, want, line)
				}
			}
		})
	}
}

func TestZeroOptionsPassAll(t *testing.T) {
	f := compile(t, Options{})
	r := sink.ParseLine([]byte("no JSON"))
	if !f.All() || !f.Pass(&r) || len(f.Patterns()) != 0 {
		t.Error("the zero Options ask for something")
	}
}

// A body of any other program has no level and no time: it passes what asks for
// these.
func TestNothingIsHiddenThatCannotBeJudged(t *testing.T) {
	f := compile(t, Options{Level: "warn", Since: time.Now(), Where: []string{`level > "error"`}})
	r := sink.ParseLine([]byte(`{"level":"WEIRD","msg":"x"}`))
	if !f.Pass(&r) {
		t.Error("a record with a level nobody knows, and without a time, is hidden")
	}
}

func TestPatterns(t *testing.T) {
	f := compile(t, Options{Grep: []string{"a", "B"}, Exclude: []string{"c"}, Field: []string{"k ~ d", "k !~ e"}})
	var got []string
	for _, re := range f.Patterns() {
		got = append(got, re.String())
	}
	slices.Sort(got)
	if want := []string{"(?i)a", "(?i)d", "B"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAllocations(t *testing.T) {
	f := compile(t, Options{Level: "warn..", App: []string{"web-*", "db"}, Host: []string{"h?"}, Since: time.Unix(0, 0)})
	line := []byte(`{"time":"2026-11-25T01:00:00Z","level":"ERROR","msg":"m","status":503}`)
	var r sink.Record
	pass := func() {
		r.SetLine(line)
		r.App, r.Host = "web-1", "h1"
		if !f.Pass(&r) {
			t.Fatal("the record does not pass")
		}
	}
	pass()
	if n := testing.AllocsPerRun(1000, pass); n > 0 {
		t.Errorf("got %v allocations, want none", n)
	}
}

func TestAtLeast(t *testing.T) {
	r := sink.ParseLine([]byte(`{"level":"INFO"}`))
	if AtLeast(slog.LevelWarn)(&r) || !AtLeast(slog.LevelInfo)(&r) {
		t.Error("INFO is at least INFO, and not WARN")
	}
}
