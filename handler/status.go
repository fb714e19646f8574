package handler

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// quiet is how long the same error is not reported again.
	quiet = 10 * time.Second

	// maxTexts bounds how many different errors are told apart in that time, and
	// how many wait to be told.
	maxTexts = 16

	// lastWords is how long Close waits for what is to be told.
	lastWords = 50 * time.Millisecond
)

// status is what is known of the connection, and who is told. The telling is done
// by a goroutine of its own: neither an OnError that does not return nor a standard
// error that nobody reads holds up publishing.
type status struct {
	onError func(error) // nil: standard error
	texts   chan error  // to be told
	stop    chan struct{}
	stopped chan struct{} // closed when all has been told

	mu         sync.Mutex // guards what follows
	up         bool
	closed     bool   // the publisher may not have noticed yet
	sessions   uint64 // connections that were made ready for records
	lastError  string
	reported   map[string]time.Time // errors that were told, and when
	told       bool                 // of trouble that is not over yet
	shedBefore uint64               // records shed when last connected
}

func newStatus(onError func(error)) *status {
	return &status{
		onError:  onError,
		texts:    make(chan error, maxTexts),
		stop:     make(chan struct{}),
		stopped:  make(chan struct{}),
		reported: make(map[string]time.Time),
	}
}

// start starts the goroutine that tells. It ends with close.
func (s *status) start() { go s.run() }

func (s *status) run() {
	ended := false
	defer func() {
		if !ended { // by OnError: runtime.Goexit, as a test's Fatal does
			go s.run()
			return
		}
		close(s.stopped)
	}()
	for {
		select {
		case err := <-s.texts:
			s.deliver(err)
			continue
		default:
		}
		select {
		case err := <-s.texts:
			s.deliver(err)
		case <-s.stop:
			if ended = len(s.texts) == 0; ended {
				return
			}
		}
	}
}

// close ends the telling, and waits a moment for what is to be told.
func (s *status) close(ctx context.Context) {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	close(s.stop)
	select {
	case <-s.stopped:
	case <-ctx.Done():
	case <-time.After(lastWords):
	}
}

// deliver tells the program.
func (s *status) deliver(err error) {
	if s.onError == nil {
		writeStderr(fmt.Appendf(nil, "slogcast: %v\n", err))
		return
	}
	// It is the program's own: what it panics with is lost, and nothing else.
	defer func() { _ = recover() }()
	s.onError(err)
}

// tell has the program told, unless it is too slow.
func (s *status) tell(err error) {
	select {
	case s.texts <- err:
	default:
	}
}

func (s *status) fill(to *Stats) {
	s.mu.Lock()
	defer s.mu.Unlock()
	to.Connected = s.up && !s.closed
	to.Reconnects = s.sessions - min(1, s.sessions)
	to.LastError = s.lastError
}

// connected notes a connection that is ready for records, and reports what was
// lost while there was none.
func (s *status) connected(endpoint string, shedSoFar uint64) {
	s.mu.Lock()
	s.up = true
	s.sessions++
	lost := shedSoFar - s.shedBefore
	s.shedBefore = shedSoFar
	s.mu.Unlock()
	if lost > 0 {
		s.over("")
		s.tell(fmt.Errorf("connected to %s; %s dropped meanwhile, as the buffer was full", endpoint, were(lost)))
		return
	}
	s.over("connected to " + endpoint)
}

func were(n uint64) string {
	if n == 1 {
		return "1 record was"
	}
	return fmt.Sprintf("%d records were", n)
}

func (s *status) disconnected() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.up = false
}

// failed notes an error, and reports it unless the same was reported just now.
func (s *status) failed(err error) {
	s.mu.Lock()
	text, now := err.Error(), time.Now()
	s.lastError = text
	for known, at := range s.reported {
		if now.Sub(at) >= quiet {
			delete(s.reported, known)
		}
	}
	_, repeated := s.reported[text]
	if repeated = repeated || len(s.reported) >= maxTexts; !repeated {
		s.reported[text] = now
		s.told = true
	}
	s.mu.Unlock()
	if !repeated {
		s.tell(err)
	}
}

// over says on standard error that the trouble it was told of is over. An
// OnError is for errors.
func (s *status) over(text string) {
	s.mu.Lock()
	told := s.told
	s.told = false
	s.mu.Unlock()
	if told && text != "" && s.onError == nil {
		s.tell(errors.New(text))
	}
}
