package handler

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// quiet is how long the same error is not reported again.
const quiet = 10 * time.Second

// status is what is known of the connection, and who is told.
type status struct {
	onError func(error) // nil: standard error

	mu         sync.Mutex // guards what follows
	up         bool
	sessions   uint64 // connections that were of use
	lastError  string
	reportedAt time.Time // of lastError
	failing    bool      // an error was reported since the last connection
	lostBefore uint64    // records dropped when last connected
}

func newStatus(onError func(error)) *status { return &status{onError: onError} }

func (s *status) fill(to *Stats) {
	s.mu.Lock()
	defer s.mu.Unlock()
	to.Connected = s.up
	to.Reconnects = s.sessions - min(1, s.sessions)
	to.LastError = s.lastError
}

// connected notes a connection that is ready for records, and reports what was
// lost while there was none.
func (s *status) connected(endpoint string, l ledger) {
	s.mu.Lock()
	s.up = true
	s.sessions++
	again := s.failing
	s.failing = false
	shedSoFar := l.dropped[shed].total()
	lost := shedSoFar - s.lostBefore
	s.lostBefore = shedSoFar
	s.mu.Unlock()
	if lost > 0 {
		s.tell(fmt.Errorf("connected to %s again; %d records were dropped meanwhile, as the buffer was full", endpoint, lost))
	} else if again && s.onError == nil {
		s.tell(fmt.Errorf("connected to %s", endpoint))
	}
}

func (s *status) disconnected() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.up = false
}

// failed notes an error and reports it, unless the same was reported just now.
func (s *status) failed(err error) {
	s.mu.Lock()
	text, now := err.Error(), time.Now()
	repeated := text == s.lastError && now.Sub(s.reportedAt) < quiet && s.failing
	s.lastError = text
	s.failing = true
	if !repeated {
		s.reportedAt = now
	}
	s.mu.Unlock()
	if !repeated {
		s.tell(err)
	}
}

// unblocked reports that the broker takes records again.
func (s *status) unblocked() {
	s.mu.Lock()
	s.failing = false
	s.mu.Unlock()
	if s.onError == nil {
		s.tell(errors.New("the broker takes records again"))
	}
}

func (s *status) tell(err error) {
	if s.onError != nil {
		s.onError(err)
		return
	}
	fmt.Fprintf(os.Stderr, "slogcast: %v\n", err)
}
