package broker

import (
	"container/heap"
	"time"
)

// A schedule knows for each queue with a timed duty, an expiring head or its
// own expiry, when the next one is due. One goroutine and one timer serve all
// queues.
type schedule struct {
	queues []*queue      // a heap by queue.due
	kick   chan struct{} // capacity 1: the first of queues changed
	quit   chan struct{} // closed when the server closes
}

func newSchedule() *schedule {
	return &schedule{kick: make(chan struct{}, 1), quit: make(chan struct{})}
}

// never is the due time of a queue without a timed duty.
const never = 0

// set changes the time q is due.
func (s *schedule) set(q *queue, due int64) {
	if due == q.due {
		return
	}
	scheduled := q.due != never
	q.due = due
	switch {
	case !scheduled:
		heap.Push(s, q)
	case due == never:
		heap.Remove(s, q.heapIndex)
	default:
		heap.Fix(s, q.heapIndex)
	}
	if len(s.queues) > 0 && s.queues[0] == q {
		select {
		case s.kick <- struct{}{}:
		default:
		}
	}
}

// Len, Less, Swap, Push and Pop implement heap.Interface.
func (s *schedule) Len() int           { return len(s.queues) }
func (s *schedule) Less(i, j int) bool { return s.queues[i].due < s.queues[j].due }

func (s *schedule) Swap(i, j int) {
	s.queues[i], s.queues[j] = s.queues[j], s.queues[i]
	s.queues[i].heapIndex, s.queues[j].heapIndex = i, j
}

func (s *schedule) Push(x any) {
	q := x.(*queue)
	q.heapIndex = len(s.queues)
	s.queues = append(s.queues, q)
}

func (s *schedule) Pop() any {
	last := len(s.queues) - 1
	q := s.queues[last]
	s.queues[last] = nil
	s.queues = s.queues[:last]
	return q
}

// runTimers does what is due until the server closes.
func (s *Server) runTimers() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(s.runDue())
		select {
		case <-timer.C:
		case <-s.timers.kick:
		case <-s.timers.quit:
			return
		}
	}
}

// runDue does what is due and returns how long nothing else will be.
func (s *Server) runDue() time.Duration {
	s.mu.Lock()
	defer s.unlock()
	now := s.now()
	for len(s.timers.queues) > 0 {
		q := s.timers.queues[0]
		if q.due > now {
			return time.Duration(q.due - now)
		}
		q.runDueLocked(now)
	}
	return time.Hour
}
