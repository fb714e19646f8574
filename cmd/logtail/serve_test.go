package main

import (
	"io"
	"net/http"
	"regexp"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// pageAddress is how logtail serve says where its page is.
var pageAddress = regexp.MustCompile(`the page is at (https?://[^/]+)/(?:#token=(\w+))?`)

// askPage is the command page of the scripts.
func askPage(ts *testscript.TestScript, neg bool, args []string) {
	expect(ts, false, []string{args[0], pageAddress.String()})
	address := pageAddress.FindStringSubmatch(ts.ReadFile(args[0]))
	want := regexp.MustCompile("(?m)" + args[2])
	deadline := time.Now().Add(30 * time.Second)
	for poll := time.Tick(20 * time.Millisecond); ; <-poll {
		req, err := http.NewRequest("GET", address[1]+args[1], nil)
		ts.Check(err)
		if !neg {
			req.Header.Set("Authorization", "Bearer "+address[2])
		}
		resp, err := http.DefaultClient.Do(req)
		ts.Check(err)
		body, err := io.ReadAll(resp.Body)
		ts.Check(err)
		ts.Check(resp.Body.Close())
		if want.Match(append([]byte(resp.Status+"\n"), body...)) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("no match for %q in %s:\n%s\n%s", args[2], args[1], resp.Status, body)
		}
	}
}
