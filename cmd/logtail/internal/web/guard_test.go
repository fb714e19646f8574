package web

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/slogcast/slogcast/cmd/logtail/internal/view"
)

func TestMain(m *testing.M) {
	// net/http keeps a connection that it has refused open for half a second.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// ask sends a request with headers: "Host: evil", say.
func ask(t *testing.T, method, url string, body io.Reader, headers ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			req.Host = value
		}
		req.Header.Set(name, value)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

const bearer = "Authorization: Bearer " + token

func TestWhoIsLetIn(t *testing.T) {
	s := newSite(t, 1<<20)
	s.fill(3)
	const navigates = "Sec-Fetch-Mode: navigate\nSec-Fetch-Dest: document"
	for _, test := range []struct {
		path    string
		headers string
		want    int
	}{
		{"/", "", 200},
		{"/healthz", "", 200},
		{"/api/record?pos=2", "", 401},
		{"/api/rows?before=9&n=9", "", 401},
		{"/api/histogram", "", 401},
		{"/api/download", "", 401},
		{"/metrics", "", 401},
		{"/api/record?pos=2", bearer, 200},
		{"/api/record?pos=2", "Authorization: Bearer wrong", 401},
		{"/api/record?pos=2", "Cookie: logtail-0=wrong", 401},
		{"/metrics", bearer, 200},
		{"/nothing", bearer, 404},
		{"/assets/../server.go", bearer, 404},

		{"/api/record?pos=2", bearer + "\nHost: evil.example", 421},
		{"/api/record?pos=2", bearer + "\nHost: evil.example:7480", 421},
		{"/api/record?pos=2", bearer + "\nHost: localhost.evil.example", 421},
		{"/api/record?pos=2", bearer + "\nHost: 127.0.0.1.nip.io", 421},
		{"/api/record?pos=2", bearer + "\nHost: 10.1.2.3", 421},
		{"/api/record?pos=2", bearer + "\nHost: localhost:9", 200}, // through a tunnel
		{"/api/record?pos=2", bearer + "\nHost: [::1]:7480", 200},
		{"/healthz", "Host: evil.example", 421},
		{"/", "Host: evil.example", 421},

		{"/api/record?pos=2", bearer + "\nSec-Fetch-Site: same-origin", 200},
		{"/api/record?pos=2", bearer + "\nSec-Fetch-Site: none", 200},
		{"/api/record?pos=2", bearer + "\nSec-Fetch-Site: same-site", 403},
		{"/api/record?pos=2", bearer + "\nSec-Fetch-Site: cross-site", 403},
		{"/api/download", bearer + "\nSec-Fetch-Site: cross-site\n" + navigates, 403},
		{"/healthz", "Sec-Fetch-Site: cross-site", 403},
		{"/assets/main.js", "Sec-Fetch-Site: same-site", 403},
		{"/", "Sec-Fetch-Site: cross-site\n" + navigates, 200}, // a link of a colleague
		{"/", "Sec-Fetch-Site: cross-site\nSec-Fetch-Mode: navigate\nSec-Fetch-Dest: iframe", 403},
		{"/", "Sec-Fetch-Site: cross-site", 403},
		{"/api/record?pos=2", bearer + "\nOrigin: http://evil.example", 403}, // a browser that is old
		{"/api/record?pos=2", bearer + "\nOrigin: null", 403},
	} {
		var headers []string
		if test.headers != "" {
			headers = strings.Split(test.headers, "\n")
		}
		resp, body := ask(t, "GET", s.url+test.path, nil, headers...)
		if resp.StatusCode != test.want {
			t.Errorf("%s with %q: %s, want %d", test.path, headers, resp.Status, test.want)
		}
		if test.want != 200 && strings.Contains(body, "n1") {
			t.Errorf("%s: %s", test.path, body)
		}
		for name, value := range map[string]string{"X-Frame-Options": "DENY", "Cross-Origin-Resource-Policy": "same-origin", "Access-Control-Allow-Origin": ""} {
			if got := resp.Header.Get(name); got != value {
				t.Errorf("%s: %s is %q", test.path, name, got)
			}
		}
		if csp := resp.Header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none';") || !strings.Contains(csp, "frame-ancestors 'none'") {
			t.Errorf("%s: %q", test.path, csp)
		}
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH"} {
		if resp, _ := ask(t, method, s.url+"/api/rows", nil, bearer); resp.StatusCode != 405 {
			t.Errorf("%s: %s", method, resp.Status)
		}
	}
}

