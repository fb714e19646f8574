package render

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/slogcast/slogcast/sink"
)

var update = flag.Bool("update", false, "write the golden files anew")

// at is when the tests' records arrive, sent when they were sent.
var (
	at   = time.Date(2026, 11, 23, 10, 20, 30, 400_000_000, time.UTC)
	sent = time.Date(2026, 11, 23, 10, 20, 29, 0, time.UTC)
)

// golden are records of all sorts, as they come from one exchange.
func golden() []sink.Record {
	of := func(app, body string) sink.Record {
		r := sink.ParseLine([]byte(body))
		r.Received = at
		r.App = app
		return r
	}
	numbered := of("web", `{"time":"2026-11-23T10:20:30.123456789Z","level":"INFO","msg":"GET /users","status":200,"took":1.5,"path":"/a b","empty":"","ok":true,"none":null}`)
	numbered.Producer, numbered.Seq, numbered.Host = "0192f0c1-7d3a-7e21-9a51-6f1f0f4e8f11", 17, "h1"
	late := of("", "info: Hello World!")
	late.Sent = sent
	return []sink.Record{
		numbered,
		of("worker", `{"time":"2026-11-23T10:20:30.5Z","level":"DEBUG","msg":"job taken","job":{"id":7,"tags":["a", "b"],"by":{"name":"Ann"}}}`),
		of("web", `{"time":"2026-11-23T10:20:31Z","level":"WARN+1","msg":"slow"}`),
		of("a-rather-long-service-name", `{"time":"2026-11-23T10:20:31Z","level":"ERROR","source":{"function":"main.f","file":"/src/app/main.go","line":12},"msg":"failed","err":"no such user","user.error":"x=y"}`),
		of("web", `{"time":"2026-11-23T10:20:32Z","level":"ERROR+4","msg":"panic: boom\n\tat once","stack":"goroutine 1 [running]:\nmain.main()\n\t/src/main.go:7 +0x1d\n"}`),
		late,
		of("evil", `{"time":"2026-11-23T10:20:33Z","level":"INFO","msg":"\u001b[2J\u009b31m \u202eevil\r","k\u001b[0m":"\u0007","fake":"\n2026-11-23 ERROR not a record"}`),
		of("\x1b]0;title\a", `{"time":"2026-11-23T10:20:33Z","level":"\u001b[5mX","msg":"level and app"}`),
		of("json", `{"severity":"notice","message":"of another logger","nested":{"x":{"y":{}}}}`),
		of("bin", "\x00\x01\xff\xfe"),
		of("py", `{"time":"2026-11-22T23:59:59Z","level":"error","msg":"\n\nyesterday","source":{"file":"a.py","line":3,"region":"eu"},"stack":["at a","at b"],"took_ms":93000,"body_bytes":15728640,"id":12345678901234567890.10}`),
		of("cjk", `{"time":"2026-11-23T10:20:34Z","level":"CRITICAL","msg":"\u001b[31m世界\u001b[0m 🎉 数据库连接失败数据库连接失败数据库连接失败数据库连接失败","名":"値 値"}`),
		of("py", `{"time":"2026-11-23T10:20:35Z","level":"error","msg":"long frame","stack":"\nat a very long line of a stack that does not fit into what is narrow\nat b"}`),
		of("py", `{"time":"2026-11-23T10:20:35Z","level":"error","msg":"frames","exception":[{"type": "E","frames":[{"line": 1}]}],"x":[1, 2]}`),
	}
}

// now is the clock of the tests.
func now() time.Time { return at }

func TestTerminalGolden(t *testing.T) {
	tmpl, err := ParseTemplate(`{{.Time.Format "15:04"}} {{pad 5 .LevelName}} {{color "green" .App}} {{.Message}} {{.Get "job.by.name"}}`)
	if err != nil {
		t.Fatal(err)
	}
	for name, opts := range map[string]Options{
		"plain":     {},
		"color":     {Color: true, Links: true, Highlight: []*regexp.Regexp{regexp.MustCompile("fail|such"), regexp.MustCompile("user")}},
		"light":     {Color: true, Light: true},
		"narrow":    {Width: 60},
		"truncated": {Width: 60, Truncate: true, Color: true},
		"hidden":    {Hide: []string{"app", "job"}, Show: []string{"job.id"}, Time: "2006-01-02 15:04"},
		"relative":  {Time: relative, Show: []string{"err"}},
		"json":      {Format: JSON},
		"escaped":   {Format: JSON, Escape: true},
		"raw":       {Format: Raw, Escape: true},
		"logfmt":    {Format: Logfmt},
		"template":  {Format: Template, Template: tmpl, Escape: true},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			opts.UTC, opts.Now = true, now
			if err := New(&out, opts).Write(t.Context(), golden()); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(out.Bytes(), want) {
				t.Errorf("got\n%s\nwant\n%s", out.Bytes(), want)
			}
		})
	}
}

func TestTerminalSaysWhenNobodyReads(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	r.Close()
	if err := New(w, Options{}).Write(t.Context(), golden()); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("got %v, want a closed pipe", err)
	}
}

// FuzzTerminal gives arbitrary bodies to everything that shows them.
func FuzzTerminal(f *testing.F) {
	for _, body := range []string{"", "text", `{"msg":"a","g":{"h":{"i":[1,"x\n"]}}}`, `{"source":{"file":"a/b.go","line":1}}`, "{\"a\":\"\x1b[31m\u202e\"}", `{"a":1}{`, "{\n}"} {
		f.Add([]byte(body), "app")
	}
	f.Fuzz(func(t *testing.T, body []byte, app string) {
		r := sink.ParseLine(body)
		r.App, r.Producer, r.Seq, r.Received = app, "p", 1, at
		line := r.AppendLine(nil)
		for _, opts := range []Options{{}, {Width: 40}, {Format: JSON}, {Format: Raw, Escape: true}, {Format: Logfmt}} {
			var out bytes.Buffer
			if err := New(&out, opts).Write(t.Context(), []sink.Record{r}); err != nil {
				t.Fatal(err)
			}
			for _, c := range out.String() {
				if c != '\n' && (c != '\t' || opts.Format != Raw) && !safe(c) && !inContext(c) {
					t.Errorf("%+v: %U in %q", opts, c, out.String())
				}
			}
			if opts.Format == JSON && !sameJSON(line, out.Bytes()) {
				t.Errorf("escaping has changed %q to %q", line, out.String())
			}
		}
	})
}

// sameJSON reports whether two texts have the same value.
func sameJSON(a, b []byte) bool {
	var v, w any
	if json.Unmarshal(a, &v) != nil || json.Unmarshal(b, &w) != nil {
		return false
	}
	x, _ := json.Marshal(v)
	y, _ := json.Marshal(w)
	return bytes.Equal(x, y)
}

// TestAllocations holds what a rendered line costs in memory, once the buffers
// are there.
func TestAllocations(t *testing.T) {
	terminal := New(io.Discard, Options{Color: true, Now: now})
	records := []sink.Record{sink.ParseLine(served(1)[0])}
	write := func() { _ = terminal.Write(t.Context(), records) }
	for range 100 {
		write()
	}
	if n := testing.AllocsPerRun(1000, write); n > 0 {
		t.Errorf("got %v allocations for a line", n)
	}
}
