package handler

import "github.com/slogcast/slogcast/internal/link"

// maxMessages is how many messages may be on their way without an answer.
const maxMessages = 1024

// window is the messages on their way over one channel, and the records in them.
// The session owns it: nothing else knows of them, but that they are out of the
// buffer, which counts their bytes.
type window struct {
	limit    int            // bytes of records
	messages queue[message] // oldest first
	records  queue[entry]   // of the messages, in their order
	bytes    int            // of records
	first    uint64         // delivery tag of the oldest message
	answered uint64         // all tags below it have their answer
}

// message is one message on its way.
type message struct {
	records int
	bytes   int    // of them in the buffer
	body    int    // bytes of its body
	end     uint64 // of it, in the bytes written over the connection
	answer  answer
}

// answer is what the broker has said of a message.
type answer byte

const (
	none answer = iota
	ack
	nack
)

func newWindow(bufferLimit int) *window {
	// What is on its way can't be shed: the greater part of the buffer is left to
	// what matters more.
	return &window{limit: bufferLimit / 4, first: 1, answered: 1}
}

// len returns how many messages are on their way.
func (w *window) len() int { return len(w.messages.items()) }

// room returns how many bytes of records there is room for; none when there are
// enough messages. A record of any size has room in an empty window.
func (w *window) room() int {
	if w.len() >= maxMessages {
		return 0
	}
	return max(0, w.limit-w.bytes)
}

// add notes a message with the records, which stay the caller's; none, of a message
// that is not from the buffer.
func (w *window) add(records []entry, body int, end uint64) {
	bytes := 0
	for i := range records {
		bytes += records[i].cost()
	}
	w.messages.push(message{records: len(records), bytes: bytes, body: body, end: end})
	for i := range records {
		w.records.push(records[i])
	}
	w.bytes += bytes
}

// note notes what the broker has said. Tags of messages that are not here, or have
// their answer, are left alone; so is the last message while it is not handed over
// whole, of which nobody can have an opinion.
func (w *window) note(a link.Answer, whole bool) {
	what := ack
	if a.Refused {
		what = nack
	}
	messages := w.messages.items()
	if n := len(messages); n > 0 && !whole {
		messages = messages[:n-1]
	}
	last := w.first + uint64(len(messages)) - 1
	from, to := max(a.First, w.first), min(a.Last, last)
	if a.First == 0 {
		from = max(w.first, w.answered)
		if a.Last == 0 {
			to = last // 0 means all
		}
		w.answered = max(w.answered, to+1)
	}
	for tag := from; tag <= to; tag++ {
		if m := &messages[tag-w.first]; m.answer == none {
			m.answer = what
		}
	}
}

// next removes the oldest messages that have the same answer, and returns that and
// their records, which stay valid until the next call of add. It returns none when
// the oldest message has no answer.
func (w *window) next() (messages int, records []entry, what answer) {
	n := 0
	for _, m := range w.messages.items() {
		if m.answer == none || messages > 0 && m.answer != what {
			break
		}
		what = m.answer
		n += m.records
		w.bytes -= m.bytes
		messages++
	}
	w.messages.pop(messages)
	w.first += uint64(messages)
	return messages, w.records.pop(n), what
}

// largest returns how many bytes of body the largest message has, and how many
// records.
func (w *window) largest() (body, records int) {
	for _, m := range w.messages.items() {
		if m.body > body {
			body, records = m.body, m.records
		}
	}
	return body, records
}

// rest removes and returns all records. Those of messages that end at written or
// before are marked as published.
func (w *window) rest(written uint64) []entry {
	records := w.records.items()
	at := 0
	for _, m := range w.messages.items() {
		for range m.records {
			if m.end <= written {
				records[at].flags |= published
			}
			at++
		}
	}
	w.first += uint64(w.len())
	w.messages.pop(w.len())
	w.bytes = 0
	return w.records.pop(len(records))
}

// queue is a slice that is pushed at its end and popped at its front, in memory
// that is used again.
type queue[T any] struct {
	all  []T
	head int // those before it have been popped
}

func (q *queue[T]) items() []T { return q.all[q.head:] }

func (q *queue[T]) push(item T) {
	if len(q.all) == cap(q.all) && q.head > len(q.all)/2 {
		n := copy(q.all, q.all[q.head:])
		clear(q.all[n:])
		q.all, q.head = q.all[:n], 0
	}
	q.all = append(q.all, item)
}

// pop removes the first n items and returns them. They stay valid until the next
// push.
func (q *queue[T]) pop(n int) []T {
	popped := q.all[q.head : q.head+n]
	if q.head += n; q.head == len(q.all) {
		q.all, q.head = q.all[:0], 0
	}
	return popped
}
