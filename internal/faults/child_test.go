package faults

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"github.com/slogcast/slogcast/handler"
)

// childVariable names what this binary does instead of testing, when a test
// has started it: the faults that kill or measure a process need one of their
// own. The others are its arguments.
const (
	childVariable    = "SLOGCAST_FAULTS_CHILD"
	urlVariable      = "SLOGCAST_FAULTS_URL"
	exchangeVariable = "SLOGCAST_FAULTS_EXCHANGE"
	nameVariable     = "SLOGCAST_FAULTS_NAME"
)

// What a child does.
const (
	childFast  = "fast"  // logs as fast as it can
	childPaced = "paced" // logs 1000 records a second
)

// report is a line that a child writes.
type report struct {
	handler.Stats
	Heap     uint64 `json:"heap"`     // bytes of live and dead objects
	Mapped   uint64 `json:"mapped"`   // bytes that the runtime has from the system
	Resident uint64 `json:"resident"` // bytes, where the system tells
}

// child logs numbered records, and reports ten times a second, until it is
// killed or its standard input ends.
func child(what string) int {
	h, err := handler.New(os.Getenv(urlVariable), &handler.Options{
		Exchange: os.Getenv(exchangeVariable),
		App:      "faults",
		OnError:  func(error) {},
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = bufio.NewReader(os.Stdin).ReadByte()
	}()
	name := os.Getenv(nameVariable)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	out := json.NewEncoder(os.Stdout)
	for n := 1; ; n++ {
		select {
		case <-ended:
			patience := soon
			if !h.Stats().Connected {
				patience = time.Second // the broker is not to come
			}
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			_ = h.Close(ctx) // the report says what it came to
			_ = out.Encode(usageReport(h))
			return 0
		case <-tick.C:
			if err := out.Encode(usageReport(h)); err != nil {
				return 1
			}
		default:
		}
		r := slog.NewRecord(time.Now(), slog.LevelInfo, what, 0)
		r.AddAttrs(slog.String("p", name), slog.Int("n", n), slog.String("sum", sum(name, n)))
		_ = h.Handle(context.Background(), r) // counted by the Handler
		if what == childPaced {
			wait(time.Millisecond)
		}
	}
}

func usageReport(h *handler.Handler) report {
	samples := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/total:bytes"}}
	metrics.Read(samples)
	return report{
		Stats:    h.Stats(),
		Heap:     samples[0].Value.Uint64(),
		Mapped:   samples[1].Value.Uint64(),
		Resident: resident(),
	}
}

// resident returns the memory that this process has, 0 where /proc does not
// tell.
func resident() uint64 {
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			var kb uint64
			_, _ = fmt.Sscan(rest, &kb)
			return kb << 10
		}
	}
	return 0
}

// startChild runs this binary as a child. Its reports come until it ends.
func startChild(t *testing.T, what, url, exchange, name string, env ...string) (c *exec.Cmd, end func(), reports <-chan report) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c = exec.Command(self)
	c.Env = append(os.Environ(), childVariable+"="+what, urlVariable+"="+url, exchangeVariable+"="+exchange, nameVariable+"="+name)
	c.Env = append(c.Env, env...)
	c.Stderr = os.Stderr
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan report, 100)
	go func() {
		defer close(lines)
		for decode := json.NewDecoder(out); ; {
			var r report
			if decode.Decode(&r) != nil {
				_ = c.Wait() // it may have been killed
				return
			}
			lines <- r
		}
	}()
	return c, func() { in.Close() }, lines
}
