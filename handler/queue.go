package handler

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// queue is a bounded FIFO of encoded records. Records wait in it by rank, so
// that the less important can be dropped from between the others; they leave in
// the order of their sequence numbers, for the window of those being published,
// and are let go when settled. It knows no AMQP.
//
// Any number of goroutines put. A single one, the publisher, owns the window.
type queue struct {
	limit    int // bytes of records waiting and in the window
	overflow Overflow
	patience time.Duration // for Block
	fallback *fallback     // gets what is dropped; may be nil
	wake     chan struct{} // has a value when records wait and the publisher may not know
	stop     chan struct{} // closed when the queue closes
	inboxes  []inbox       // in front of the queue; may be empty

	idle atomic.Bool // the publisher waits for wake

	_      [64]byte      // what all processors write has a cache line of its own
	issued atomic.Uint64 // sequence numbers; changed with an inbox locked, or mu where there is none
	_      [64]byte

	mu       sync.Mutex // guards what follows; locked before an inbox
	gathered []letters  // for each inbox, empty: what takes the place of its letters
	waiting  [ranks]fifo
	window   []entry // taken by the publisher, oldest first; a part of backing
	backing  []entry // reused for window
	bytes    int     // of waiting and window
	records  int     // in waiting and window
	seq      uint64  // of the last record that is not in an inbox
	taken    uint64  // records that have come into the window
	refused  uint64  // of them, records that were given up
	closed   bool
	progress chan struct{} // closed and replaced when records leave; nil when nobody waits
	ledger   ledger
	loss     loss // not reported yet
}

func newQueue(limit int, overflow Overflow, patience time.Duration) *queue {
	inboxes := newInboxes(limit, overflow)
	return &queue{
		limit:    limit - len(inboxes)*inboxSize,
		overflow: overflow,
		patience: patience,
		wake:     make(chan struct{}, 1),
		stop:     make(chan struct{}),
		inboxes:  inboxes,
		gathered: make([]letters, len(inboxes)),
	}
}

// put gives the record the next sequence number and keeps a copy of it, or
// drops what the policy says. A record that is not whole stands for one that
// was too large; that one has been lost already. It blocks only under Block.
// Goroutines that run at the same time do best with different lanes, any
// numbers. The record's time, at, may be zero.
func (q *queue) put(lane uint32, level slog.Level, at time.Time, body []byte, whole bool) (err error) {
	unix := int64(0)
	if !at.IsZero() {
		unix = at.Unix()
	}
	if n := uint32(len(q.inboxes)); n == 0 || !q.inboxes[lane&(n-1)].add(&q.issued, level, unix, body, whole) {
		err = q.putDirectly(&entry{unix: unix, size: int32(len(body)), level: level, whole: whole}, body)
	}
	q.rouse()
	return err
}

// putDirectly is put past the inboxes.
func (q *queue) putDirectly(e *entry, body []byte) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.overflow == Block {
		q.waitForRoomLocked(len(body))
	}
	q.gatherLocked(e)
	err := error(nil)
	if q.closed {
		err = ErrClosed
	}
	q.acceptLocked(e, body)
	q.loss.time()
	return err
}

// acceptLocked keeps a copy of the record, or drops what the policy says.
func (q *queue) acceptLocked(e *entry, body []byte) {
	q.seq = e.seq
	if !e.whole {
		q.countLocked(oversize, e, body)
	}
	if q.closed {
		q.dropLocked(closed, e, body)
		return
	}
	r := rank(e.level)
	if q.bytes+len(body) > q.limit && !q.makeRoomLocked(len(body), r) {
		q.dropLocked(shed, e, body)
		return
	}
	q.waiting[r].push(e, body)
	q.bytes += len(body)
	q.records++
}

// waitForRoomLocked waits, without the lock, until n bytes fit, patience is at
// its end, or the queue closes.
func (q *queue) waitForRoomLocked(n int) {
	if q.bytes+n <= q.limit || n > q.limit || q.closed {
		return
	}
	patience := time.NewTimer(q.patience)
	defer patience.Stop()
	for q.bytes+n > q.limit && !q.closed {
		progress := q.progressLocked()
		q.mu.Unlock()
		late := false
		select {
		case <-progress:
		case <-q.stop:
		case <-patience.C:
			late = true
		}
		q.mu.Lock()
		if late {
			return
		}
	}
}

// oldestLocked returns the queue that holds the oldest waiting record, nil when
// none waits.
func (q *queue) oldestLocked() (first *fifo) {
	for r := range q.waiting {
		if f := &q.waiting[r]; !f.empty() && (first == nil || f.head().seq < first.head().seq) {
			first = f
		}
	}
	return first
}

