package sink

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/slogcast/slogcast/internal/envelope"
	"github.com/slogcast/slogcast/internal/jsontext"
)

// pipe is the way of a record behind its source, which is a queue or a stream:
//
//	source -> sequence -> filter -> batch -> Writer
//
// It belongs to one goroutine. The Writer alone runs in another, which is waited
// for.
type pipe struct {
	Config
	writer    Writer
	commit    func(context.Context) error // of a Committer, else nil
	sequences *sequences
	failed    error // ends Tail

	batch   []Record // taken, not written
	size    int      // about the bytes of it
	writes  int      // batches that were written
	foreign bool     // records without a number came
	mean    float64  // bytes of a message's body

	// While the Writer works, work is called for what comes from busy, and from
	// time to time. Both are the source's.
	busy <-chan struct{}
	work func(crowded bool)

	notify  func(Notice) // Config.Notify, of which the pipe's own is around
	ended   <-chan struct{}
	telling bool     // notify runs
	later   []Notice // to be told behind the one that is
	deaf    bool     // notify has not returned in time, and is told nothing more

	panics   int // of Filter, not told
	panicked any // the last of them
}

const (
	// maxBatch is about how many records are written at a time. A message may hold
	// many.
	maxBatch = 2048

	// maxSize is about how many bytes are, with what a record itself takes.
	maxSize    = 1 << 20
	recordSize = 128

	// grace is how long a Writer may take once ctx has ended and nothing is left to
	// drain: a terminal that was stopped with Ctrl-S must not hold up Ctrl-C.
	grace = 500 * time.Millisecond

	// lookEvery is how often a source is looked at while the Writer works, and
	// gaps are told.
	lookEvery = 250 * time.Millisecond

	// slow is a Write behind which it is looked at, too.
	slow = 5 * time.Millisecond

	// maxNotices is how many gaps are told at a time.
	maxNotices = 20
)

// errExited is a Writer's that has ended its goroutine, as a test's Fatal does.
var errExited = errors.New("the Writer has not returned: it called runtime.Goexit")

func newPipe(cfg Config, w Writer) *pipe {
	p := &pipe{Config: cfg, writer: w, sequences: newSequences(), notify: cfg.Notify}
	p.Notify = p.inform
	p.sequences.known = cfg.Known
	if c, ok := w.(Committer); ok {
		p.commit = c.Commit
	}
	return p
}

// take takes the records of a message, but for those that old says are too old.
func (p *pipe) take(ctx context.Context, about *envelope.Envelope, body []byte, old func(*Record) bool) {
	now := time.Now()
	p.mean += (float64(len(body)) - p.mean) / 64
	p.foreign = p.foreign || about.Seq == 0
	for seq, one := range about.Records(body) {
		// It is made where it will be: one of its own would be an allocation.
		p.batch = append(p.batch, Record{
			Body:     one,
			Producer: about.Producer,
			Seq:      seq,
			App:      about.App,
			Host:     about.Host,
			Sent:     about.Time,
			Received: now,
			Encoding: about.Encoding,
			Headers:  Value(about.Headers),
			object:   jsontext.IsObject(one),
			parts:    p.spareParts(),
		})
		last := len(p.batch) - 1
		r := &p.batch[last]
		if old != nil && old(r) || !p.sequences.see(about, seq, one, now) || p.Filter != nil && !p.wants(r) {
			p.forget(p.batch[last:])
			p.batch = p.batch[:last]
			continue
		}
		p.size += len(one) + len(r.Host) + recordSize
		if len(p.batch) >= maxBatch || p.size >= maxSize {
			if p.write(ctx); p.failed != nil {
				return
			}
		}
	}
	if len(p.sequences.ready) > maxHoles {
		p.tell(ctx, false)
	}
}

// forget lets go of what the records hold.
func (p *pipe) forget(records []Record) {
	for i := range records {
		var spare *parts
		if p.ReuseRecords {
			spare = records[i].parts
		}
		records[i] = Record{parts: spare}
	}
}

