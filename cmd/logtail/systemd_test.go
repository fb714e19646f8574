package main

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/slogcast/slogcast/sink"
)

// listenAsSystemd has logtail find the socket of a service's manager, and returns
// a function that reads the next message.
func listenAsSystemd(t *testing.T) (next func() string) {
	t.Helper()
	folder, err := os.MkdirTemp("", "") // t.TempDir's may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	path := filepath.Join(folder, "notify")
	conn, err := net.ListenPacket("unixgram", path)
	if err != nil && runtime.GOOS == "windows" {
		t.Skipf("Windows has no datagrams between processes: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return func() string {
		t.Helper()
		buf := make([]byte, 4096)
		if err := conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, _, err := conn.ReadFrom(buf)
		if err != nil {
			t.Fatalf("systemd is told nothing: %v", err)
		}
		return string(buf[:n])
	}
}

func TestSystemdIsToldOfAnArchive(t *testing.T) {
	next := listenAsSystemd(t)
	t.Setenv("WATCHDOG_USEC", "150000")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"--embedded", "--listen", "127.0.0.1:0", "--file", filepath.Join(t.TempDir(), "app.log")}, strings.NewReader(""), io.Discard, io.Discard)
	}()
	for !strings.Contains(next(), "READY=1") {
	}
	if got := next(); !strings.Contains(got, "WATCHDOG=1") || !strings.Contains(got, "STATUS=0 records in ") {
		t.Errorf("got %q", got)
	}
	cancel()
	for !strings.Contains(next(), "STOPPING=1") {
	}
	if code := <-ended; code != exitOK {
		t.Errorf("exit code %d", code)
	}
}

func TestSystemdHearsNoWatchdogInTrouble(t *testing.T) {
	listenAsSystemd(t)
	t.Setenv("WATCHDOG_USEC", "60000000")
	systemd, err := openSystemd()
	if err != nil {
		t.Fatal(err)
	}
	defer systemd.conn.Close()
	now := time.Now()
	var s state
	for _, step := range []struct {
		name, status string
		do           func()
		at           time.Time
		alive        bool
	}{
		{"at first", "STATUS=not connected to the broker", func() {}, now, false},
		{"connected", "", func() { s.note(sink.Notice{Connected: "amqp://h/"}, now) }, now, true},
		{"writing", "", func() { s.writes() }, now, true},
		{"disk full", "STATUS=the disk has taken no records for 1m0s", func() {}, now.Add(time.Minute + time.Second/2), false},
		{"written", "", func() { s.writes()() }, now.Add(time.Minute), true},
		{"lost", "STATUS=not connected to the broker", func() { s.note(sink.Notice{Lost: io.EOF}, now) }, now, false},
	} {
		step.do()
		got := systemd.status(&s, step.at)
		if slices.Contains(got, "WATCHDOG=1") != step.alive || step.status != "" && got[0] != step.status {
			t.Errorf("%s: got %q", step.name, got)
		}
	}
}

func TestSystemdWatchdogOfAnother(t *testing.T) {
	listenAsSystemd(t)
	for _, c := range []struct {
		pid, micros string
		watched     bool
		every       time.Duration
	}{
		{"", "", false, statusInterval},
		{"", "3000000", true, time.Second},
		{"", "300000000", true, statusInterval},
		{"1", "3000000", false, statusInterval},
		{"", "0", false, statusInterval},
		{"", "soon", false, statusInterval},
	} {
		t.Setenv("WATCHDOG_PID", c.pid)
		t.Setenv("WATCHDOG_USEC", c.micros)
		s, err := openSystemd()
		if err != nil {
			t.Fatal(err)
		}
		s.conn.Close()
		if s.watched != c.watched || s.every != c.every {
			t.Errorf("pid %q, %q µs: watched %v every %v", c.pid, c.micros, s.watched, s.every)
		}
	}
}

func TestSystemdSocketIsMissing(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "none"))
	if _, err := openSystemd(); err == nil || !strings.HasPrefix(err.Error(), "tell systemd: ") {
		t.Errorf("got %v", err)
	}
}
