package link

import (
	"fmt"
	"regexp"
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// OffsetHeader is the argument by which a consumer says where in a stream it begins,
// and the header that tells where a message stands.
const OffsetHeader = "x-stream-offset"

// Look is what was seen of a stream at one place of it.
type Look struct {
	First, Last StreamMessage // the same, if one came
	Messages    int
	Bytes       int64 // of bodies
	Took        time.Duration
}

// StreamMessage is a message of a stream, and its offset there.
type StreamMessage struct {
	Offset int64
	Time   time.Time // as its producer says; may be zero
	Body   []byte
}

// streamPrefetch is how many messages of a stream are under way while it is looked
// at.
const streamPrefetch = 64

// LookAtStream reads a stream from an offset on (anything that x-stream-offset may
// be), on a channel of its own, until there are most messages, none has come for some
// time, or they have come for twice that: a stream that is written to has no end.
// Nothing is taken from it.
func (c *Conn) LookAtStream(stream string, offset any, most int, quiet time.Duration) (seen Look, err error) {
	start := time.Now()
	err = c.withChannel(func(ch *amqp.Channel) error {
		var messages <-chan amqp.Delivery
		err := c.ask(func() (err error) {
			if err := ch.Qos(min(most, streamPrefetch), 0, false); err != nil {
				return err
			}
			messages, err = ch.Consume(stream, "look", false, false, false, false, amqp.Table{OffsetHeader: offset})
			return err
		})
		if err != nil {
			return err
		}
		late, first := time.NewTimer(quiet), time.Time{}
		defer late.Stop()
		for seen.Messages < most {
			select {
			case d, ok := <-messages:
				if !ok {
					return amqp.ErrClosed
				}
				if seen.add(&d); seen.Messages == 1 {
					first = time.Now()
				}
				if err := d.Ack(false); err != nil {
					return err
				}
				if time.Since(first) > 2*quiet {
					return nil
				}
				late.Reset(quiet)
			case <-late.C:
				return nil
			}
		}
		return nil
	})
	seen.Took = time.Since(start)
	return seen, err
}

func (l *Look) add(d *amqp.Delivery) {
	offset, _ := d.Headers[OffsetHeader].(int64)
	l.Last = StreamMessage{offset, d.Timestamp, d.Body}
	if l.Messages == 0 {
		l.First = l.Last
	}
	l.Messages++
	l.Bytes += int64(len(d.Body))
}

// otherArgument is how RabbitMQ says what an argument of a queue is.
var otherArgument = regexp.MustCompile(`(?s)inequivalent arg '(x-[a-z-]+)' for queue .*: received .* but current is the value '(.*)' of type '(\w+)'`)

// StreamArguments returns the arguments of a stream that exists. AMQP has no way to
// ask for them; but a declaration without one is refused, with the name and the
// value of it. A user who may not declare is refused otherwise.
func (c *Conn) StreamArguments(stream string) (Args, error) {
	args := Args{"x-queue-type": "stream"}
	const most = 16
	for range most {
		err := c.onChannel(func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclare(stream, true, false, false, false, amqp.Table(args))
			return err
		})
		if err == nil {
			return args, nil
		}
		m := otherArgument.FindStringSubmatch(err.Error())
		if m == nil {
			return nil, err
		}
		if _, again := args[m[1]]; again {
			return nil, fmt.Errorf("its argument %s can't be told: %w", m[1], err)
		}
		args[m[1]] = m[2]
		if n, err := strconv.ParseInt(m[2], 10, 64); err == nil && m[3] != "longstr" {
			args[m[1]] = n
		}
	}
	return nil, fmt.Errorf("it has more than %d arguments", most)
}
