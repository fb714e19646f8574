package main

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/slogcast/slogcast/sink"
)

// A terminal whose output nobody reads ends all the same, once that is asked for:
// whether a Write is stuck or what was left to tell.
func TestUnreadOutputEnds(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var notices strings.Builder
	u := newUI(nil, w, &notices)
	selected, err := new(filterFlags).compile(u)
	if err != nil {
		t.Fatal(err)
	}
	var o outputFlags
	o.format.value = "json"
	terminal, end := o.live(ctx, u, selected)
	written := make(chan error, 1)
	go func() {
		line := sink.Record{Body: []byte(`{"msg":"` + strings.Repeat("x", 1<<20) + `"}`)}
		written <- terminal.Write(ctx, []sink.Record{line, line})
	}()
	cancel()
	ended := make(chan error, 1)
	go func() {
		err := end()
		u.notice("ended")
		ended <- err
	}()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Error("end does not return")
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if err := <-written; err == nil {
		t.Error("the Write was not stuck")
	}
}
