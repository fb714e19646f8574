package filter

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slogcast/slogcast/sink"
)

// glanceOptions are filters of which a glance may tell.
func glanceOptions() (all []Options) {
	for _, level := range []string{"warn", "debug..info", "info+2", "..error"} {
		all = append(all, Options{Level: level})
	}
	for _, name := range []string{"web", "", "a/b", "\ufffd", "shop"} {
		all = append(all, Options{App: []string{name}}, Options{Host: []string{name, "x"}})
	}
	for _, field := range []string{"status >= 500", "status = 200", "status != 200", "took > 1ms", "level >= warn", "level = INFO", "level != info", "user = ann", `user = "ann"`,
		"a.b > 1", "b < 3", "a = null", "e > x", "status", ", > 5", "cached = true", "error.stack = 5", "stack = 5", "msg = slow"} {
		all = append(all, Options{Field: []string{field}})
	}
	for _, grep := range []string{"slow", "SLOW", "SLOW|GET", "an+", "é", "\ufffd", "x y", `6 7|y\nz`, "^x$", "", `a\.b`, "at .*", "info", "Slow", `\x1b`, "500", "5"} {
		all = append(all, Options{Grep: []string{grep}}, Options{Grep: []string{grep, "zed", "status"}}, Options{Exclude: []string{grep}}, Options{Field: []string{"msg ~ " + grep}}, Options{Field: []string{"error.stack ~ " + grep}}, Options{Field: []string{"user !~ " + grep}})
	}
	for _, where := range glanceExpressions {
		all = append(all, Options{Where: []string{where}})
	}
	return all
}

var glanceExpressions = []string{`status >= 500`, `500 <= status`, `status == 200`, `status != 200`, `status == "200"`, `level >= "warn"`, `"warn" <= level`, `level == "ERROR"`, `level != "info"`,
	`level in ["WARN", "error"]`, `level == 40`, `level in [8, "debug"]`, `user in ["ann", "bob"]`, `status in [500, 502]`, `msg contains "slow"`, `msg startsWith "GET"`, `msg endsWith "é"`, `msg == "ready"`, `user == "ann"`,
	`list contains "x"`, `list contains "5"`, `took > "1ms"`, `cached == true`, `a.b > 1`, `b < 3`, `attr("level") == "INFO"`, `app == "web"`, `host startsWith "v"`, `id contains "7abc"`, `time > "2026-01-01"`, `time contains "2026"`,
	`level >= "warn" and status >= 500`, `level >= "warn" or status >= 500`, `not (status >= 500)`, `not (level == "INFO") and user == "ann"`, `all(1..200000, true) and status == 1`, `status == 1 or all(1..200000, true)`,
	`status == 1 and all(1..200000, true)`, `list contains "x" and user == "zed"`, `list contains "x" or status == 1`, `msg matches "a.*b" and status > 1`, `msg matches "sl.w" and user == "x"`, `user matches "^an+"`, `msg matches "(?i)SLOW" or level == "ERROR"`, `level matches "ERR"`, `time matches "2026"`, `nothing == nil and status == 200`, `nothing > 1 and status > 1`, `msg contains "\ufffd"`, `msg contains ""`, `any(list, # == 1) and status == 200`,
	`error.stack contains "x"`, `error.stack > 5`, `level contains "warn"`, `level startsWith "W"`, `msg contains "\\u0041"`, `e > "x"`, `let s = status; s > 5`, `"time" == "time" and status == 3`, `1 > 2`, `false`}

