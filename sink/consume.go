package sink

import (
	"cmp"
	"context"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/slogcast/slogcast/internal/envelope"
	"github.com/slogcast/slogcast/internal/link"
)

// checkEvery is how often a tail that gets nothing looks after its binding.
const checkEvery = 10 * time.Second

// ackWithin is how long few messages may wait for their acknowledgement. One for
// each costs the broker and us half of what the message itself does.
const ackWithin = 100 * time.Millisecond

// appendWithin is how long a record may wait for others before a Committer has it:
// too short for whoever looks at a file to notice. With the few that come at a time
// the calls of the system for each Append would cost more than the records.
const appendWithin = 10 * time.Millisecond

// tail is one call of Tail: a pipe, and its source at the broker.
type tail struct {
	*pipe
	reader   envelope.Reader
	progress progress // in a stream
	differs  string   // what was told of a queue's arguments
	full     bool     // the queue was at its bound
	behind   int      // messages that wait in the queue, as they were told

	endpoints []link.Endpoint // immutable
	elsewhere elsewhere

	checkEvery time.Duration // immutable; see the constant
}

func (t *tail) run(ctx context.Context, endpoints []link.Endpoint) error {
	t.endpoints, t.ended = endpoints, ctx.Done()
	err := link.Supervise(ctx, link.Config{
		Endpoints:   endpoints,
		Name:        t.Name,
		TLS:         t.TLS,
		Credentials: t.Credentials,
		Notify:      t.notify,
		FailFast:    true,
	}, t.session)
	t.busy, t.work = nil, nil
	t.tell(ctx, true)
	return cmp.Or(t.failed, err)
}

func (t *tail) notify(s link.State) {
	if s.Err != nil {
		t.Notify(Notice{Lost: explain(s.Err), Retry: s.Wait})
	}
}

// session receives over one connection until that is lost (an error), or ctx
// ends or the Writer fails (nil).
func (t *tail) session(ctx context.Context, c *link.Conn) error {
	stop := context.AfterFunc(ctx, func() {
		// Nothing may wait for the broker for longer than this.
		time.AfterFunc(t.Drain+2*grace, c.Abort)
	})
	defer stop()
	if t.progress.done {
		return nil
	}
	s, err := t.subscribe(c)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	t.busy, t.work = s.in.Crowded(), s.whileWriting
	t.Notify(Notice{Connected: c.Endpoint.String()})
	for {
		t.busy, t.work = s.in.Crowded(), s.whileWriting
		err = s.receive(ctx)
		t.busy, t.work = nil, nil
		if err != nil {
			err = s.closedBy(err)
		}
		if err == nil || t.failed != nil || !s.goOn(err) {
			break
		}
	}
	if s.last > 0 {
		c.Useful()
	}
	if err == nil && t.failed == nil {
		err = s.finish(ctx)
	}
	if t.failed != nil && s.commit != nil {
		s.tellLeft()
	}
	if err != nil {
		// What has been handed over is counted as seen, and would be missed in
		// silence. It is written, though it can't be acknowledged any more.
		c.Abort()
		s.takeRest(ctx)
		s.write(ctx)
		if s.commit != nil && s.failed == nil {
			s.wait(ctx, s.commit)
		}
	}
	if _, stalled := t.failed.(*Stalled); stalled {
		// No goodbye: the broker may first delete what waits in the queue.
		c.Abort()
	}
	if ctx.Err() != nil {
		if err != nil && t.failed == nil && t.Drain > 0 && t.Queue.temporary() {
			t.Notify(Notice{Remark: "the connection was lost before all that waited in this tail's queue was written: the rest is lost with it"})
		}
		return nil
	}
	return err
}

// whileWriting stops the broker when too much waits behind a Writer, and looks
// whether that drops messages meanwhile. Of an error here the loss of the
// connection tells.
func (s *subscription) whileWriting(crowded bool) {
	if crowded {
		_ = s.pause()
	} else {
		_ = s.look()
	}
}

