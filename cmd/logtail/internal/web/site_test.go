package web

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/slogcast/slogcast/cmd/logtail/internal/view"
	"github.com/slogcast/slogcast/sink"
)

const token = "a-token-of-this-test"

// site is a server of a ring that a test fills.
type site struct {
	ring *view.Ring
	url  string // without a slash at the end
	n    int    // the last number
}

func newSite(t *testing.T, size int64) *site {
	t.Helper()
	ring := view.New(size)
	s := &site{ring: ring, url: "http://" + start(t, Config{Ring: ring, Title: "logs", Token: token})}
	s.ring.Note(sink.Notice{Connected: "amqp://test"})
	return s
}

// write adds a record.
func (s *site) write(r sink.Record) {
	if r.Received.IsZero() {
		r.Received = time.Now()
	}
	_ = s.ring.Write(context.Background(), []sink.Record{r}) // a ring takes everything
}

// line adds the record of a line.
func (s *site) line(format string, args ...any) {
	s.write(sink.ParseLine(fmt.Appendf(nil, format, args...)))
}

// fill adds so many numbered records: n1, n2 …
func (s *site) fill(n int) {
	batch := make([]sink.Record, 0, 100)
	for range n {
		s.n++
		level := []string{"INFO", "DEBUG", "INFO", "WARN", "INFO", "ERROR"}[s.n%6]
		r := sink.ParseLine(fmt.Appendf(nil, `{"time":%q,"level":%q,"msg":"n%d","n":%d,"user":"ann","took":"12ms"}`, time.Now().Format(time.RFC3339Nano), level, s.n, s.n))
		r.App, r.Host, r.Producer, r.Seq, r.Received = "web", "h1", "p", uint64(s.n), time.Now()
		if batch = append(batch, r); len(batch) == cap(batch) {
			_ = s.ring.Write(context.Background(), batch)
			batch = batch[:0]
		}
	}
	_ = s.ring.Write(context.Background(), batch)
}

// hostile are texts that would do something, were they more than text.
var hostile = []string{
	`<script>window.evil=1</script>`,
	`<img src=x onerror="window.evil=1">`,
	`"><svg onload=window.evil=1>`,
	`'-window.evil=1-'`,
	`</pre></td><iframe srcdoc="<script>parent.evil=1</script>">`,
	`<a href="javascript:window.evil=1" id=rows>x</a>`,
	`<style>*{display:none}</style>`,
	`{{constructor.constructor('window.evil=1')()}}`,
	`${window.evil=1}`,
	`<base href="//evil.example/">`,
	`<meta http-equiv=refresh content="0;url=//evil.example/">`,
	"\u2028window.evil=1\u2029", "\u202eevil\u202c", "\x1b]0;evil\x07", "\x00", "\xff\xfe<script>",
	`__proto__`, `<form id=filters><input name=elements>`,
	strings.Repeat("<b>", 400),
}

// xss adds records with a text in every place that a text may be.
func (s *site) xss() {
	for _, text := range hostile {
		r := sink.ParseLine(fmt.Appendf(nil, `{"level":%[1]q,"msg":%[1]q,%[1]q:%[1]q,"g":{%[1]q:[%[1]q]},"stack":"a\n%[2]s"}`, text, strings.ReplaceAll(strings.ReplaceAll(text, `\`, ``), `"`, ``)))
		r.App, r.Host, r.Key = text, text, text
		s.write(r)
		s.write(sink.Record{Body: []byte(text), App: text})
		s.ring.Note(sink.Notice{Gap: &sink.Gap{App: text, Host: text, First: 1, Last: 2, Cause: text, Time: time.Now()}})
		s.ring.Note(sink.Notice{Remark: text})
	}
}

// gap tells of records that are missing.
func (s *site) gap() {
	s.ring.Note(sink.Notice{Gap: &sink.Gap{Producer: "p", App: "web", Host: "h1", First: 1, Last: 132, Cause: "dropped by the producer", Time: time.Now()}})
}

// sample adds records as services have them, of the last ten minutes.
func (s *site) sample() {
	began := time.Now().Add(-10 * time.Minute)
	add := func(n int, app, level, message, attrs string) {
		at := began.Add(time.Duration(n) * 600 * time.Millisecond)
		r := sink.ParseLine(fmt.Appendf(nil, `{"time":%q,"level":%q,"msg":%q,%s}`, at.Format(time.RFC3339Nano), level, message, attrs))
		r.App, r.Host, r.Received = app, "h1", at
		s.write(r)
	}
	for n := range 1000 {
		wave := n / 40 % 5
		switch {
		case n == 991:
			s.gap()
		case n%37 == 0 && wave > 1 || n == 985:
			add(n, "web", "ERROR", "panic in request", `"method":"POST","path":"/checkout","status":500,"panic":"assignment to entry in nil map","stack":"goroutine 71 [running]:\nmain.crash(0x1)\n\t/src/web.go:52\nmain.serve()\n\t/src/web.go:31"`)
		case n%11 == 0:
			add(n, "web", "WARN", "slow request", `"method":"GET","path":"/search?q=gopher","status":200,"took":"48.91ms"`)
		case n%5 == 0:
			add(n, "worker", "INFO", "done", fmt.Sprintf(`"job":{"id":%d,"kind":"thumbnail"},"attempts":1`, n))
		case n%5 == 1:
			add(n, "worker", "DEBUG", "taken", fmt.Sprintf(`"job":{"id":%d,"kind":"invoice"},"queue":"default","waiting":3`, n))
		case n%23 == 0:
			add(n, "cron", "INFO", "finished", `"task":"backup","took":"412ms","next":"10:31:00"`)
		default:
			add(n, "web", "INFO", "request", fmt.Sprintf(`"method":"GET","path":"/users/%d","status":200,"took":"%d.4ms"`, n%90, n%30))
		}
	}
}