// glanceLines are lines of archives, of slog's and other records, and what is none.
func glanceLines(t testing.TB) (lines [][]byte) {
	for _, rest := range []string{
		`"msg":"slow","status":500}`, `"msg":"GET /","status":200,"user":"ann"}`, `"msg":"x","req":{"status":500},"a":{"b":2}}`, `"msg":"x","a.b":2,"a":null}`, `"msg":"x","a":{"b":"2"},"status" : 500}`,
		`"msg":"x\",\"status\":500","user":"bob"}`, `"msg":"sl\u006fw","user":"\u0061nn"}`, `"msg":"sl` + "\x1b[1m" + `ow","status":500}`, `"msg":"x","status":500`, `"msg":"slow","status":500,}`, `"msg":"","status":500}`,
		`"msg":"x","status":"500"}`, `"msg":"x","status":5e2,"took":1500000}`, `"msg":"x","status":[500],"took":"2ms"}`, `"msg":"x","list":["x",5.0,"y"],"cached":true}`, `"msg":"x","list":[5e0,[1],{"x":1}]}`,
		`"msg":"x","error":{"STACK":["5","6"]}}`, `"msg":"x","error":{"stack":["x y","z"]}}`, `"msg":"x","@id":"0192-7abc/5","@app":"web","@host":"vm1"}`, `"msg":"x","@app":"w\u0065b"}`, `"msg":"x","app":"web","host":"x"}`,
		`"msg":"x","@app":"web","@base64":"eyJsZXZlbCI6IldBUk4iLCJtc2ciOiJzbG93Iiwic3RhdHVzIjo1MDB9"}`, `"msg":"x","@base64":"c2xvdw==","z":1}`, `"msg":"x","@base64":"eyJsZXZlbCI6IldBUk4iLCJtc2ciOiJzbG93Iiwic3RhdHVzIjo1MDB9"}` + "\x00\r\n", `"msg":"x","status":500} `, `"msg":"é` + "\xff" + `","user":"an` + "\xff" + `n"}`, `"msg":"\ufffd","status":null}`,
		`"msg":"x","list":[` + strings.Repeat("1,", 60_000) + `1]}`, `"msg":"x","list":[` + strings.Repeat("1,", 12_000) + `1],"status":200}`, `"msg":"x","list":[` + strings.Repeat("1,", 5_000) + `1],"user":"zed"}`, `"msg":"{\"level\":\"WARN\"}","status":1}`, `"msg":5,"status":1}`,
		`"msg":"x","level":"ERROR","status":3}`, `"msg":"x","a":null,"status":true,"e":"y","b":-1}`, `"msg":"x",",":7}`, `"msg":",","e":",","b":2}`, `"msg":"x"} {"status":500}`, `"msg":"x","stack":"a\nb","e":"z"}` + "\r", `"msg":"x","stack":["5","6 7"]}`,
		`"msg":"x","stack":[{"func":"sl","class":"ow","line":5},{"func":"x","file":"y","line":1}]}`, `"msg":"SſLOW K","user":"KSlow"}`,
	} {
		for _, level := range []string{"INFO", "DEBUG", "WARN", "ERROR+2", "error", "?", "W\\u0041RN"} {
			if len(rest) > 5000 && level != "INFO" {
				break
			}
			lines = append(lines, []byte(`{"time":"2026-11-25T10:00:00.5Z","level":"`+level+`",`+rest))
		}
		if len(rest) > 5000 {
			continue
		}
		lines = append(lines, []byte(`{"time":"2026-11-31T10:00:00Z","level":"INFO",`+rest), []byte(`{"time":"x","level":"ERROR",`+rest), []byte(`{`+rest), []byte(" "+`{"time":"2026-11-25T10:00:00Z","level":"INFO",`+rest))
	}
	for _, name := range []string{"../testdata/formats.jsonl", "../testdata/more_formats.jsonl", "testdata/cases.json"} {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(data) {
			var of struct{ Body string }
			if json.Unmarshal(line, &of) == nil && of.Body != "" {
				line = bytes.ReplaceAll([]byte(of.Body), []byte("\n"), nil)
			}
			lines = append(lines, bytes.TrimSpace(line))
		}
	}
	return append(lines, bytes.SplitAfter(benchmarkLines(50), []byte("\n"))...)
}

// checkGlance compares what a glance says of a line with what its record does.
func checkGlance(t testing.TB, o Options, line []byte) (rejected bool) {
	t.Helper()
	f, err := o.Compile()
	if err != nil {
		return false
	}
	return checkRejects(t, f, o, line)
}

func checkRejects(t testing.TB, f *Filter, o Options, line []byte) (rejected bool) {
	t.Helper()
	rejects := f.Rejects()
	if rejects == nil || !rejects(line) {
		return false
	}
	r := sink.ParseLine(slices.Clone(line))
	if f.Pass(&r) {
		t.Errorf("%+v: a glance rejects what passes: %.300q", o, line)
	}
	return true
}

// A glance never rejects what passes, and it tells of most.
func TestGlance(t *testing.T) {
	lines, rejected, failed := glanceLines(t), 0, 0
	for _, o := range glanceOptions() {
		f := compile(t, o)
		for _, line := range lines {
			if checkRejects(t, f, o, line) {
				rejected++
				failed++
			} else if l := new(look); l.at(line) && l.isPlain() {
				if r := sink.ParseLine(slices.Clone(line)); !f.Pass(&r) {
					failed++
				}
			}
		}
	}
	t.Logf("a glance tells of %d of %d that do not pass", rejected, failed)
	if rejected < failed/2 {
		t.Errorf("a glance tells of %d alone of %d that do not pass", rejected, failed)
	}
	for where, want := range map[string]bool{`status >= 500`: true, `level >= "warn"`: true, `msg contains "slow"`: true, `user == "ann" or level == "ERROR"`: true, `not (status == 3) and level == "ERROR"`: true, `time > "2026-01-01"`: false} {
		f := compile(t, Options{Where: []string{where}})
		if got := f.Rejects() != nil && f.Rejects()([]byte(`{"time":"2026-11-25T10:00:00Z","level":"INFO","msg":"x","status":3}`)); got != want {
			t.Errorf("%s: got %v, want %v", where, got, want)
		}
	}
}

// TestGlanceByChance mixes expressions, and bytes of lines.
func TestGlanceByChance(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	lines := glanceLines(t)
	lines = slices.DeleteFunc(lines, func(line []byte) bool { return len(line) > 2000 })
	pick := func() string { return glanceExpressions[random.IntN(len(glanceExpressions))] }
	for end := time.Now().Add(500 * time.Millisecond); time.Now().Before(end); {
		o := Options{Where: []string{fmt.Sprintf([]string{"(%s) and (%s)", "(%s) or (%s)", "not (%s) and (%s)", "not ((%s) or (%s))"}[random.IntN(4)], pick(), pick())}}
		for range 20 {
			line := slices.Clone(lines[random.IntN(len(lines))])
			for range random.IntN(3) {
				if len(line) > 0 {
					line[random.IntN(len(line))] = "\"\\,:{}[] \x1b\xff5a"[random.IntN(13)]
				}
			}
			checkGlance(t, o, line)
		}
	}
}

func FuzzGlance(f *testing.F) {
	for _, line := range glanceLines(f) {
		if len(line) < 1000 {
			f.Add(line, glanceExpressions[len(line)%len(glanceExpressions)])
		}
	}
	f.Fuzz(func(t *testing.T, line []byte, where string) {
		checkGlance(t, Options{Where: []string{where}}, line)
		for _, o := range glanceOptions()[:40] {
			checkGlance(t, o, line)
		}
	})
}
