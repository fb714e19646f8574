package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/slogcast/slogcast/cmd/logtail/internal/view"
	"github.com/slogcast/slogcast/sink"
)

// TestPage drives the page in one Chromium.
func TestPage(t *testing.T) {
	chromium := newBrowser(t)
	for _, test := range []struct {
		name string
		run  func(*testing.T, context.Context)
	}{
		{"records appear and are filtered", recordsAppearAndAreFiltered},
		{"pause and go on without a hole", pauseAndGoOnWithoutAHole},
		{"one record", oneRecord},
		{"range of the histogram", rangeOfTheHistogram},
		{"download", download},
		{"gaps are rows", gapsAreRows},
		{"texts of records stay texts", textsOfRecordsStayTexts},
		{"screenshots", screenshots},
		{"evil page", evilPage},
		{"server that starts again", serverThatStartsAgain},
		{"URLs of no view", urlsOfNoView},
		{"page that nobody sees", pageThatNobodySees},
		{"page too many", pageTooMany},
		{"frames", frames},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, chromium) })
	}
}

func recordsAppearAndAreFiltered(t *testing.T, chromium context.Context) {
	s := newSite(t, 8<<20)
	p := openTab(t, chromium, s, "/")
	s.fill(100)
	p.shows("n100")
	if got := p.count(); got != 101 { // and that the broker is there
		t.Errorf("%d rows", got)
	}

	p.input("level", "error")
	p.until(`document.querySelector("#rows").getAttribute("aria-rowcount") === "17"`) // 16, and the connection
	s.fill(6)
	p.until(`document.querySelector("#rows").getAttribute("aria-rowcount") === "18"`)
	p.input("level", "")
	p.input("where", `n > 90 and n <= 95`)
	p.until(`document.querySelector("#rows").getAttribute("aria-rowcount") === "6"`)
	if got := value[string](p, `location.search`); got != "?where=n+%3E+90+and+n+%3C%3D+95" {
		t.Errorf("the URL has %s", got)
	}

	p.input("where", `n > `)
	p.until(`!document.querySelector("#problem").hidden`)
	if got := value[string](p, `document.querySelector("#problem").textContent`); !strings.Contains(got, "^") {
		t.Errorf("the problem is told as %q", got)
	}
	p.input("where", "")
	p.input("grep", "n42")
	p.until(`document.querySelector("#rows mark")?.textContent === "n42"`)

	// Another page with the same URL shows the same.
	q := openTab(t, p.ctx, s, value[string](p, `location.search && "/" + location.search`))
	q.until(`document.querySelector("#rows mark")?.textContent === "n42" && document.querySelector("[name=grep]").value === "n42"`)
}

func pauseAndGoOnWithoutAHole(t *testing.T, chromium context.Context) {
	s := newSite(t, 64<<20)
	s.fill(50)
	p := openTab(t, chromium, s, "/")
	p.shows("n50")
	p.key(" ")
	p.until(`document.querySelector("#live").textContent === "paused"`)
	s.fill(100_000)
	next := s.ring.Stats().Next
	p.until(`document.querySelector("#follow").textContent.includes("100\u202f000 new")`)
	if got := p.count(); got != 51 {
		t.Errorf("%d rows while it stands still", got)
	}
	p.key(" ")
	p.last(next - 1)
	first, rows := value[int](p, `Number(document.querySelector("#rows").dataset.first)`), p.count()
	if first+rows != int(next) || rows < 100_000 {
		t.Errorf("%d rows from %d to %d: there is a hole", rows, first, next)
	}

	// At its end it goes on; scrolled up it stands still.
	value[bool](p, `document.querySelector("#rows").scrollTop -= 4000, true`)
	p.until(`document.querySelector("#live").textContent === "paused"`)
	s.fill(10)
	value[bool](p, `document.querySelector("#rows").scrollTop = 1e9, true`)
	p.last(next + 9)
}

func oneRecord(t *testing.T, chromium context.Context) {
	s := newSite(t, 8<<20)
	s.line(`{"time":"2026-11-25T04:00:00Z","level":"ERROR","msg":"broken","id":9007199254740993,"user":"eve","stack":"at a\nat b"}`)
	s.fill(5)
	p := openTab(t, chromium, s, "/")
	p.shows("broken")
	p.do(chromedp.Click(chromedp.CSS(`.row.error[data-pos="2"]`)))
	p.until(`document.querySelector("#detail .json")?.textContent.includes("9007199254740993")`)
	p.until(`document.querySelector("#detail .stack").textContent === "at a\nat b"`)
	p.until(`new URLSearchParams(location.search).get("at") === "2"`)

	// Only its user, then what came around it.
	p.do(chromedp.Click(chromedp.CSS(`#detail [aria-label="only user = eve"]`)))
	p.until(`document.querySelector("#rows").getAttribute("aria-rowcount") === "2"`)
	p.do(chromedp.Click(chromedp.CSS(`.row.error`)))
	p.key("x")
	p.until(`document.querySelector("#rows").getAttribute("aria-rowcount") === "7"`)
	p.until(`document.querySelector(".row.chosen")?.dataset.pos === "2"`)
	p.do(chromedp.NavigateBack())
	p.until(`document.querySelector("#rows").getAttribute("aria-rowcount") === "2"`)
}