func TestLogin(t *testing.T) {
	s := newSite(t, 1<<20)
	s.fill(3)
	resp, _ := ask(t, "POST", s.url+"/api/session", strings.NewReader(`{"token":"`+token+`"}`))
	cookies := resp.Cookies()
	if resp.StatusCode != 204 || len(cookies) != 1 || !cookies[0].HttpOnly || cookies[0].SameSite != http.SameSiteStrictMode || strings.Contains(cookies[0].Value, token) {
		t.Fatalf("%s, %v", resp.Status, cookies)
	}
	if resp, body := ask(t, "GET", s.url+"/api/record?pos=2", nil, "Cookie: "+cookies[0].Name+"="+cookies[0].Value); resp.StatusCode != 200 {
		t.Errorf("with the cookie: %s, %s", resp.Status, body)
	}
	for body, want := range map[string]int{`{"token":"wrong"}`: 401, `{}`: 401, `{"user":"","password":""}`: 401, `x`: 400, `{"token":"` + strings.Repeat("x", 1<<16) + `"}`: 400} {
		if resp, _ := ask(t, "POST", s.url+"/api/session", strings.NewReader(body)); resp.StatusCode != want || len(resp.Cookies()) > 0 {
			t.Errorf("%.40s: %s, want %d", body, resp.Status, want)
		}
	}
	if _, err := New(Config{Ring: view.New(0)}); err == nil {
		t.Error("a page for everybody")
	}
}

// stream reads rows of a site until enough says so.
func stream(t *testing.T, s *site, params string, enough func(row map[string]any) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", s.url+"/api/rows?"+params, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var row map[string]any
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			t.Fatalf("%v in %s", err, lines.Bytes())
		}
		if enough(row) {
			return
		}
	}
	t.Fatalf("%s: the rows have ended: %v", params, lines.Err())
}

func TestRows(t *testing.T) {
	s := newSite(t, 1<<20)
	s.fill(1000)
	for params, want := range map[string]string{
		"from=999":                           "n998 n999 n1000 end 1002",
		"last=2":                             "n999 n1000 end 1002",
		"from=1&level=error&where=n+%3E+990": "amqp n995 end 1002",
		"before=4&n=2":                       "n2 n1 end 2",
		"before=2&n=5":                       "amqp end 1",
		"from=998&run=another&where=n<3":     "amqp n1 n2 end 1002", // all of this one is new
		"before=998&n=2&run=another":         "end 1",
	} {
		var got []string
		stream(t, s, params, func(row map[string]any) bool {
			switch {
			case row["k"] == "connected":
				got = append(got, "amqp")
			case row["m"] != nil:
				got = append(got, row["m"].(string))
			case row["end"] == true || strings.HasPrefix(params, "before") && row["at"] != nil:
				got = append(got, fmt.Sprint("end ", row["at"]))
				return true
			}
			return false
		})
		if got := strings.Join(got, " "); got != want {
			t.Errorf("%s: %s, want %s", params, got, want)
		}
	}
	if resp, _ := ask(t, "GET", s.url+"/api/rows?before=4&n=2", nil, bearer); resp.Header.Get("X-Accel-Buffering") != "no" {
		t.Error("a proxy in front may keep rows back")
	}
	for params, want := range map[string]string{
		"level=loud": `"flag":"level"`, "where=a+%3D": `"flag":"where"`, "since=soon": `"flag":"since"`, "from=-1": "from must be", "before=1&n=1000000": "n must be",
	} {
		if resp, body := ask(t, "GET", s.url+"/api/rows?"+params, nil, bearer); resp.StatusCode != 400 || !strings.Contains(body, want) {
			t.Errorf("%s: %s %s", params, resp.Status, body)
		}
	}
}

// Rows that come meanwhile follow; what has left the ring is told.
func TestRowsThatCome(t *testing.T) {
	s := newSite(t, 64<<10)
	s.fill(1000)
	skipped, last := 0.0, ""
	stream(t, s, "from=1", func(row map[string]any) bool {
		switch {
		case row["k"] == "skipped":
			skipped = row["n"].(float64)
		case row["m"] != nil:
			last = row["m"].(string)
		case row["end"] == true && last == "n1000":
			s.fill(1)
		}
		return last == "n1001"
	})
	if skipped < 100 {
		t.Errorf("%v rows skipped", skipped)
	}
	_, metrics := ask(t, "GET", s.url+"/metrics", nil, bearer)
	for _, want := range []string{"logtail_connected 1\n", "logtail_records_total 1001\n", "# TYPE logtail_gaps_total counter\n", fmt.Sprintf("logtail_viewer_skipped_rows_total %v\n", skipped)} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no %q in %s", want, metrics)
		}
	}
}

func TestHistogram(t *testing.T) {
	s := newSite(t, 1<<20)
	at := time.Date(2026, 11, 25, 4, 0, 0, 0, time.UTC)
	for n := range 6 {
		s.line(`{"time":%q,"level":%q,"msg":"x"}`, at.Add(time.Duration(n)*400*time.Millisecond).Format(time.RFC3339Nano), []string{"INFO", "ERROR"}[n%2])
	}
	_, body := ask(t, "GET", s.url+"/api/histogram?width=1000", nil, bearer)
	ms := at.UnixMilli()
	want := fmt.Sprintf(`"at":8,"end":true,"bars":[[%d,0,0,2,0,1,0,0],[%d,0,0,1,0,1,0,0],[%d,0,0,0,0,1,0,0]]}`, ms, ms+1000, ms+2000)
	if !strings.HasSuffix(body, want) {
		t.Errorf("got %s, want %s", body, want)
	}
}

