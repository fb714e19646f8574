package broker

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/slogcast/slogcast/internal/wire"
)

// A stream is a queue from which nothing is taken: consumers read on from an
// offset of their own, and records go by age, by size and when memory is short
// (RabbitMQ's "streams"). Each record has the next offset, from 0 on. Records are
// those of queue.ready; entry.position is the offset.

// offsetHeader tells consumers the offset of each record.
const offsetHeader = "x-stream-offset"

// isStream reports whether the queue is one.
func (q *queue) isStream() bool { return q.args.stream }

// firstOffset returns the offset of the oldest record there is.
func (q *queue) firstOffset() uint64 { return q.position - uint64(q.ready.len()) }

// appendLocked adds a record and lets consumers have it.
func (q *queue) appendLocked(msg *message) {
	msg = withoutHeader(msg, offsetHeader)
	now := time.Now().UnixMilli()
	if n := q.ready.len(); n > 0 {
		// Search by time relies on it, whatever the clock does.
		now = max(now, q.ready.at(n-1).arrived)
	}
	q.srv.retainLocked(msg)
	q.readyBytes += int64(len(msg.body))
	q.ready.push(entry{msg: msg, position: q.position, arrived: now})
	q.position++
	q.retainRecentLocked()
	q.pumpStreamLocked()
	if q.due == never {
		q.scheduleLocked()
	}
}

// retainRecentLocked drops records that are too old or too many. The newest
// stays, however large.
func (q *queue) retainRecentLocked() {
	oldest := int64(math.MinInt64)
	if q.args.maxAge > 0 {
		oldest = time.Now().Add(-q.args.maxAge).UnixMilli()
	}
	for q.ready.len() > 0 {
		tooLarge := q.args.hasMaxBytes && q.readyBytes > q.args.maxBytes && q.ready.len() > 1
		if !tooLarge && q.ready.front().arrived >= oldest {
			return
		}
		q.discardLocked(q.popLocked())
	}
}

// pumpStreamLocked delivers to all consumers what they can take.
func (q *queue) pumpStreamLocked() {
	for _, c := range q.consumers {
		c.readOnLocked()
	}
}

// readOnLocked delivers records from the consumer's offset on. One whose records
// are gone goes on with the oldest.
func (c *consumer) readOnLocked() {
	q := c.queue
	for c.offset < q.position && c.ready() {
		c.offset = max(c.offset, q.firstOffset())
		if c.offset == q.position {
			return
		}
		e := q.ready.at(int(c.offset - q.firstOffset()))
		c.deliverLocked(*e)
		c.offset++
	}
}

// seekLocked returns the offset at which a consumer begins.
func (q *queue) seekLocked(name string, args wire.Table) (uint64, error) {
	v, ok := args.Get(offsetHeader)
	if !ok {
		return q.position, nil
	}
	switch v := v.(type) {
	case wire.Timestamp:
		return q.offsetOf(int64(min(v, math.MaxInt64/1000)) * 1000), nil
	case string:
		switch v {
		case "first":
			return q.firstOffset(), nil
		case "last":
			return q.position - uint64(min(q.ready.len(), 1)), nil
		case "next":
			return q.position, nil
		}
		if d, ok := parseAge(v); ok {
			return q.offsetOf(time.Now().Add(-d).UnixMilli()), nil
		}
		return 0, invalidArg(offsetHeader, name, fmt.Sprintf("{invalid_stream_offset_arg,{longstr,<<%q>>}}", v))
	}
	n, problem := integerArg(v, 0, math.MaxInt64)
	if problem != "" {
		return 0, invalidArg(offsetHeader, name, fmt.Sprintf("{invalid_stream_offset_arg,{%s,%v}}", typeName(v), v))
	}
	return max(uint64(n), q.firstOffset()), nil
}

// offsetOf returns the offset of the first record that arrived at a time, in
// milliseconds since 1970, or later.
func (q *queue) offsetOf(arrived int64) uint64 {
	low, high := 0, q.ready.len()
	for low < high {
		if mid := (low + high) / 2; q.ready.at(mid).arrived < arrived {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return q.firstOffset() + uint64(low)
}

// parseAge parses a number and one of the units of RabbitMQ: Y, M, D, h, m, s.
func parseAge(s string) (time.Duration, bool) {
	if s == "" {
		return 0, false
	}
	const day = 24 * time.Hour
	unit, ok := map[byte]time.Duration{
		'Y': 365 * day, 'M': 30 * day, 'D': day, 'h': time.Hour, 'm': time.Minute, 's': time.Second,
	}[s[len(s)-1]]
	digits := s[:len(s)-1]
	n, err := strconv.ParseInt(digits, 10, 64)
	if !ok || err != nil || n <= 0 || strings.Trim(digits, "0123456789") != "" {
		return 0, false
	}
	if n > int64(math.MaxInt64/unit) {
		return math.MaxInt64, true
	}
	return time.Duration(n) * unit, true
}

// checkStreamConsumer refuses what streams do not have, in RabbitMQ's order.
func (ch *channel) checkStreamConsumer(q *queue, m *wire.BasicConsume) error {
	switch {
	case ch.prefetch == 0:
		return raise(preconditionFailed, "consumer prefetch count is not set for '%s'", q)
	case m.NoAck:
		return raise(notImplemented, "automatic acknowledgement not supported by stream queues %s", q)
	case ch.limit > 0:
		return raise(notImplemented, "%s does not support global qos", q)
	}
	return nil
}
