package handler

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// buffer holds encoded records, within a limit of bytes, until the broker has
// answered for them. Records wait in it by rank, so that the less important can be
// dropped from between the others; they leave in the order of their sequence
// numbers, for the window of the session that publishes them, are still counted
// while they are there, and are settled or come back. It knows no AMQP.
//
// Any number of goroutines put. A single one, the publisher, takes.
type buffer struct {
	limit    int // bytes of entries
	overflow Overflow
	patience time.Duration // for Block
	fallback *fallback     // gets what is dropped; may be nil
	wake     chan struct{} // has a value when records wait and the publisher may not know
	stop     chan struct{} // closed when the buffer closes
	inboxes  []inbox       // in front of the buffer; may be empty

	idle atomic.Bool // the publisher waits for wake

	_      [64]byte      // what all processors write has a cache line of its own
	issued atomic.Uint64 // sequence numbers; changed with an inbox locked, or mu where there is none
	_      [64]byte

	mu        sync.Mutex // guards what follows; locked before an inbox
	spare     [maxInboxes][]byte
	waiting   [ranks]waiting
	bytes     int    // of all entries that are here or in a window
	entries   int    // how many
	pending   int    // of them, those that are no substitutes
	out       int    // of the entries, those in a window
	outBytes  int    // of the bytes, theirs
	seq       uint64 // of the last record that is not in an inbox
	kept      uint64 // entries that were settled, and not dropped
	closed    bool
	abandoned bool
	progress  chan struct{} // closed and replaced when records leave; nil when nobody waits
	flushes   []*flush
	ledger    ledger
	loss      loss // not reported yet
}

// waiting are the records of one rank: those that have come back from a window,
// and behind them, with larger numbers, those that have not been taken yet.
type waiting struct{ back, fresh fifo }

func (w *waiting) oldest() *fifo {
	if !w.back.empty() {
		return &w.back
	}
	return &w.fresh
}

// flush waits for the records up to a number.
type flush struct {
	last uint64
	left int           // entries up to last
	done chan struct{} // closed when left is 0
}

func newBuffer(limit int, overflow Overflow, patience time.Duration) *buffer {
	inboxes := newInboxes(limit, overflow)
	return &buffer{
		limit:    limit - len(inboxes)*inboxSize,
		overflow: overflow,
		patience: patience,
		wake:     make(chan struct{}, 1),
		stop:     make(chan struct{}),
		inboxes:  inboxes,
	}
}

// put gives the record the next sequence number and keeps a copy of it, or
// drops what the policy says. It blocks only under Block. Goroutines that run at
// the same time do best with different lanes, any numbers. The record's time, at,
// may be zero.
func (b *buffer) put(lane uint32, level slog.Level, at time.Time, body []byte, f flags) (err error) {
	unix := int64(0)
	if !at.IsZero() {
		unix = at.Unix()
	}
	if n := uint32(len(b.inboxes)); n == 0 || !b.inboxes[lane&(n-1)].add(&b.issued, level, unix, body, f) {
		err = b.putDirectly(&entry{unix: unix, level: level, body: body, flags: f})
	}
	b.rouse()
	return err
}

// putDirectly is put past the inboxes.
func (b *buffer) putDirectly(e *entry) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.overflow == Block {
		b.waitForRoomLocked(e.cost())
	}
	b.gatherLocked(e)
	err := error(nil)
	if b.closed {
		err = ErrClosed
	}
	b.acceptLocked(e)
	b.loss.time()
	return err
}

// acceptLocked keeps a copy of e, or drops what the policy says.
func (b *buffer) acceptLocked(e *entry) {
	b.seq = e.seq
	if e.has(substitute) {
		b.countLocked(oversize, e)
	}
	n := e.cost()
	switch {
	case b.closed:
		b.dropLocked(closed, e)
		return
	case len(e.body) == 0: // not even a substitute fits
		return
	case b.bytes+n > b.limit && !b.makeRoomLocked(n, rank(e.level)):
		b.dropLocked(shed, e)
		return
	}
	b.waiting[rank(e.level)].fresh.push(e)
	b.bytes += n
	b.entries++
	if !e.has(substitute) {
		b.pending++
	}
}

