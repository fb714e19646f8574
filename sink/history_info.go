package sink

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/slogcast/slogcast/internal/jsontext"
	"github.com/slogcast/slogcast/internal/link"
)

// History is what a broker tells of a stream by AMQP.
type History struct {
	Name string

	// Messages are those from the first to the last, each of one record or a batch.
	// If 0, the stream is empty, and what follows is not set.
	Messages                int64
	FirstOffset, LastOffset int64
	First, Last             time.Time // of the records there, zero if they have none

	// Bytes are those of all bodies, as the mean of Sample messages has it. The
	// disk has more: properties, and up to a segment that is to be removed.
	Bytes  int64
	Sample int

	// Arguments are those with which the stream was created, "x-max-age=3600s", say.
	// NotTold is why they are not known. Policies are not told.
	Arguments []string
	NotTold   string
}

// sampled is how many messages are looked at to tell how large a history is, at its
// start, and at its end.
const sampled = 256

// DescribeHistory looks at the stream of cfg.Exchange. Its Error has the cause
// ErrNoHistory if there is none. The user needs permission to read the stream, and
// to configure it, or the arguments are not told.
func DescribeHistory(ctx context.Context, cfg Config) (h History, err error) {
	err = manage(ctx, cfg, func(t *tail, c *link.Conn, stream string) error {
		s := subscription{tail: t, conn: c}
		if err := s.findHistory(c); err != nil {
			return err
		}
		h.Name = stream
		if err := s.describe(&h); err != nil {
			return link.Denied(err, c.Endpoint, fmt.Sprintf("consume from stream %q", stream), "permission to read "+stream)
		}
		args, err := c.StreamArguments(stream)
		if err != nil {
			h.NotTold = link.Explain(link.Denied(err, c.Endpoint, "declare the stream", "permission to configure "+stream)).Error()
			return nil
		}
		for _, key := range slices.Sorted(maps.Keys(args)) {
			h.Arguments = append(h.Arguments, fmt.Sprintf("%s=%v", key, args[key]))
		}
		return nil
	})
	return h, err
}

// describe reads the start and the end of the stream.
func (s *subscription) describe(h *History) error {
	first, err := s.lookAt("first", sampled)
	if err != nil || first.Messages == 0 {
		return err
	}
	last, err := s.lookAt("last", mostInChunk)
	if err != nil {
		return err
	}
	if last.Messages == 0 {
		last = first
	}
	h.FirstOffset, h.LastOffset = first.First.Offset, last.Last.Offset
	h.Messages = h.LastOffset - h.FirstOffset + 1
	h.Sample = first.Messages + last.Messages
	h.Bytes = int64(float64(first.Bytes+last.Bytes) / float64(h.Sample) * float64(h.Messages))
	head, _, _ := bytes.Cut(first.First.Body, []byte{'\n'})
	body := bytes.TrimRight(last.Last.Body, "\r\n")
	h.First, h.Last = timeOf(head, first.First.Time), timeOf(body[bytes.LastIndexByte(body, '\n')+1:], last.Last.Time)
	return nil
}

// timeOf returns the time of a record, or else of its message.
func timeOf(body []byte, sent time.Time) time.Time {
	r := Record{Body: body, Sent: sent, object: jsontext.IsObject(body)}
	t, own := r.Time()
	if !own {
		return sent
	}
	return t
}

// differences says which arguments of a stream are not those that were asked for.
func differences(has, asked link.Args) (told []string) {
	all := maps.Clone(has)
	maps.Copy(all, asked)
	for _, key := range slices.Sorted(maps.Keys(all)) {
		is, want := argument(has, key), argument(asked, key)
		if is != want {
			told = append(told, fmt.Sprintf("%s is %s, not %s", key, is, want))
		}
	}
	return told
}

func argument(args link.Args, key string) string {
	if v, ok := args[key]; ok {
		return fmt.Sprint(v)
	}
	return "not set"
}
