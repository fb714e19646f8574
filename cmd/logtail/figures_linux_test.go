package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/slogcast/slogcast/internal/brokertest"
)

func init() { programs["pages"] = pages }

// rate is that of the figures, in records per second.
const rate = "10000"

// benchRun runs logtail bench on an exchange, and returns its figures by name.
func benchRun(b *testing.B, broker *brokertest.Broker, exchange string, flags ...string) map[string]float64 {
	b.Helper()
	args := append([]string{"bench", "-u", broker.URL, "-x", exchange, "-o", "json"}, flags...)
	cmd := exec.Command("logtail", args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		b.Fatalf("logtail bench: %v", err)
	}
	var report struct {
		Median []struct {
			Name     string
			Slogcast float64
		}
	}
	if err := json.Unmarshal(out, &report); err != nil {
		b.Fatal(err)
	}
	figures := make(map[string]float64)
	for _, m := range report.Median {
		figures[m.Name] = m.Slogcast
	}
	return figures
}

// BenchmarkPages has logtail serve show a load of 10,000 records/s to 50 pages, one
// of which reads nothing, and to none. Producer, server and pages are processes of
// their own; an iteration takes 10 s:
//
//	LOGTAIL_TEST_BROKER=rabbitmq go test ./cmd/logtail -run '^$' -bench Pages -benchtime 6x
//
// The server's ring has 64 MiB: its memory is to stay below 128.
func BenchmarkPages(b *testing.B) {
	for _, broker := range brokertest.Brokers(b) {
		for _, pages := range []int{0, 50} {
			b.Run(fmt.Sprintf("broker=%s/pages=%d", broker.Name, pages), func(b *testing.B) { benchmarkPages(b, broker, pages) })
		}
	}
}

