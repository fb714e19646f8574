package sink

import (
	"context"
	"fmt"
	"time"

	"github.com/slogcast/slogcast/internal/link"
)

// After a link between nodes of a cluster was down, the others may have struck out
// the queues of a node's clients. A tail there stays connected to a queue that only
// its own node knows, gets nothing, and no error comes. So a tail that has the URLs
// of other nodes asks one of them, now and then, over a connection of its own. The
// broker logs each question as an error of a channel, which is why they are rare.
const (
	// quietChecks is after how many checks without a message it asks, and
	// betweenAsks how many there are between questions in any case.
	quietChecks, betweenAsks = 3, 30

	// askWithin bounds a question.
	askWithin = 10 * time.Second
)

// elsewhere asks other nodes for a tail's queue.
type elsewhere struct {
	turn   int  // which node is asked first
	struck bool // the last connection was given up because of an answer, and nothing has come since
	never  bool // these are not nodes of one cluster
}

// asking is what a subscription knows of its questions.
type asking struct {
	quiet, checks int       // checks without a message; since the last question
	answer        chan bool // whether the queue is known; nil when none is under way
	end           context.CancelFunc
}

// check counts a check, and asks when it is time to. quiet says that nothing has come
// since the last one.
func (a *asking) check(ctx context.Context, s *subscription, quiet bool) {
	a.checks++
	if a.quiet++; !quiet {
		a.quiet, s.elsewhere.struck = 0, false
	}
	if a.answer != nil || s.elsewhere.never || !s.Queue.temporary() || len(s.endpoints) < 2 || a.quiet != quietChecks && a.checks < betweenAsks {
		return
	}
	a.checks = 0
	s.elsewhere.turn++
	turn, others := s.elsewhere.turn, s.endpoints
	ctx, a.end = context.WithTimeout(ctx, askWithin)
	answer := make(chan bool, 1)
	a.answer = answer
	go func() {
		known := true // unless another says that it is not
		for i := range others {
			to := others[(turn+i)%len(others)]
			if to.String() == s.conn.Endpoint.String() {
				continue
			}
			is, err := s.conn.KnownAt(ctx, link.Config{Name: s.Name, TLS: s.TLS, Credentials: s.Credentials}, to, s.queue)
			if err == nil {
				known = is
				break
			}
		}
		answer <- known
	}()
}

// heed returns an error when the answer is that nobody else knows the queue.
func (a *asking) heed(s *subscription, known bool) error {
	a.end()
	a.answer = nil
	switch {
	case known:
		return nil
	case s.elsewhere.struck: // nor did anybody know the one before
		s.elsewhere.never = true
		return nil
	}
	s.elsewhere.struck = true
	return &link.Error{
		Problem: fmt.Sprintf("lost %s: other nodes of its cluster do not know this tail's queue, and send it nothing", s.conn.Endpoint),
		Hint:    "as after a link between nodes was down; see rabbitmqctl cluster_status",
	}
}

// stop ends a question that is under way.
func (a *asking) stop() {
	if a.answer != nil {
		a.end()
		<-a.answer
	}
}