// fill moves waiting records into the window until it holds most, and returns
// up to burst of those behind the first sent, to be published. When there are
// none, the next put sends to wake.
func (q *queue) fill(most, sent, burst int) []entry {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.gatherLocked(nil)
	if cap(q.window) < most {
		if q.backing == nil {
			q.backing = make([]entry, 0, 2*most)
		}
		q.window = append(q.backing[:0], q.window...)
	}
	for len(q.window) < most {
		f := q.oldestLocked()
		if f == nil {
			break
		}
		e := f.pop()
		// Records come in order: those before it that have not come never will.
		e.missing = e.seq - 1 - q.taken + q.refused
		q.taken++
		q.window = append(q.window, *e)
	}
	next := q.window[min(sent, len(q.window)):min(sent+burst, len(q.window))]
	for i := range next {
		next[i].sent = true
	}
	if len(next) == 0 {
		q.armLocked()
	}
	return next
}

// arm makes the next put send to wake.
func (q *queue) arm() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.armLocked()
}

func (q *queue) armLocked() {
	if len(q.wake) > 0 {
		return
	}
	q.idle.Store(true)
	if q.issued.Load() != q.seq {
		q.rouse() // one came in between, and may have found idle unset
	}
}

// rouse wakes an idle publisher.
func (q *queue) rouse() {
	if q.idle.Load() && q.idle.CompareAndSwap(true, false) {
		select {
		case q.wake <- struct{}{}:
		default:
		}
	}
}

// settle lets go of the n oldest records of the window.
func (q *queue) settle(n int, what outcome) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n = min(n, len(q.window)) // none after abandon
	for i := range q.window[:n] {
		e := &q.window[i]
		switch {
		case what == givenUp:
			q.refused++
			q.dropLocked(refused, e, e.body())
		case !e.whole: // counted when it was replaced
		case what == unknown:
			q.ledger.unknown++
		default:
			q.ledger.confirmed++
		}
		q.bytes -= int(e.size)
		q.records--
		e.release()
	}
	q.window = q.window[n:]
	q.movedLocked()
}

// retry counts a refusal of the oldest record of the window and moves it behind
// the others. It reports false, and does nothing, when the record has been
// refused too often.
func (q *queue) retry() bool {
	const most = 3
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.window) == 0 || q.window[0].tries+1 >= most {
		return false
	}
	e := q.window[0]
	e.tries++
	copy(q.window, q.window[1:])
	q.window[len(q.window)-1] = e
	return true
}

// giveUpLarger drops the records of the window that have more than most bytes.
func (q *queue) giveUpLarger(most int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	kept := q.window[:0]
	for i := range q.window {
		e := &q.window[i]
		if int(e.size) <= most {
			kept = append(kept, *e)
			continue
		}
		q.refused++
		q.dropLocked(oversize, e, e.body())
		q.bytes -= int(e.size)
		q.records--
		e.release()
	}
	q.window = kept
	q.movedLocked()
}

// flush waits until every record put so far has left, or ctx ends.
func (q *queue) flush(ctx context.Context) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.gatherLocked(nil)
	for last := q.seq; q.pendingLocked(last); {
		progress := q.progressLocked()
		q.mu.Unlock()
		var err error
		select {
		case <-progress:
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		q.mu.Lock()
		if err != nil && q.pendingLocked(last) {
			return err
		}
	}
	return nil
}

// pendingLocked reports whether a record up to last is still here.
func (q *queue) pendingLocked(last uint64) bool {
	for i := range q.window {
		if q.window[i].seq <= last {
			return true
		}
	}
	f := q.oldestLocked()
	return f != nil && f.head().seq <= last
}

// close makes put drop what comes from now on.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	for i := range q.inboxes {
		in := &q.inboxes[i]
		in.mu.Lock()
		in.closed = true
		in.mu.Unlock()
	}
	q.gatherLocked(nil)
	q.closed = true
	close(q.stop)
}

// abandon lets go of everything: records that were published have an unknown
// fate, the others are dropped. It returns how many there were of each. What
// the publisher still holds stays readable.
func (q *queue) abandon() (lost, dropped int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range q.window {
		if e := &q.window[i]; !e.sent {
			q.dropLocked(closed, e, e.body())
			dropped++
		} else if e.whole {
			q.ledger.unknown++
			lost++
		}
	}
	for f := q.oldestLocked(); f != nil; f = q.oldestLocked() {
		e := f.pop()
		q.dropLocked(closed, e, e.body())
		dropped++
	}
	q.window, q.backing, q.waiting, q.bytes, q.records = nil, nil, [ranks]fifo{}, 0, 0
	q.movedLocked()
	return lost, dropped
}

// progressLocked returns a channel that is closed when records leave.
func (q *queue) progressLocked() <-chan struct{} {
	if q.progress == nil {
		q.progress = make(chan struct{})
	}
	return q.progress
}

func (q *queue) movedLocked() {
	if q.progress != nil {
		close(q.progress)
		q.progress = nil
	}
}

// snapshot returns the ledger, the number of records accepted, and what is
// pending, all of one instant.
func (q *queue) snapshot() (l ledger, accepted uint64, records, bytes int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.gatherLocked(nil)
	return q.ledger, q.seq, q.records, q.bytes
}

// empty reports whether nothing is left.
func (q *queue) empty() bool {
	_, _, records, _ := q.snapshot()
	return records == 0
}