func rangeOfTheHistogram(t *testing.T, chromium context.Context) {
	s := newSite(t, 8<<20)
	began := time.Now().Add(-150 * time.Second).Truncate(time.Second)
	for n := range 600 {
		s.line(`{"time":%q,"level":"INFO","msg":"s%d"}`, began.Add(time.Duration(n)*time.Second).Format(time.RFC3339), n)
	}
	p := openTab(t, chromium, s, "/")
	p.until(`document.querySelector("#histogram").ariaLabel?.includes("600 info") || document.querySelector("#histogram").getAttribute("aria-label").includes("600 info")`)
	box := value[[]float64](p, `(() => { const b = document.querySelector("#histogram").getBoundingClientRect(); return [b.left, b.top, b.width, b.height] })()`)
	y := box[1] + box[3]/3
	p.do(
		chromedp.MouseEvent(input.DispatchMouseEventTypeMousePressed, box[0]+box[2]*0.25, y, chromedp.ButtonLeft),
		chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, box[0]+box[2]*0.4, y, chromedp.ButtonLeft),
		chromedp.MouseEvent(input.DispatchMouseEventTypeMouseReleased, box[0]+box[2]*0.5, y, chromedp.ButtonLeft),
	)
	p.until(`location.search.includes("since=") && location.search.includes("until=")`)
	p.until(`(n => n > 120 && n < 180)(Number(document.querySelector("#rows").getAttribute("aria-rowcount")))`)
	p.until(`document.querySelectorAll(".chip").length === 2 && !document.querySelector("#brush").hidden`)
}

func download(t *testing.T, chromium context.Context) {
	s := newSite(t, 8<<20)
	s.fill(600)
	p := openTab(t, chromium, s, "/?level=error")
	dir := t.TempDir()
	_, err := chromedp.CallBrowser(p.ctx, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{Behavior: browser.SetDownloadBehaviorBehaviorAllow, DownloadPath: dir})
	if err != nil {
		t.Fatal(err)
	}
	p.do(chromedp.Click(chromedp.CSS("#download")))
	var got []byte
	for poll, deadline := time.Tick(20*time.Millisecond), time.Now().Add(patience); strings.Count(string(got), "\n") < 100; <-poll {
		if found, _ := filepath.Glob(filepath.Join(dir, "logtail-*.ndjson")); len(found) == 1 {
			got, _ = os.ReadFile(found[0])
		}
		if time.Now().After(deadline) {
			t.Fatalf("downloaded %d bytes", len(got))
		}
	}
	for line := range strings.Lines(string(got)) {
		if !json.Valid([]byte(line)) || !strings.Contains(line, `"level":"ERROR"`) {
			t.Errorf("got %s", line)
		}
	}
}

func gapsAreRows(t *testing.T, chromium context.Context) {
	s := newSite(t, 8<<20)
	p := openTab(t, chromium, s, "/?level=error&grep=nothing")
	s.gap()
	p.until(`document.querySelector(".row.gap")?.textContent.includes("gap: 132 records of web@h1 are missing (#1-#132): dropped by the producer")`)
	p.until(`document.querySelector("#missing").textContent === "⚠ 132 missing in 1 gap"`)
}

func textsOfRecordsStayTexts(t *testing.T, chromium context.Context) {
	s := newSite(t, 8<<20)
	s.xss()
	p := openTab(t, chromium, s, "/")
	n := int(s.ring.Stats().Next) - 1
	p.last(uint64(n))
	p.key("g")
	for range n {
		p.do(chromedp.KeyEvent("j"))
	}
	p.until(`document.querySelector("#detail .about") !== null`)
	const foreign = `[...document.querySelectorAll("script, img, svg, iframe, style, base, form, meta, a, input")].filter(e => !e.outerHTML.includes("evil")).length - document.querySelectorAll("script, img, svg, iframe, style, base, form, meta, a, input").length`
	if got := value[int](p, foreign); got != 0 {
		t.Errorf("%d elements are of records", -got)
	}
	if value[bool](p, `"evil" in window || ({}).evil !== undefined`) {
		t.Error("a record has run")
	}
	if got := value[bool](p, `/[\u0000-\u0008\u000e-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/.test(document.querySelector("main").textContent)`); got {
		t.Error("what directs text is shown as it is")
	}
}