// The row of any record is in proportion to it, and a line of valid JSON.
func TestRowsOfHostileRecords(t *testing.T) {
	s := newSite(t, 16<<20)
	s.xss()
	s.line(`{%q:{%s"z":1}}`, strings.Repeat("k", 32<<10), strings.Repeat(`"a":1,`, 5000))
	s.line(`{"m":%s1%s}`, strings.Repeat(`{"m":`, 5000), strings.Repeat(`}`, 5000))
	s.line(`{"msg":%q}`, strings.Repeat("\x7f", 1<<20))
	s.line(`{"a":[%s1]}`, strings.Repeat("1,", 1<<19))
	next := float64(s.ring.Stats().Next)
	size := 0
	stream(t, s, "from=1", func(row map[string]any) bool {
		b, _ := json.Marshal(row) // it was read from JSON
		size = max(size, len(b))
		return row["at"] == next && row["end"] == true
	})
	if size > 32<<10 {
		t.Errorf("a row of %d bytes", size)
	}
}

// BenchmarkRows is what a row costs the first page that asks for it, and the
// next ones.
func BenchmarkRows(b *testing.B) {
	s := &site{ring: view.New(1 << 20)}
	s.fill(1000)
	for _, name := range []string{"first", "next"} {
		b.Run(name, func(b *testing.B) {
			var lines cache
			var part []byte
			for b.Loop() {
				if name == "first" {
					lines.lines = [cachedLines]cachedLine{}
				}
				cursor := s.ring.Cursor(1, nil)
				for row, ok := cursor.Next(); ok; row, ok = cursor.Next() {
					part = lines.appendRow(part[:0], row)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/row")
		})
	}
}

// A guess that follows too many wrong ones teaches nothing, right or wrong.
func TestGuesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, err := New(Config{Ring: view.New(1 << 20), User: "ops", Password: "hunter2"})
		if err != nil {
			t.Fatal(err)
		}
		handler := server.Handler()
		at := "/api/record?pos=1"
		guess := func(password string, cookies ...*http.Cookie) int {
			req := httptest.NewRequest("GET", "http://localhost"+at, nil)
			for _, c := range cookies {
				req.AddCookie(c)
			}
			if password != "" {
				req.SetBasicAuth("ops", password)
			}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, req)
			return w.Code
		}
		answers := make(chan int)
		for range maxWrong {
			go func() { answers <- guess("wrong") }()
		}
		synctest.Wait()
		cookie := &http.Cookie{Name: "logtail-0", Value: server.login.cookie}
		if wrong, right, in := guess("wrong"), guess("hunter2"), guess("", cookie); wrong != 429 || right != 429 || in != 404 {
			t.Errorf("wrong %d, right %d, with the cookie %d; want 429, 429, 404", wrong, right, in)
		}
		for range maxWrong {
			if code := <-answers; code != 401 {
				t.Errorf("a wrong guess: %d", code)
			}
		}
		if code := guess("hunter2"); code != 404 {
			t.Errorf("right, later: %d", code)
		}
		at = "/api/session"
		if code := guess("wrong"); code != 401 {
			t.Errorf("wrong, asking for the session: %d", code)
		}
		at = "/api/record?pos=1"
		if code := guess("", &http.Cookie{Name: cookie.Name, Value: "of-another"}, cookie); code != 404 {
			t.Errorf("with another's cookie before it: %d", code)
		}
	})
}

// Who has gone is not worked for: a filter may take 10 ms for each of a million
// rows.
func TestWhoHasGone(t *testing.T) {
	s := newSite(t, 32<<20)
	s.fill(25_000)
	server, err := New(Config{Ring: s.ring, Token: token})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for path, want := range map[string][2]uint64{
		"rows?from=1": {1, 1000}, "rows?before=25000&n=10": {24_000, 25_000}, "rows?last=10": {24_000, 25_100}, "histogram?from=1&width=1000": {1, 1000},
	} {
		req := httptest.NewRequestWithContext(ctx, "GET", "http://localhost/api/"+path+"&where=user%3D%3D%22nobody%22", nil)
		req.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		server.Handler().ServeHTTP(w, req)
		lines := strings.Split(strings.TrimSpace(w.Body.String()), "\n")
		var state struct{ At uint64 }
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &state); err != nil {
			t.Fatalf("%s: %v in %q", path, err, lines)
		}
		if state.At < want[0] || state.At > want[1] {
			t.Errorf("%s: rows up to %d were looked at, want %d to %d", path, state.At, want[0], want[1])
		}
	}
}
