package sink

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/slogcast/slogcast/internal/link"
)

// Queue is what records wait in at the broker. The zero value is a temporary
// queue of this tail alone, which goes with its connection.
type Queue struct {
	// Name is that of a durable queue, which keeps records while nobody receives.
	// It is created if it is missing, with Config's bounds, and used as it is
	// otherwise. Several tails may share it: each record goes to one of them, so
	// that none can tell what is missing.
	Name string

	// Quorum creates the named queue replicated over a cluster's nodes.
	Quorum bool

	// History says that records come from the stream of that name, or of
	// HistoryName if Name is empty: those since From, then the live ones. A stream
	// keeps its records, and a slow reader costs it nothing. It must exist.
	History bool

	// From is where to begin in the stream.
	From Offset

	// Until ends Tail once all is written that had come to the stream by then: a
	// minute later where that is past, so that records may be late. What is from
	// a later time is handed over as well. If zero, Tail goes on. Without History it
	// has no meaning.
	Until time.Time
}

func (q *Queue) temporary() bool { return q.Name == "" && !q.History }

// ErrStream is the cause of an Error about a Queue.Name that is a stream's.
var ErrStream = errors.New("the queue is a stream")

// subscription is a queue, bound to the exchange, and what has come from it over
// one connection.
type subscription struct {
	*tail
	conn  *link.Conn
	in    *link.Consumer
	queue string

	pace   pace
	tag    int  // of the consumer, counted
	paused bool // the consumer is cancelled until what it handed over is written

	came []link.Delivery // from in
	at   int             // those before it have been taken
	held []link.Delivery // with ReuseRecords: taken; what the batch has is in their memory

	pending int    // messages not flushed
	last    uint64 // delivery tag of the last of them

	unacked int         // messages flushed and not acknowledged
	flushed uint64      // delivery tag of the last of them
	acked   uint64      // delivery tag of the last message that is acknowledged
	late    *time.Timer // for acknowledging fewer than are worth it
}

// consumerTag names the consumer. The library's default would show os.Args[0].
const consumerTag = "logtail"

func (t *tail) subscribe(c *link.Conn) (*subscription, error) {
	s := &subscription{tail: t, conn: c, pace: newPace(t.Prefetch), late: time.NewTimer(ackWithin)}
	if !t.Queue.History {
		if err := s.useExchange(c); err != nil {
			return nil, err
		}
	}
	in, err := c.Consumer()
	if err != nil {
		return nil, err
	}
	s.in = in
	if err := s.declare(c); err != nil {
		return nil, err
	}
	if err := s.start(); err != nil {
		return nil, link.Denied(err, c.Endpoint, "consume from "+s.named(), "permission to read "+s.pattern())
	}
	if !t.Queue.History { // a stream goes on where it was left
		t.sequences.connection++
	}
	return s, nil
}

// named and pattern are what the queue is called in errors.
func (s *subscription) named() string {
	if s.Queue.temporary() {
		return "its queue"
	}
	return fmt.Sprintf("queue %q", s.queue)
}

func (s *subscription) pattern() string {
	if s.Queue.temporary() {
		return "amq.gen-.*"
	}
	return s.queue
}

// useExchange makes sure of the exchange, and remarks on what may surprise.
func (t *tail) useExchange(c *link.Conn) error {
	if t.ExistingExchange {
		return c.FindExchange(t.Exchange)
	}
	kind, created, err := c.UseExchange(t.Exchange, t.TransientExchange)
	bare := len(t.Keys) == 1 && t.Keys[0] == anyKey
	switch {
	case err != nil:
		return err
	case created:
		t.Notify(Notice{Remark: fmt.Sprintf("exchange %q did not exist: created it, as a %s fanout", t.Exchange, map[bool]string{false: "durable", true: "transient"}[t.TransientExchange])})
	case kind == link.Direct && bare:
		return link.Unmendable(fmt.Sprintf("exchange %q on %s is of type direct, and sends nothing without a binding key", t.Exchange, c.Endpoint),
			"name the keys to bind with, or another exchange", ErrKeys)
	case kind == link.Fanout && !bare && t.sequences.connection == 0:
		t.Notify(Notice{Remark: fmt.Sprintf("exchange %q is of type fanout: it sends everything, whatever the binding keys", t.Exchange)})
	}
	return nil
}

// declare makes sure of the queue and its bindings.
func (s *subscription) declare(c *link.Conn) error {
	var err error
	switch {
	case s.Queue.History:
		return s.findHistory(c)
	case s.Queue.Name != "":
		err = s.declareNamed(c)
	default:
		s.queue, err = s.in.DeclareTemporary(s.bounds())
	}
	if err != nil {
		return link.Denied(err, c.Endpoint, "declare a queue", "permission to configure, write and read "+s.pattern())
	}
	if err := s.bind(); err != nil {
		return link.Denied(err, c.Endpoint, "bind "+s.named()+" to exchange "+s.Exchange, "permission to write "+s.pattern()+" and to read "+s.Exchange)
	}
	return nil
}

// declareNamed declares a durable queue.
func (s *subscription) declareNamed(c *link.Conn) error {
	args := s.bounds()
	if s.Queue.Quorum {
		args["x-queue-type"] = "quorum"
	}
	s.queue = s.Queue.Name
	differs, err := c.DeclareQueue(s.queue, args)
	if err != nil {
		return err
	}
	if differs != "" {
		if _, err := c.StreamArguments(s.queue); err == nil {
			return link.Unmendable(fmt.Sprintf("queue %q on %s is a stream, which does not know what its readers have had", s.queue, c.Endpoint),
				"name another queue, or read the stream as a history", ErrStream)
		}
	}
	if differs != "" && differs != s.differs {
		s.differs = differs
		s.Notify(Notice{Remark: fmt.Sprintf("queue %q exists with other arguments, and is used as it is: %s", s.queue, differs)})
	}
	return s.look()
}

