package broker

import (
	"container/heap"
	"fmt"
	"time"
)

// A queue holds messages for its consumers. All fields are guarded by
// Server.mu; those above the first blank line never change.
type queue struct {
	srv        *Server
	name       string
	owner      *conn // who alone may use it; nil when not exclusive
	autoDelete bool
	args       queueArgs

	// The entries in order of arrival are first those of returned, then those
	// of ready: an entry only ever leaves ready at its front, so one that
	// comes back is older than all that stayed. A queue with priorities has all
	// in returned. A stream has its records in ready, of which none ever leaves
	// but for its age.
	returned   returnedHeap
	ready      fifo
	readyBytes int64 // bodies of both
	unacked    int
	position   uint64 // of the entry that arrived last
	arriving   uint64 // of the entry that arrives now; zero when none does

	consumers []*consumer
	next      int       // index in consumers of whose turn it is
	pump      uint64    // of Server.pumps, the last one for this queue
	exclusive *consumer // who alone may consume
	active    *consumer // who alone gets anything, with x-single-active-consumer
	replies   bool      // for direct reply-to: not a place that counts as a route
	bindings  map[binding]struct{}
	round     uint64 // of the router's last visit

	lastUse   int64 // for x-expires
	expiring  int   // entries ready that have an expiry
	due       int64 // owned by schedule
	heapIndex int   // owned by schedule
	deleted   bool
}

// An entry is the place of a message in one queue.
type entry struct {
	msg      *message
	position uint64 // order of arrival
	expires  int64  // Server.now at which it is dropped; never without a TTL
	arrived  int64  // in a stream: when, in milliseconds since 1970
	returns  uint32 // how often it was delivered and came back
}

func newQueue(s *Server, name string) *queue {
	return &queue{srv: s, name: name, bindings: make(map[binding]struct{})}
}

// String names the queue as RabbitMQ's error texts do.
func (q *queue) String() string { return queueName(q.name) }

func queueName(name string) string { return fmt.Sprintf("queue '%s' in vhost '/'", name) }

// count returns the number of messages ready.
func (q *queue) count() int { return len(q.returned) + q.ready.len() }

// enqueueLocked adds a message, delivers what can be delivered and drops what
// is over the limits. It returns false if the queue refuses the message.
func (s *Server) enqueueLocked(q *queue, msg *message) bool {
	if q.args.stream {
		q.appendLocked(msg)
		return true
	}
	if q.args.kind == quorum {
		msg = withoutHeader(msg, countHeader)
	}
	if q.args.rejectPublish && q.wouldOverflow(msg) {
		s.totals.rejected++
		if q.args.rejectDeadLetters {
			s.retainLocked(msg)
			q.endLocked(entry{msg: msg}, tooMany)
		}
		return false
	}
	q.position++
	e := entry{msg: msg, position: q.order(msg)}
	if ttl := q.args.ttlOf(msg); ttl != noTTL {
		e.expires = s.now() + ttl
		q.expiring++
	}
	s.retainLocked(msg)
	q.readyBytes += int64(len(msg.body))
	if q.args.maxPriority > 0 {
		heap.Push(&q.returned, e)
	} else {
		q.ready.push(e)
	}
	q.arriving = e.position
	q.pumpLocked()
	q.arriving = 0
	if e.expires != never {
		q.scheduleLocked()
	}
	q.trimLocked()
	return true
}

// order returns the position of a message that arrives. Those with a higher
// priority have lower positions.
func (q *queue) order(msg *message) uint64 {
	most := q.args.maxPriority
	return uint64(most-min(msg.priority, most))<<56 | q.position
}

// wouldOverflow reports whether msg has no place within the limits.
func (q *queue) wouldOverflow(msg *message) bool {
	return q.overflows(q.count()+1, q.readyBytes+int64(len(msg.body)))
}

func (q *queue) overflows(count int, bytes int64) bool {
	a := &q.args
	return a.hasMaxLength && int64(count) > a.maxLength || a.hasMaxBytes && bytes > a.maxBytes
}

// trimLocked drops from the head what is over the limits. Only what is ready
// counts (RabbitMQ's "queue length limit"). A queue that rejects what is
// published is over them only by what came back to it, which it keeps.
func (q *queue) trimLocked() {
	for !q.args.rejectPublish && q.count() > 0 && q.overflows(q.count(), q.readyBytes) {
		q.srv.totals.dropped++
		q.endLocked(q.popLocked(), tooMany)
	}
}

// headLocked returns the oldest entry ready, after dropping those before it
// that have expired. The one that arrives is not dropped: a message that lives
// for no time at all may still go to a consumer who waits for it.
func (q *queue) headLocked() *entry {
	for {
		var e *entry
		switch {
		case len(q.returned) > 0:
			e = &q.returned[0]
		case q.ready.len() > 0:
			e = q.ready.front()
		default:
			return nil
		}
		if e.expires == never || e.position == q.arriving || e.expires > q.srv.now() {
			return e
		}
		q.srv.totals.expired++
		q.endLocked(q.popLocked(), expired)
	}
}