func screenshots(t *testing.T, chromium context.Context) {
	dir := os.Getenv("LOGTAIL_SCREENSHOTS")
	if dir == "" {
		dir = t.TempDir() // they can be made, at least
	}
	s := newSite(t, 8<<20)
	s.sample()
	p := openTab(t, chromium, s, "/")
	p.until(`document.querySelector("#histogram").getAttribute("aria-label").includes("error")`)
	shoot := func(name string, more ...step) {
		p.do(more...)
		png, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	scheme := func(name string) step {
		return func(ctx context.Context, target *chromedp.Target) (v chromedp.Void, err error) {
			_, err = cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}})
			return v, err
		}
	}
	shoot("light", scheme("light"))
	shoot("dark", scheme("dark"))
	p.do(chromedp.Click(chromedp.CSS(`.row.error:not([hidden])`)))
	p.until(`document.querySelector("#detail .json") !== null`)
	shoot("record-dark")
	shoot("record-light", scheme("light"))
	p.key("\x1b")
	p.do(chromedp.EmulateViewport(390, 780, chromedp.EmulateScale(2)))
	p.key(" ")
	s.fill(1203)
	p.until(`document.querySelector("#follow").textContent.includes("new")`)
	shoot("phone-light")
	shoot("phone-dark", scheme("dark"))
	if over := value[int](p, `document.documentElement.scrollWidth - innerWidth`); over > 0 {
		t.Errorf("the page is %d pixels too wide for a phone", over)
	}
}

// A page of another site, on another port, reads nothing and frames nothing, with
// a browser that has the cookie.
func evilPage(t *testing.T, chromium context.Context) {
	s := newSite(t, 8<<20)
	s.fill(3)
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, `<!doctype html><title>evil</title>`) // who does not read has gone
	}))
	defer evil.Close()
	p := openTab(t, chromium, s, "/")
	p.shows("n3")
	p.do(chromedp.Navigate(evil.URL))
	for _, path := range []string{"/", "/api/rows?from=1", "/api/download", "/api/record?pos=2", "/metrics", "/healthz", "/assets/main.js"} {
		for _, mode := range []string{"cors", "no-cors"} {
			p.do(chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`window.got = undefined; fetch(%q, {mode: %q, credentials: "include"}).then(r => r.text()).then(t => window.got = "read: " + t, e => window.got = "refused")`, s.url+path, mode)))
			p.until(`window.got !== undefined`)
			if got := value[string](p, `window.got`); got != "refused" {
				t.Errorf("%s, %s: %s", path, mode, got)
			}
		}
	}
	p.do(chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`window.framed = undefined; { const f = document.createElement("iframe"); f.src = %q; f.onload = () => { try { window.framed = f.contentDocument === null ? "other" : f.contentDocument.body.innerText } catch { window.framed = "other" } }; document.body.append(f) } window.script = undefined; { const e = document.createElement("script"); e.src = %q; e.onload = () => window.script = "ran"; e.onerror = () => window.script = "refused"; document.body.append(e) }`, s.url+"/", s.url+"/api/download")))
	p.until(`window.framed !== undefined && window.script !== undefined`)
	if got := value[string](p, `window.script`); got != "refused" {
		t.Errorf("a script of ours: %s", got)
	}
	tree, err := chromedp.Call(p.ctx, page.GetFrameTree, cdp.Empty{})
	if err != nil {
		t.Fatal(err)
	}
	for _, child := range tree.FrameTree.ChildFrames {
		if !strings.HasPrefix(child.Frame.URL, "chrome-error:") {
			t.Errorf("the page is framed at %s", child.Frame.URL)
		}
	}
}

// frames measures how a page with 100,000 rows scrolls, and prints it: what
// that is on a busy machine is no reason to fail.
// What a page shows of a logtail that is gone is not taken for what the next one
// has at the same positions.
func serverThatStartsAgain(t *testing.T, chromium context.Context) {
	type life struct {
		ctx     context.Context
		handler http.Handler
	}
	var now atomic.Pointer[life]
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		of := now.Load()
		ctx, cancel := context.WithCancel(req.Context())
		defer cancel()
		defer context.AfterFunc(of.ctx, cancel)()
		of.handler.ServeHTTP(w, req.WithContext(ctx))
	}))
	defer front.Close()
	begin := func(first string) (s *site, end func()) {
		s = &site{ring: view.New(8 << 20), url: front.URL}
		s.ring.Note(sink.Notice{Connected: "amqp://test"})
		server, err := New(Config{Ring: s.ring, Title: "logs", Token: token})
		if err != nil {
			t.Fatal(err)
		}
		for n := range 50 {
			s.line(`{"level":"INFO","msg":"%s%d","of":%q}`, first, n, first)
		}
		ctx, cancel := context.WithCancel(context.Background())
		now.Store(&life{ctx, server.Handler()})
		return s, cancel
	}
	s, end := begin("old")
	p := openTab(t, chromium, s, "/")
	p.shows("old49")
	s2, end2 := begin("new")
	defer end2()
	end()
	p.until(`document.querySelector("#rows").getAttribute("aria-rowcount") === "103"`) // what came before the page did is shown, too
	p.key("g")
	p.do(chromedp.KeyEvent("jjjjj"))
	p.until(`document.querySelector("#detail .what").textContent === "old4" && document.querySelector("#detail").innerText.includes("was started again since")`)
	if got := value[string](p, `document.querySelector("#detail").innerText + location.search`); strings.Contains(got, "new") || strings.Contains(got, "at=") {
		t.Errorf("the old record is shown as %s", got)
	}
	p.do(chromedp.KeyEvent("G"))
	s2.line(`{"msg":"last"}`)
	p.shows("last")
	p.do(chromedp.Click(chromedp.CSS(`.row.info[data-pos="50"]`)))
	p.until(`document.querySelector("#detail .json")?.textContent.includes("new48")`)
}

