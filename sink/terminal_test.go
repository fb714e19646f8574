package sink

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden are records of all sorts, as they come from one exchange.
func golden() []Record {
	of := func(app, body string) Record {
		r := newRecord(body)
		r.App = app
		return r
	}
	numbered := of("web", `{"time":"2026-11-23T10:20:30.123456789Z","level":"INFO","msg":"GET /users","status":200,"took":1.5,"path":"/a b","empty":"","ok":true,"none":null}`)
	numbered.Producer, numbered.Seq, numbered.Host = "0192f0c1-7d3a-7e21-9a51-6f1f0f4e8f11", 17, "h1"
	late := of("", "info: Hello World!")
	late.Sent = sent
	return []Record{
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
	}
}

func TestTerminalGolden(t *testing.T) {
	local := time.Local
	time.Local = time.UTC
	t.Cleanup(func() { time.Local = local })
	for name, opts := range map[string]TerminalOptions{
		"plain":   {},
		"color":   {Color: true},
		"json":    {JSON: true},
		"escaped": {JSON: true, Escape: true},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := NewTerminal(&out, opts).Write(t.Context(), golden()); err != nil {
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
	if err := NewTerminal(w, TerminalOptions{}).Write(t.Context(), golden()); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("got %v, want a closed pipe", err)
	}
}
