package main

import (
	"bytes"
	"strings"
	"testing"
)

// TestStatusLineLeavesNothing has a status line, notices and records share a
// terminal.
func TestStatusLineLeavesNothing(t *testing.T) {
	var screen bytes.Buffer
	u := newUI(nil, &screen, &screen)
	u.statusLine.force = true
	t.Setenv("NO_COLOR", "1")
	u.status("one")
	u.status("two\x1b[31m")
	u.notice("a notice")
	if _, err := u.Write([]byte("a record\n")); err != nil {
		t.Fatal(err)
	}
	u.status("")
	u.status("")
	u.notice("the end")
	const want = "one" + "\r\x1b[J" + "two�[31m" +
		"\r\x1b[J" + "logtail: a notice\n" + "two�[31m" +
		"\r\x1b[J" + "a record\n" + "two�[31m" +
		"\r\x1b[J" + "logtail: the end\n"
	if got := screen.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestStatusIsForTerminals finds none where nothing can take it back.
func TestStatusIsForTerminals(t *testing.T) {
	var out bytes.Buffer
	u := newUI(nil, &out, &out)
	u.status("working")
	u.notice("done")
	if got := out.String(); strings.Contains(got, "working") || got != "logtail: done\n" {
		t.Errorf("got %q", got)
	}
}
