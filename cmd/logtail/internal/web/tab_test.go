package web

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// demand is the variable that has the tests fail where there is no Chromium.
const demand = "LOGTAIL_TEST_CHROMIUM"

// patience is how long a test waits for what should be.
const patience = time.Minute

// newBrowser starts a Chromium of its own.
func newBrowser(t *testing.T) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		if os.Getenv(demand) != "" {
			t.Fatalf("no Chromium is installed, and $%s demands it", demand)
		}
		t.Skip("no Chromium is installed: the page is not tested")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.WindowSize(1280, 800),
	)
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, end := chromedp.NewContext(ctx)
	t.Cleanup(end)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	return ctx
}

type step = chromedp.Action[chromedp.Void]

// tab is a page in a browser.
type tab struct {
	t   *testing.T
	ctx context.Context
}

// openTab opens a site in a tab of its own, at a path, with the token.
func openTab(t *testing.T, parent context.Context, s *site, path string) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(parent)
	t.Cleanup(cancel)
	p := &tab{t, ctx}
	if err := chromedp.Do(ctx); err != nil { // opens it; it lives as long as the context of this call
		t.Fatal(err)
	}
	p.do(chromedp.Navigate(s.url + path + "#token=" + token))
	p.until(`document.querySelector("#title").textContent === "logs" && location.hash === ""`)
	p.until(`document.querySelector("#rows").getAttribute("aria-busy") === "false"`)
	return p
}

func (p *tab) do(actions ...step) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		p.t.Fatalf("drive the page: %v", err)
	}
}

// value evaluates an expression.
func value[T any](p *tab, expression string) (v T) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		p.t.Fatalf("evaluate %s: %v", expression, err)
	}
	return v
}

// until waits until an expression is true.
func (p *tab) until(expression string) {
	p.t.Helper()
	deadline := time.Now().Add(patience)
	for poll := time.Tick(20 * time.Millisecond); !value[bool](p, "Boolean("+expression+")"); <-poll {
		if time.Now().After(deadline) {
			p.t.Fatalf("it never holds that %s; the page:\n%s", expression, value[string](p, `document.body.innerText`))
		}
	}
}

// shows waits until a text is among the rows.
func (p *tab) shows(text string) {
	p.t.Helper()
	p.until(fmt.Sprintf(`document.querySelector("#rows").innerText.includes(%s)`, quoted(text)))
}

func quoted(text string) string {
	b, _ := json.Marshal(text) // a text is never refused
	return string(b)
}

// count returns how many rows the page has.
func (p *tab) count() int {
	p.t.Helper()
	return value[int](p, `Number(document.querySelector("#rows").ariaRowCount ?? document.querySelector("#rows").getAttribute("aria-rowcount"))`)
}

// last waits until the last row is that of a position.
func (p *tab) last(pos uint64) {
	p.t.Helper()
	p.until(fmt.Sprintf(`document.querySelector("#rows").dataset.last === "%d"`, pos))
}

func (p *tab) key(keys string) {
	p.t.Helper()
	p.do(chromedp.Focus(chromedp.CSS("#rows")), chromedp.KeyEvent(keys))
}

// input puts a text into a field of the filters, as typing does.
func (p *tab) input(field, text string) {
	p.t.Helper()
	value[bool](p, fmt.Sprintf(`(() => { const f = document.querySelector("[name=%s]"); f.value = %s; f.dispatchEvent(new Event("input", {bubbles: true})); return true })()`, field, quoted(text)))
}