// acceptWholeLocked is acceptLocked for an entry as it is in memory, quicker for
// what most of them are.
func (b *buffer) acceptWholeLocked(whole []byte) {
	n, r := cost(len(whole)), rank(levelAt(whole))
	if flagsAt(whole) != 0 || b.closed || b.bytes+n > b.limit && !b.makeRoomLocked(n, r) {
		e := readEntry(whole)
		b.acceptLocked(&e)
		return
	}
	b.seq = seqAt(whole)
	b.waiting[r].fresh.pushWhole(whole)
	b.bytes += n
	b.entries++
	b.pending++
}

// waitForRoomLocked waits, without the lock, until n bytes fit, patience is at
// its end, or the buffer closes.
func (b *buffer) waitForRoomLocked(n int) {
	if b.bytes+n <= b.limit || n > b.limit || b.closed || connects() {
		return
	}
	patience := time.NewTimer(b.patience)
	defer patience.Stop()
	for b.bytes+n > b.limit && !b.closed {
		progress := b.progressLocked()
		b.mu.Unlock()
		late := false
		select {
		case <-progress:
		case <-b.stop:
		case <-patience.C:
			late = true
		}
		b.mu.Lock()
		if late {
			return
		}
	}
}

// oldestLocked returns the fifo that holds the oldest waiting record, nil when
// none waits.
func (b *buffer) oldestLocked() (first *fifo) {
	var oldest uint64
	for r := range b.waiting {
		f := b.waiting[r].oldest()
		if f.empty() {
			continue
		}
		if seq := f.seq(); first == nil || seq < oldest {
			first, oldest = f, seq
		}
	}
	return first
}

// take appends the oldest records that wait to dst: as many as have no more than
// size bytes, but one in any case, and most at most. It returns the number of the
// last record put, too, see arm.
func (b *buffer) take(dst []entry, most, size int) (records []entry, seen uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.gatherLocked(nil)
	for n := 0; n < most; n++ {
		f := b.oldestLocked()
		if f == nil {
			break
		}
		if size -= sizeAt(f.oldest()) - headSize; size < 0 && n > 0 {
			break
		}
		e := f.pop()
		// Records come in order: those before it that are neither settled nor in a
		// window never will come. What was refused may come behind later ones.
		if came := b.kept + uint64(b.out); came < e.seq {
			e.missing = max(e.missing, e.seq-1-came)
		}
		b.out++
		b.outBytes += e.cost()
		dst = append(dst, e)
	}
	return dst, b.seq
}

// crowd is what waits at a moment.
type crowd struct {
	records, bytes int
	urgent         bool   // somebody flushes, or the buffer is half full
	seq            uint64 // of the last record put
}

// look returns what waits.
func (b *buffer) look() crowd {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.gatherLocked(nil)
	return crowd{
		records: b.entries - b.out,
		bytes:   b.bytes - b.outBytes,
		urgent:  len(b.flushes) > 0 || b.closed || b.bytes >= b.limit/2,
		seq:     b.seq,
	}
}

// arm makes the next put behind the record with the number seen send to wake.
func (b *buffer) arm(seen uint64) {
	if len(b.wake) > 0 {
		return
	}
	b.idle.Store(true)
	if b.issued.Load() != seen {
		b.rouse() // one came in between, and may have found idle unset
	}
}

// rouse wakes an idle publisher.
func (b *buffer) rouse() {
	if b.idle.Load() && b.idle.CompareAndSwap(true, false) {
		b.alert()
	}
}

// alert wakes the publisher.
func (b *buffer) alert() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// settle lets go of records that were taken.
func (b *buffer) settle(records []entry, what outcome) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range records {
		e := &records[i]
		if !b.abandoned {
			b.out--
			b.outBytes -= e.cost()
			b.settleLocked(e, what)
		}
		e.chunk.release()
	}
	b.movedLocked()
}

// settleLocked counts what became of e.
func (b *buffer) settleLocked(e *entry, what outcome) {
	switch {
	case what == tooLarge:
		b.dropLocked(oversize, e)
		b.leaveLocked(e)
		return
	case e.has(substitute): // counted when it was replaced
	case what == unknown:
		b.ledger.unknown++
	default:
		b.ledger.confirmed++
	}
	b.kept++
	b.leaveLocked(e)
}

