package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/slogcast/slogcast/sink"
)

func TestHealth(t *testing.T) {
	var s state
	var notices, answer, problem bytes.Buffer
	h := healthFlags{addr: "127.0.0.1:0"}
	end, err := h.serve(newUI(strings.NewReader(""), io.Discard, &notices), &s)
	if err != nil {
		t.Fatal(err)
	}
	defer end()
	addr := strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(notices.String()), "logtail: health is at http://"), "/healthz")
	t.Setenv("LOGTAIL_HEALTH", addr)
	for _, step := range []struct {
		name        string
		do          func()
		code        int
		out, errOut string
	}{
		{"at first", func() {}, exitVerdict, "", "logtail: error: not connected to the broker\n"},
		{"connected", func() { s.note(sink.Notice{Connected: "amqp://h/"}, time.Now()) }, exitOK, "ok\n", ""},
		{"ended", end, exitVerdict, "", "logtail: error: ask for health: "},
	} {
		step.do()
		answer.Reset()
		problem.Reset()
		code := run(t.Context(), []string{"health"}, strings.NewReader(""), &answer, &problem)
		if code != step.code || answer.String() != step.out || !strings.HasPrefix(problem.String(), step.errOut) {
			t.Errorf("%s: got %d, %q, %q", step.name, code, answer.String(), problem.String())
		}
	}
}

// What answers may be another program.
func TestHealthOfAStranger(t *testing.T) {
	var out, problem bytes.Buffer
	ask := func(h http.HandlerFunc) (int, string) {
		t.Helper()
		server := httptest.NewServer(h)
		defer server.Close()
		out.Reset()
		problem.Reset()
		code := run(t.Context(), []string{"health", "--health", server.Listener.Addr().String()}, strings.NewReader(""), &out, &problem)
		return code, out.String() + problem.String()
	}
	if code, got := ask(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "\x1b[2J"+strings.Repeat("x", 1<<20)) }); code != exitOK || len(got) > 2<<10 || strings.Contains(got, "\x1b") {
		t.Errorf("got %d, %d bytes", code, len(got))
	}
	if code, got := ask(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://192.0.2.1/", http.StatusFound)
	}); code != exitVerdict {
		t.Errorf("got %d, %q", code, got)
	}
}

func TestHealthUsage(t *testing.T) {
	t.Setenv("LOGTAIL_HEALTH", "")
	for _, args := range [][]string{{"health"}, {"health", "--health", "7481"}, {"health", "127.0.0.1:7481"}} {
		if code := run(t.Context(), args, strings.NewReader(""), io.Discard, io.Discard); code != exitUsage {
			t.Errorf("%q: got %d", args, code)
		}
	}
}