// popLocked removes the oldest entry ready, of which there must be one.
func (q *queue) popLocked() entry {
	var e entry
	if len(q.returned) > 0 {
		e = heap.Pop(&q.returned).(entry)
	} else {
		e = q.ready.pop()
	}
	q.readyBytes -= int64(len(e.msg.body))
	if e.expires != never {
		q.expiring--
	}
	return e
}

// discardLocked forgets an entry that was popped.
func (q *queue) discardLocked(e entry) {
	if e.msg != nil {
		q.srv.releaseLocked(e.msg)
	}
}

// redelivered reports whether the entry was delivered before.
func (e *entry) redelivered() bool { return e.returns > 0 }

// putBackLocked returns an entry that was delivered to its place, unless it was
// there too often.
func (q *queue) putBackLocked(e entry) {
	if e.returns++; q.args.hasDeliveryLimit && int64(e.returns) > q.args.deliveryLimit {
		q.endLocked(e, tooOften)
		return
	}
	q.readyBytes += int64(len(e.msg.body))
	if e.expires != never {
		q.expiring++
	}
	heap.Push(&q.returned, e)
}

// purgeLocked drops everything ready and returns how much that was.
func (q *queue) purgeLocked() int {
	n := q.count()
	for q.count() > 0 {
		q.discardLocked(q.popLocked())
	}
	return n
}

// deleteQueueLocked deletes a queue with its messages, bindings and consumers,
// and tells the consumers.
func (s *Server) deleteQueueLocked(q *queue) (messages int) {
	if q.deleted {
		return 0
	}
	q.deleted = true
	delete(s.queues, q.name)
	for b := range q.bindings {
		s.removeBindingLocked(b)
	}
	for len(q.consumers) > 0 {
		c := q.consumers[0]
		s.removeConsumerLocked(c)
		c.notifyCancelled()
	}
	messages = q.purgeLocked()
	s.timers.set(q, never)
	return messages
}

// scheduleLocked sets when the queue next needs attention without being
// asked. It is called at the end of whatever may have changed that.
func (q *queue) scheduleLocked() {
	if q.deleted {
		return
	}
	due := int64(never)
	if q.args.stream {
		if q.args.maxAge > 0 && q.ready.len() > 0 {
			left := time.Until(time.UnixMilli(q.ready.front().arrived).Add(q.args.maxAge))
			due = q.srv.now() + int64(max(left, time.Second)) // not for each record
		}
		q.srv.timers.set(q, due)
		return
	}
	if q.args.expires > 0 && len(q.consumers) == 0 {
		due = q.lastUse + q.args.expires
	}
	if q.expiring > 0 {
		if e := q.headLocked(); e != nil && e.expires != never && (due == never || e.expires < due) {
			due = e.expires
		}
	}
	q.srv.timers.set(q, due)
}

// runDueLocked does what the queue was scheduled for.
func (q *queue) runDueLocked(now int64) {
	if q.args.stream {
		q.retainRecentLocked()
	}
	if q.args.expires > 0 && len(q.consumers) == 0 && q.lastUse+q.args.expires <= now {
		q.srv.deleteQueueLocked(q)
		return
	}
	q.scheduleLocked()
}

// returnedHeap is a heap of entries by position.
type returnedHeap []entry

func (h returnedHeap) Len() int           { return len(h) }
func (h returnedHeap) Less(i, j int) bool { return h[i].position < h[j].position }
func (h returnedHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *returnedHeap) Push(x any)        { *h = append(*h, x.(entry)) }

func (h *returnedHeap) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	(*h)[last] = entry{}
	*h = (*h)[:last]
	if wasteful(last, cap(*h)) {
		*h = append(make(returnedHeap, 0, 2*last), *h...)
	}
	return e
}

// wasteful reports whether space that was made for more entries is worth
// giving back: it is not counted as memory.
func wasteful(used, space int) bool { return space > 1024 && used < space/4 }

// A fifo is a queue of entries in a ring that doubles when it is full, and
// halves when it is large and mostly empty.
type fifo struct {
	ring       []entry // its length is a power of two
	head, size int
}

func (f *fifo) len() int      { return f.size }
func (f *fifo) front() *entry { return f.at(0) }

// at returns the entry that has n before it.
func (f *fifo) at(n int) *entry { return &f.ring[(f.head+n)&(len(f.ring)-1)] }

func (f *fifo) push(e entry) {
	if f.size == len(f.ring) {
		f.resize(max(2*f.size, 16))
	}
	f.ring[(f.head+f.size)&(len(f.ring)-1)] = e
	f.size++
}

func (f *fifo) pop() entry {
	e := f.ring[f.head]
	f.ring[f.head] = entry{}
	f.head = (f.head + 1) & (len(f.ring) - 1)
	if f.size--; wasteful(f.size, len(f.ring)) {
		f.resize(len(f.ring) / 2)
	}
	return e
}

// resize moves the entries to the front of a ring of n.
func (f *fifo) resize(n int) {
	ring := make([]entry, n)
	end := min(f.head+f.size, len(f.ring))
	copied := copy(ring, f.ring[f.head:end])
	copy(ring[copied:], f.ring[:f.size-copied])
	f.ring, f.head = ring, 0
}