// leaveLocked takes e, which is in no fifo any more, out of the count.
func (b *buffer) leaveLocked(e *entry) {
	b.bytes -= e.cost()
	b.entries--
	if !e.has(substitute) {
		b.pending--
	}
	for i := 0; i < len(b.flushes); i++ {
		f := b.flushes[i]
		if e.seq > f.last {
			continue
		}
		if f.left--; f.left == 0 {
			close(f.done)
			b.flushes = append(b.flushes[:i], b.flushes[i+1:]...)
			i--
		}
	}
}

// giveBack puts records that were taken back to those that wait. They are older
// than those of their rank that wait, but for some that were given back before.
func (b *buffer) giveBack(records []entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.abandoned {
		return
	}
	b.out -= len(records)
	for i := range records {
		b.outBytes -= records[i].cost()
	}
	bySeq := func(a, b entry) int { return cmp.Compare(a.seq, b.seq) }
	if !slices.IsSortedFunc(records, bySeq) {
		slices.SortFunc(records, bySeq)
	}
	b.mergeBackLocked(records)
}

// mergeBackLocked copies records into the back fifos, keeping those in order. A
// copy does not hold on to the chunk it came in, of which it may be the last entry.
func (b *buffer) mergeBackLocked(records []entry) {
	var merged [ranks]fifo
	var n [ranks]int
	for i := range records {
		e := &records[i]
		r := rank(e.level)
		back := &b.waiting[r].back
		for ; !back.empty() && back.seq() < e.seq; n[r]++ {
			move(&merged[r], back)
		}
		merged[r].push(e)
		n[r]++
		e.chunk.release()
	}
	for r := range merged {
		if n[r] == 0 {
			continue
		}
		back := &b.waiting[r].back
		for !back.empty() {
			move(&merged[r], back)
		}
		back.clear()
		*back = merged[r]
	}
}

// move moves the oldest entry of from to the end of to.
func move(to, from *fifo) {
	e := from.pop()
	to.push(&e)
	e.chunk.release()
}

// flush waits until every record put so far has left, or ctx ends.
func (b *buffer) flush(ctx context.Context) error {
	b.mu.Lock()
	b.gatherLocked(nil)
	if b.entries == 0 {
		b.mu.Unlock()
		return nil
	}
	f := &flush{last: b.seq, left: b.entries, done: make(chan struct{})}
	b.flushes = append(b.flushes, f)
	b.mu.Unlock()
	b.alert() // it may linger
	select {
	case <-f.done:
		return nil
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.flushes {
		if b.flushes[i] == f {
			b.flushes = append(b.flushes[:i], b.flushes[i+1:]...)
			return context.Cause(ctx)
		}
	}
	return nil // it was done at the last moment
}

// close makes put drop what comes from now on.
func (b *buffer) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	for i := range b.inboxes {
		in := &b.inboxes[i]
		in.mu.Lock()
		in.closed = true
		in.mu.Unlock()
	}
	b.gatherLocked(nil)
	b.closed = true
	close(b.stop)
}

// abandon lets go of everything: records that the network has taken have an
// unknown fate, the others are dropped. It returns how many there were of each.
// What a publisher that has not ended still holds stays readable, and counts as
// unknown.
func (b *buffer) abandon() (lost, dropped int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fallback != nil {
		b.fallback.takeAll(b.limit)
	}
	before := b.ledger.unknown
	for f := b.oldestLocked(); f != nil; f = b.oldestLocked() {
		if e := f.pop(); b.giveUpLocked(closed, &e) {
			dropped++
		}
	}
	b.ledger.unknown += uint64(b.pending) // in the hands of the publisher
	lost = int(b.ledger.unknown - before)
	b.waiting, b.bytes, b.entries, b.pending, b.out, b.outBytes = [ranks]waiting{}, 0, 0, 0, 0, 0
	b.abandoned = true
	for _, f := range b.flushes {
		close(f.done)
	}
	b.flushes = nil
	b.movedLocked()
	return lost, dropped
}

// progressLocked returns a channel that is closed when records leave.
func (b *buffer) progressLocked() <-chan struct{} {
	if b.progress == nil {
		b.progress = make(chan struct{})
	}
	return b.progress
}

func (b *buffer) movedLocked() {
	if b.progress != nil {
		close(b.progress)
		b.progress = nil
	}
}

// snapshot returns the ledger, the number of records accepted, and what is
// pending, all of one instant.
func (b *buffer) snapshot() (l ledger, accepted uint64, records, bytes int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.gatherLocked(nil)
	return b.ledger, b.seq, b.pending, b.bytes
}