func benchmarkPages(b *testing.B, broker *brokertest.Broker, pages int) {
	exchange := broker.Exchange(b)
	secret := filepath.Join(b.TempDir(), "token")
	if err := os.WriteFile(secret, []byte("secret\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	serve := exec.Command("logtail", "serve", "-u", broker.URL, "-x", exchange, "--listen", "127.0.0.1:0", "--token-file", secret, "--ring", "64MiB")
	stderr, err := serve.StderrPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := serve.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() {
		_ = serve.Process.Signal(os.Interrupt) // Wait tells what is wrong
		if err := serve.Wait(); err != nil {
			b.Error(err)
		}
	}()
	var address string
	lines := bufio.NewScanner(stderr)
	for lines.Scan() && !strings.Contains(lines.Text(), "connected to") {
		if _, url, ok := strings.Cut(lines.Text(), "the page is at "); ok {
			address = url
		}
	}
	go io.Copy(io.Discard, stderr)

	watchers := exec.Command("pages", address, strconv.Itoa(pages))
	in, err1 := watchers.StdinPipe()
	out, err2 := watchers.StdoutPipe()
	watchers.Stderr = os.Stderr
	if err := errors.Join(err1, err2, watchers.Start()); err != nil {
		b.Fatal(err)
	}
	said := bufio.NewScanner(out)
	said.Scan() // all have begun

	sums := make(map[string]float64)
	runs := 0
	for b.Loop() {
		runs++
		for name, value := range benchRun(b, broker, exchange, "--rate", rate, "--for", "10s") {
			sums[name] += value
		}
	}
	fmt.Fprintln(in, int(sums["accepted"]))
	least := 0
	for said.Scan() {
		least, _ = strconv.Atoi(said.Text())
	}
	if err := watchers.Wait(); err != nil {
		b.Error(err)
	}
	b.ReportMetric(0, "ns/op")
	for name, unit := range map[string]string{
		"records/s, producer": "records/s", "producer CPU, µs/record": "producer-µs/record", "latency p99, µs": "p99-µs", "dropped": "dropped",
	} {
		b.ReportMetric(sums[name]/float64(runs), unit)
	}
	b.ReportMetric(peak(b, serve.Process.Pid), "serve-MiB")
	if pages > 0 {
		b.ReportMetric(float64(least)/sums["accepted"]*100, "%-at-slowest")
	}
}

// peak returns the most memory that a process has had, in MiB.
func peak(b *testing.B, pid int) float64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	found := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	if found == nil {
		b.Fatalf("no VmHWM in %s", status)
	}
	kilobytes, _ := strconv.Atoi(string(found[1]))
	return float64(kilobytes) / 1024
}

// pages is a program that reads so many pages, but for the last one, of which it
// reads nothing. It tells when all have begun. Then it is told how many records
// should come to each, waits for them for 10 s, and tells how many have come to that
// which has the fewest.
func pages() {
	n, _ := strconv.Atoi(os.Args[2])
	counts := make([]atomic.Int64, n)
	var begun sync.WaitGroup
	for i := range n {
		begun.Add(1)
		go func() {
			req, _ := http.NewRequest("GET", os.Args[1]+"api/rows", nil)
			req.Header.Set("Authorization", "Bearer secret")
			resp, err := (&http.Client{Transport: &http.Transport{}}).Do(req)
			if err != nil || resp.StatusCode != 200 {
				fmt.Fprintln(os.Stderr, "a page:", err)
				os.Exit(1)
			}
			begun.Done()
			if i == n-1 {
				return // and keeps the connection
			}
			lines := bufio.NewReaderSize(resp.Body, 64<<10)
			for line, err := lines.ReadSlice('\n'); err == nil || err == bufio.ErrBufferFull; line, err = lines.ReadSlice('\n') {
				if err == nil && bytes.Contains(line, []byte(`"m":"bench"`)) {
					counts[i].Add(1)
				}
			}
		}()
	}
	begun.Wait()
	fmt.Println("begun")
	var want int64
	if _, err := fmt.Scan(&want); err != nil || n < 2 {
		return
	}
	least := func() int64 {
		least := want
		for i := range n - 1 {
			least = min(least, counts[i].Load())
		}
		return least
	}
	end := time.Now().Add(10 * time.Second)
	for poll := time.Tick(10 * time.Millisecond); least() < want && time.Now().Before(end); {
		<-poll
	}
	fmt.Println(least())
}

// BenchmarkInteractive measures logtail -i on a terminal with a million records in
// its ring, and 10,000 more each second: the time from a key to what it shows.
//
//	LOGTAIL_TEST_BROKER=rabbitmq go test ./cmd/logtail -run '^$' -bench Interactive -benchtime 500x
func BenchmarkInteractive(b *testing.B) {
	for _, broker := range brokertest.Brokers(b) {
		b.Run("broker="+broker.Name, func(b *testing.B) { benchmarkInteractive(b, broker) })
	}
}

func benchmarkInteractive(b *testing.B, broker *brokertest.Broker) {
	exchange := broker.Exchange(b)
	keys, terminal := pty(b, 160, 50)
	cmd := exec.Command("logtail", "-i", "-u", broker.URL, "-x", exchange, "--ring", "1GiB")
	cmd.Env = append(os.Environ(), "TERM=xterm-256color")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = terminal, terminal, terminal
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = cmd.Process.Kill() }) // where it has not ended
	_ = terminal.Close()
	s := &seenScreen{}
	go io.Copy(s, keys)
	<-s.shows("connected to")
	benchRun(b, broker, exchange, "-n", "1000000", "--rate", "50000", "--batch", "100", "--linger", "10ms")

	producer := exec.Command("logtail", "bench", "-u", broker.URL, "-x", exchange, "--rate", rate, "--for", "1h")
	if err := producer.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = producer.Process.Kill() })
	press := func(key, text string) time.Duration {
		seen := s.shows(text)
		start := time.Now()
		_, _ = io.WriteString(keys, key) // seen tells what is wrong
		select {
		case <-seen:
		case <-time.After(time.Minute):
			b.Fatalf("%q does not show %q", key, text)
		}
		return time.Since(start)
	}
	var took []time.Duration
	for b.Loop() {
		// The help hides the rows; without it they are there again.
		took = append(took, press("?", "keys; Esc"), press("q", "INFO"))
	}
	slices.Sort(took)
	b.ReportMetric(0, "ns/op")
	for unit, i := range map[string]int{"ms-p50": len(took) / 2, "ms-p99": len(took) * 99 / 100, "ms-max": len(took) - 1} {
		b.ReportMetric(float64(took[i].Microseconds())/1000, unit)
	}
	b.ReportMetric(peak(b, cmd.Process.Pid), "MiB")
	_ = producer.Process.Signal(os.Interrupt) // it may have ended
	_ = producer.Wait()
	_, _ = io.WriteString(keys, "q")
	if err := cmd.Wait(); err != nil {
		b.Error(err)
	}
}

// seenScreen waits for texts that a program writes to a terminal.
type seenScreen struct {
	mu   sync.Mutex // guards all
	text string
	last []byte // since shows
	seen chan struct{}
}

// shows returns a channel that is closed when a text is written from now on.
func (s *seenScreen) shows(text string) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text, s.last, s.seen = text, nil, make(chan struct{})
	return s.seen
}

func (s *seenScreen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = append(s.last, p...)
	if s.seen != nil && bytes.Contains(s.last, []byte(s.text)) {
		close(s.seen)
		s.seen = nil
	}
	s.last = s.last[max(0, len(s.last)-len(s.text)):]
	return len(p), nil
}

// pty returns both ends of a terminal.
func pty(b *testing.B, width, height uint16) (here, there *os.File) {
	b.Helper()
	here, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = here.Close() })
	n, err1 := unix.IoctlGetInt(int(here.Fd()), unix.TIOCGPTN)
	err2 := unix.IoctlSetPointerInt(int(here.Fd()), unix.TIOCSPTLCK, 0)
	err3 := unix.IoctlSetWinsize(int(here.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: height, Col: width})
	there, err4 := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		b.Fatal(err)
	}
	return here, there
}