// A URL that somebody has made up is a view, or one of all.
func urlsOfNoView(t *testing.T, chromium context.Context) {
	s := newSite(t, 8<<20)
	s.fill(20)
	p := openTab(t, chromium, s, "/")
	for _, query := range []string{"at=99999999999999999999", "at=-1", "at=1.5", "at=x", "at=5&run=none", "at=9007199254740991", "since=Tx", "level=loud&at=3", "at=3&where=n+%3E"} {
		p.do(chromedp.Navigate(s.url + "/?" + query))
		if strings.Contains(query, "at=3") || strings.Contains(query, "since") {
			p.until(`!document.querySelector("#problem").hidden`)
			continue
		}
		p.shows("n20")
	}
}

// Pages that are opened behind others leave the browser's few connections to those
// that are seen.
func pageThatNobodySees(t *testing.T, chromium context.Context) {
	s := newSite(t, 8<<20)
	s.fill(20)
	p := openTab(t, chromium, s, "/")
	p.shows("n20")
	hide := func(hidden bool) {
		value[bool](p, fmt.Sprintf(`Object.defineProperty(document, "hidden", {configurable: true, value: %t}), document.dispatchEvent(new Event("visibilitychange"))`, hidden))
	}
	hide(true)
	p.input("where", "n > 15") // as a page does that is opened behind another
	p.until(`location.search !== ""`)
	deadline := time.Now().Add(patience)
	for poll := time.Tick(20 * time.Millisecond); ; <-poll {
		if _, metrics := ask(t, "GET", s.url+"/metrics", nil, bearer); strings.Contains(metrics, "logtail_viewers 0\n") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("a page that nobody sees has a connection")
		}
	}
	hide(false)
	p.until(`document.querySelector("#rows").getAttribute("aria-rowcount") === "6"`)
}

// A page that is one too many says so.
func pageTooMany(t *testing.T, chromium context.Context) {
	ring := view.New(1 << 20)
	server, err := New(Config{Ring: ring, Title: "logs", Token: token})
	if err != nil {
		t.Fatal(err)
	}
	for range maxViewers {
		server.viewers.enter(ring.Cursor(1, nil))
	}
	front := httptest.NewServer(server.Handler())
	defer front.Close()
	ctx, cancel := chromedp.NewContext(chromium)
	t.Cleanup(cancel)
	p := &tab{t, ctx}
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	p.do(chromedp.Navigate(front.URL + "/#token=" + token))
	p.until(`document.querySelector("#live").textContent === "256 pages are open, which is the most"`)
}

func frames(t *testing.T, chromium context.Context) {
	s := newSite(t, 128<<20)
	p := openTab(t, chromium, s, "/")
	s.fill(100_000)
	p.last(s.ring.Stats().Next - 1)
	p.key(" ")
	p.do(chromedp.Evaluate[chromedp.Void](`window.frames60 = undefined; { const rows = document.querySelector("#rows"); const times = []; let n = 0; const step = (t) => { times.push(t); rows.scrollTop = rows.scrollHeight * (0.5 + 0.4 * Math.sin(n / 20)); if (++n < 120) requestAnimationFrame(step); else { const d = times.slice(1).map((t, i) => t - times[i]).sort((a, b) => a - b); window.frames60 = JSON.stringify({rows: rows.getAttribute("aria-rowcount"), median: d[d.length >> 1], p99: d[Math.floor(d.length * .99)], heap: Math.round((performance.memory?.usedJSHeapSize ?? 0) / 1048576)}) } }; requestAnimationFrame(step) }`))
	p.until(`window.frames60 !== undefined`)
	t.Logf("milliseconds between frames, and MiB: %s", value[string](p, `window.frames60`))
}
