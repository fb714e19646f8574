package sink

import (
	"reflect"
	"testing"
	"testing/quick"
	"time"
)

func TestPackIsUndone(t *testing.T) {
	var again Record
	undone := func(body []byte, seq uint64, sent, received int32, encoding, key, hint, headers string, object bool) bool {
		want := Record{
			Body: body, Seq: seq, Encoding: encoding, Key: key, Headers: Value(headers), hint: hint, object: object,
			Sent: time.Unix(int64(sent), 0), Received: time.Unix(int64(received), int64(uint16(seq))),
		}
		if seq%3 == 0 {
			want.Sent, want.Received = time.Time{}, time.Time{}
		}
		again.Unpack(want.Pack(nil))
		again.parts = nil
		if len(again.Body) == 0 && len(body) == 0 {
			again.Body, want.Body = nil, nil
		}
		return reflect.DeepEqual(again, want)
	}
	if err := quick.Check(undone, nil); err != nil {
		t.Error(err)
	}
}

// What was decoded is not taken for the next record.
func TestUnpackForgetsTheLast(t *testing.T) {
	one, two := ParseLine([]byte(`{"level":"WARN","msg":"one"}`)), ParseLine([]byte(`{"level":"ERROR","msg":"two","@level":"x"}`))
	var r Record
	for _, want := range []*Record{&one, &two} {
		r.Unpack(want.Pack(nil))
		if r.Message() != want.Message() || r.LevelText() != want.LevelText() || string(r.AppendLine(nil)) != string(want.AppendLine(nil)) {
			t.Errorf("got %s, want %s", r.AppendLine(nil), want.AppendLine(nil))
		}
	}
}