// receive gathers records and writes them. It returns nil when ctx has ended, the
// Writer has failed, or a history has been read to its end.
func (s *subscription) receive(ctx context.Context) error {
	linger := time.NewTimer(0)
	<-linger.C
	defer linger.Stop()
	check := time.NewTicker(s.checkEvery)
	defer check.Stop()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	defer s.late.Stop()
	until := s.untilTimer()
	defer until.Stop()
	checked, looked := s.last, s.last
	arrived := s.in.Arrived()
	var ask asking
	defer ask.stop()
	for !s.progress.done {
		select {
		case <-arrived:
			if s.commit != nil && s.Linger > 0 {
				// For those that come until then this goroutine need not wake.
				arrived = nil
				linger.Reset(min(s.Linger, appendWithin))
				continue
			}
			before := s.pending
			if err := s.takeReady(ctx); err != nil {
				return err
			}
			if s.Linger == 0 {
				if err := s.flush(ctx); err != nil {
					return err
				}
			} else if before == 0 {
				linger.Reset(s.Linger)
			}
			if err := s.adjust(ctx); err != nil {
				return err
			}
		case <-s.ended():
			return s.lost()
		case reason := <-s.in.Closed():
			return cmp.Or(reason, error(link.ErrEnded))
		case <-linger.C:
			arrived = s.in.Arrived()
			if err := s.writeReady(ctx); err != nil {
				return err
			}
		case <-s.in.Enough():
			arrived = s.in.Arrived()
			if err := s.writeReady(ctx); err != nil {
				return err
			}
		case <-s.late.C:
			if err := s.acknowledge(ctx); err != nil {
				return err
			}
		case <-look.C:
			// Whoever gets many may lag behind all the time.
			if s.last-looked > uint64(s.pace.prefetch) || len(s.sequences.open) > 0 || s.behind > 0 {
				if err := s.look(); err != nil {
					return err
				}
			}
			looked = s.last
			if s.Queue.History {
				if err := s.checkHistory(ctx); err != nil {
					return err
				}
			}
			s.tell(ctx, false)
		case <-until.C:
			if err := s.findEnd(); err != nil {
				return err
			}
		case <-check.C:
			if checked == s.last {
				if err := s.ensure(ctx); err != nil {
					return err
				}
			}
			ask.check(ctx, s, checked == s.last)
			checked = s.last
		case known := <-ask.answer:
			if err := ask.heed(s, known); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
		if s.failed != nil {
			return nil
		}
	}
	return nil
}

// writeReady takes what has arrived, and writes it.
func (s *subscription) writeReady(ctx context.Context) error {
	if err := s.takeReady(ctx); err != nil {
		return err
	}
	if err := s.flush(ctx); err != nil {
		return err
	}
	return s.adjust(ctx)
}

// ensure sees to a source from which nothing has come for some time. Of a binding
// that is gone nobody tells, nor of a stream's consumer that hangs because the
// node's replica was deleted.
func (s *subscription) ensure(ctx context.Context) error {
	if !s.Queue.History {
		return s.bind()
	}
	return s.restart(ctx)
}

// restart starts another consumer.
func (s *subscription) restart(ctx context.Context) error {
	if err := s.pause(); err != nil {
		return err
	}
	return s.adjust(ctx)
}

// ended is closed when no more messages come, and not by pause.
func (s *subscription) ended() <-chan amqp.Delivery {
	if s.paused {
		return nil
	}
	return s.in.Ended()
}

// adjust starts another consumer where this one has another prefetch than fits, or
// is paused and all that it handed over is written.
func (s *subscription) adjust(ctx context.Context) error {
	select {
	case <-s.in.Crowded():
		if err := s.pause(); err != nil {
			return err
		}
	default:
	}
	if s.paused {
		s.pace.narrow()
	} else if !s.pace.wider() {
		return nil
	} else if err := s.pause(); err != nil {
		return err
	}
	// What came before the consumer was cancelled is in order before all that
	// comes after.
	if err := s.takeReady(ctx); err != nil || s.failed != nil {
		return err
	}
	select {
	case <-s.in.Crowded(): // it was, until now
	default:
	}
	return s.start()
}

// next returns the next message that has arrived, nil when there is none.
func (s *subscription) next() *link.Delivery {
	if s.at == len(s.came) {
		s.came, s.at = s.in.Take(s.came), 0
	}
	if s.at == len(s.came) {
		return nil
	}
	s.at++
	return &s.came[s.at-1]
}

// takeReady takes what has arrived by now, and writes when it is time to.
func (s *subscription) takeReady(ctx context.Context) error {
	for d := s.next(); d != nil; d = s.next() {
		s.takeMessage(ctx, d)
		if s.pending >= max(1, s.pace.prefetch/2) || s.failed != nil {
			if err := s.flush(ctx); err != nil || s.failed != nil {
				return err
			}
		}
		if s.at == len(s.came) && !s.paused {
			return nil // of what came since, Arrived tells
		}
	}
	return nil
}

// takeMessage takes the records of a message.
func (s *subscription) takeMessage(ctx context.Context, d *link.Delivery) {
	about, writes := s.reader.Read(d.Properties, d.Body), s.writes
	s.pace.saw(d.Size())
	switch {
	case d.Skipped > 0:
		s.Notify(Notice{Remark: fmt.Sprintf("a message of %d bytes is left out: more than %d are not read", d.Skipped, link.MaxBody)})
	case s.Queue.History:
		if s.place(&about, d.Body) {
			s.pipe.take(ctx, &about, d.Body, s.old)
		}
	default:
		s.pipe.take(ctx, &about, d.Body, nil)
	}
	s.pending++
	s.last = d.Tag
	if !s.ReuseRecords {
		return
	}
	if s.writes > writes {
		s.release() // the batch has nothing of those before this one
	}
	s.held = append(s.held, *d)
}

// release gives back the memory of messages of which the batch has nothing.
func (s *subscription) release() {
	if s.failed == nil {
		s.in.Release(s.held)
	}
	clear(s.held)
	s.held = s.held[:0]
}

// flush writes the batch, and sees to it that its messages are acknowledged.
func (s *subscription) flush(ctx context.Context) error {
	s.write(ctx)
	s.release()
	if s.failed != nil {
		return nil
	}
	within, worth := ackWithin, s.pace.prefetch/4
	if s.commit != nil {
		within, worth = s.Linger, s.pace.prefetch/2
	}
	if s.unacked == 0 && s.pending > 0 {
		s.late.Reset(within)
	}
	s.unacked += s.pending
	s.pending, s.flushed = 0, s.last
	if s.unacked < max(1, worth) {
		return nil
	}
	return s.acknowledge(ctx)
}

// acknowledge acknowledges what has been flushed, once it is safe.
func (s *subscription) acknowledge(ctx context.Context) error {
	if s.unacked == 0 {
		return nil
	}
	if s.commit != nil {
		if s.wait(ctx, s.commit); s.failed != nil {
			return nil
		}
	}
	s.unacked, s.acked = 0, s.flushed
	return s.in.Ack(s.flushed)
}

// lost returns why no more deliveries come.
func (s *subscription) lost() error {
	select {
	case reason := <-s.in.Closed():
		return cmp.Or(reason, error(link.ErrEnded))
	case <-time.After(100 * time.Millisecond):
		return fmt.Errorf("the broker has cancelled the consumer; was queue %q deleted?", s.queue)
	}
}

// finish writes what is left once ctx has ended: with Drain what waits at the
// broker, and in any case what has been handed over.
func (s *subscription) finish(ctx context.Context) error {
	if s.Drain > 0 && s.Queue.temporary() {
		if err := s.drain(ctx); err != nil || s.failed != nil {
			return err
		}
	}
	if err := s.pause(); err != nil {
		return err
	}
	if s.Drain > 0 && s.Queue.temporary() {
		waiting, _, err := s.in.Look(s.queue, true)
		if err != nil {
			return err
		}
		if waiting > 0 {
			s.Notify(Notice{Remark: fmt.Sprintf("%d messages are lost with this tail's queue: they could not be written within %v", waiting, s.Drain)})
		}
	}
	s.takeRest(ctx)
	if len(s.sequences.open) > 0 && s.failed == nil { // what is missing is told soon
		if err := s.look(); err != nil {
			return err
		}
	}
	if err := s.flush(ctx); err != nil {
		return err
	}
	return s.acknowledge(ctx)
}

// takeRest takes all messages until no more can come, after basic.cancel or the
// end of the connection.
func (s *subscription) takeRest(ctx context.Context) {
	for range s.in.Ended() {
	}
	for d := s.next(); d != nil && s.failed == nil; d = s.next() {
		s.takeMessage(ctx, d)
	}
}

// drain unbinds the queue, so that nothing new comes, and writes what is in it.
func (s *subscription) drain(ctx context.Context) error {
	for _, key := range s.Keys {
		if err := s.in.Unbind(s.queue, key, s.Exchange); err != nil {
			return err
		}
	}
	late := time.NewTimer(s.Drain)
	defer late.Stop()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for {
		if err := s.takeReady(ctx); err != nil || s.failed != nil {
			return err
		}
		if err := s.adjust(ctx); err != nil || s.failed != nil {
			return err
		}
		select {
		case <-s.in.Arrived():
		case <-s.ended():
			return s.lost()
		case <-poll.C:
			messages, _, err := s.in.Look(s.queue, true)
			if err != nil || messages == 0 {
				return err
			}
			if err := s.flush(ctx); err != nil || s.failed != nil {
				return err
			}
		case <-late.C:
			return nil
		}
	}
}