// spareParts returns what the next record of the batch can be taken apart in: the
// memory of one that was forgotten, if there is.
func (p *pipe) spareParts() *parts {
	if n := len(p.batch); n < cap(p.batch) {
		return p.batch[:n+1][n].parts
	}
	return nil
}

// wants asks the Filter. It hides nothing that it can't judge.
func (p *pipe) wants(r *Record) (wanted bool) {
	defer func() {
		if v := recover(); v != nil {
			p.panics++
			p.panicked = v
			wanted = true
		}
	}()
	return p.Filter(r)
}

// inform has the program told. Like a Writer it may take its time, and is left behind
// when it does not return some time after ctx has ended.
func (p *pipe) inform(n Notice) {
	if p.telling {
		// By work, which looks after the queue while it is waited for.
		if len(p.later) == maxNotices {
			p.later = p.later[1:]
		}
		p.later = append(p.later, n)
		return
	}
	p.telling = true
	for p.later = append(p.later, n); len(p.later) > 0 && !p.deaf; {
		next := p.later[0]
		p.later = p.later[1:]
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer func() { _ = recover() }() // it is the program's own
			p.notify(next)
		}()
		p.deaf = !p.await(done, p.ended)
	}
	p.telling, p.later = false, nil
}

// tell tells what is known to be missing by now, behind what came before it.
func (p *pipe) tell(ctx context.Context, all bool) {
	notices := p.sequences.report(time.Now(), all)
	if p.panics > 0 {
		notices = append(notices, Notice{Remark: fmt.Sprintf("%d records are shown that the filter has panicked at: %v", p.panics, p.panicked)})
		p.panics, p.panicked = 0, nil
	}
	if len(notices) == 0 {
		return
	}
	p.write(ctx)
	var gaps int
	var records uint64
	for _, n := range notices {
		if n.Gap != nil {
			if gaps++; gaps > maxNotices {
				records += n.Gap.Count()
				continue
			}
		}
		p.Notify(n)
	}
	if records > 0 {
		p.Notify(Notice{Remark: fmt.Sprintf("gaps: %d more records are missing, in %d more places and for other causes", records, gaps-maxNotices)})
	}
}

// write writes the batch.
func (p *pipe) write(ctx context.Context) {
	if len(p.batch) == 0 || p.failed != nil {
		return
	}
	batch, write := p.batch, p.writer.Write
	if c, ok := p.writer.(Committer); ok {
		write = c.Append
	}
	p.wait(ctx, func(ctx context.Context) error { return write(ctx, batch) })
	if _, stalled := p.failed.(*Stalled); stalled {
		p.batch = nil // it is the Writer's
		return
	}
	p.forget(p.batch)
	p.batch, p.size = p.batch[:0], 0
	p.writes++
}

// wait has the Writer do something, and sets failed when it can't. A Writer that
// waits for something is left behind some time after ctx has ended.
func (p *pipe) wait(ctx context.Context, do func(context.Context) error) {
	err := errExited
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if v := recover(); v != nil {
				err = fmt.Errorf("the Writer has panicked: %v\n%s", v, debug.Stack())
			}
		}()
		err = do(ctx)
	}()
	start := time.Now()
	if !p.await(done, ctx.Done()) {
		p.failed = &Stalled{Done: done}
		return
	}
	if p.work != nil && ctx.Err() == nil && time.Since(start) > slow {
		p.work(false)
	}
	p.failed = err
}

// await waits for done, and has work done meanwhile. It reports false when that takes
// too long after ended.
func (p *pipe) await(done, ended <-chan struct{}) bool {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		select {
		case <-done:
			return true
		case <-p.busy:
			p.work(true)
			continue
		case <-look.C:
			if p.work != nil {
				p.work(false)
			}
			continue
		case <-ended:
		}
		break
	}
	late := time.NewTimer(max(grace, p.Drain))
	defer late.Stop()
	select {
	case <-done:
		return true
	case <-late.C:
		return false
	}
}