// bounds are the arguments of a queue with Config's bounds.
func (s *subscription) bounds() link.Args {
	args := link.Args{}
	if s.MaxLength > 0 {
		args["x-max-length"] = int64(s.MaxLength)
	}
	if s.MaxBytes > 0 {
		args["x-max-length-bytes"] = int64(s.MaxBytes)
	}
	return args
}

// bind binds the queue, or makes sure that it is bound: when the exchange is
// deleted the binding goes with it, and nobody tells the consumer.
func (s *subscription) bind() error {
	for _, key := range s.Keys {
		if err := s.in.Bind(s.queue, key, s.Exchange); err != nil {
			return err
		}
	}
	return nil
}

// start starts a consumer.
func (s *subscription) start() error {
	s.tag++
	var args link.Args
	if s.Queue.History {
		if err := s.survey(); err != nil {
			return err
		}
		args = s.offsetArgs()
	}
	s.paused = false
	// Where few may be handed over before they are acknowledged, those can't wait;
	// and with TLS a read brings one record of TLS, whatever has come.
	const many = 512
	s.in.Rest(s.commit != nil && s.Linger > 0 && s.pace.prefetch >= many && !s.conn.Endpoint.TLS())
	return s.in.Start(s.queue, s.consumer(), s.Queue.temporary(), s.pace.prefetch, args)
}

func (s *subscription) consumer() string { return fmt.Sprintf("%s-%d", consumerTag, s.tag) }

// pause has the broker hand over no more for now. What is under way still comes.
func (s *subscription) pause() error {
	if s.paused {
		return nil
	}
	s.paused = true
	return s.in.Cancel(s.consumer())
}

// tellBehind tells how many messages wait, where that is more than what is handed
// over at once.
func (s *subscription) tellBehind(messages int) {
	if messages <= s.Prefetch {
		messages = 0
	}
	if messages != s.behind {
		s.behind = messages
		s.Notify(Notice{Behind: &messages})
	}
}

// goOn opens another channel in place of one that the broker has closed, RabbitMQ
// by its consumer_timeout, since nothing was acknowledged for long. A temporary queue
// would be gone with the connection, and what waits in it. What was handed over comes
// again, before all else. It reports whether messages come again.
func (s *subscription) goOn(because error) bool {
	if !s.Queue.temporary() {
		return false
	}
	if refusal, ok := errors.AsType[*amqp.Error](because); !ok || refusal.Code != amqp.PreconditionFailed {
		return false
	}
	in, err := s.conn.Consumer()
	if err != nil {
		return false
	}
	s.in, s.came, s.at, s.held = in, nil, 0, nil
	s.pending, s.last, s.unacked, s.flushed, s.acked = 0, 0, 0, 0, 0
	if s.start() != nil {
		return false
	}
	s.Notify(Notice{Remark: "the broker waited too long for acknowledgements and closed the channel: going on with the same queue"})
	return true
}

// closedBy returns why the channel has ended, where err is but that it has.
func (s *subscription) closedBy(err error) error {
	if refusal, ok := errors.AsType[*amqp.Error](err); ok && refusal.Code != amqp.ErrClosed.Code {
		return err
	}
	select {
	case reason := <-s.in.Closed():
		return cmp.Or(reason, err)
	case <-time.After(100 * time.Millisecond):
		return err
	}
}

// tellLeft tells how many messages are not acknowledged, after the Writer has
// failed, and what becomes of them.
func (s *subscription) tellLeft() {
	if s.pause() != nil {
		return // the channel is gone
	}
	for range s.in.Ended() {
	}
	last := s.last
	for d := s.next(); d != nil; d = s.next() {
		last = d.Tag
	}
	waiting, _, err := s.in.Look(s.queue, s.Queue.temporary())
	if n := waiting + int(last-s.acked); err == nil && n > 0 {
		text := fmt.Sprintf("%d messages are not acknowledged, and lost with this tail's queue", n)
		if !s.Queue.temporary() {
			text = fmt.Sprintf("%d messages are not acknowledged, and wait in queue %q", n, s.queue)
		}
		s.Notify(Notice{Remark: text})
	}
}

// look looks at the queue: whether it is at its bound, so that the broker drops
// its oldest messages, and whether others receive from it, too.
func (s *subscription) look() error {
	if s.Queue.History || s.Queue.temporary() && s.MaxLength < 0 && s.MaxBytes < 0 {
		return nil
	}
	messages, consumers, err := s.in.Look(s.queue, s.Queue.temporary())
	if err != nil {
		return err
	}
	s.tellBehind(messages)
	own := 0
	if s.tag > 0 && !s.paused {
		own = 1
	}
	if consumers > own && !s.sequences.shared {
		s.sequences.shared = true
		s.Notify(Notice{Remark: fmt.Sprintf("others receive from queue %q, too: what is missing here is not told", s.queue)})
	}
	const nearly = 0.9
	full := s.MaxLength > 0 && float64(messages) >= nearly*float64(s.MaxLength) ||
		s.MaxBytes > 0 && float64(messages)*s.mean >= nearly*float64(s.MaxBytes)
	if full {
		s.sequences.full = time.Now()
		if s.foreign && !s.full {
			s.Notify(Notice{Remark: fmt.Sprintf("this tail's queue is at its bound, with %d messages: the broker drops the oldest, and nobody counts those without a number", messages)})
		}
	}
	s.full = full
	return nil
}
