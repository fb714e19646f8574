package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// systemd is told how a tail is, where logtail is its service (sd_notify(3)):
// READY=1 when records come, WATCHDOG=1 while there is no trouble, STATUS, and
// STOPPING=1. It is nil where nobody wants to know.
type systemd struct {
	conn    net.Conn
	every   time.Duration // between two states
	watched bool
	ready   sync.Once
}

// statusInterval is how often systemd is told the state, unless its watchdog wants
// to hear of it more often.
const statusInterval = 10 * time.Second

// openSystemd dials the socket that systemd has named in the environment.
func openSystemd() (*systemd, error) {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return nil, nil
	}
	conn, err := net.Dial("unixgram", path) // @ stands for an abstract one here, too
	if err != nil {
		return nil, fmt.Errorf("tell systemd: %w", err)
	}
	s := &systemd{conn: conn, every: statusInterval}
	pid := os.Getenv("WATCHDOG_PID")
	micros, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64)
	if err == nil && micros > 0 && (pid == "" || pid == strconv.Itoa(os.Getpid())) {
		s.watched = true
		s.every = min(s.every, time.Duration(micros)*time.Microsecond/3)
	}
	return s, nil
}

// tell sends variables. There is nobody to tell of a failure: systemd acts on
// what it does not hear.
func (s *systemd) tell(lines ...string) {
	_ = s.conn.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = s.conn.Write([]byte(strings.Join(lines, "\n")))
}

// connected tells that records come.
func (s *systemd) connected() {
	if s != nil {
		s.ready.Do(func() { s.tell("READY=1") })
	}
}

// watch tells the state until end is called, and that the tail is stopping when
// ctx ends.
func (s *systemd) watch(ctx context.Context, state *state) (end func()) {
	if s == nil {
		return func() {}
	}
	stop := context.AfterFunc(ctx, func() { s.tell("STOPPING=1") })
	ended, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(s.every)
		defer tick.Stop()
		for {
			select {
			case now := <-tick.C:
				s.tell(s.status(state, now)...)
			case <-ended:
				return
			}
		}
	}()
	return func() {
		stop()
		close(ended)
		<-done
		s.conn.Close()
	}
}

// status is what systemd is told of a state.
func (s *systemd) status(state *state, now time.Time) []string {
	trouble := state.trouble(now)
	if trouble != "" {
		return []string{"STATUS=" + trouble}
	}
	lines := []string{"STATUS=" + state.numbers(now)}
	if s.watched {
		lines = append(lines, "WATCHDOG=1")
	}
	return lines
}
