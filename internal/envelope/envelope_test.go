package envelope

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.uber.org/goleak"

	"github.com/slogcast/slogcast/internal/broker/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const producer = "0192f0c1-7d3a-7e21-9a51-6f1f0f4e8f11"

// properties decodes what AppendProperties wrote, which this package reads only
// by way of amqp091-go. Here are those that it writes, in their order.
func properties(t *testing.T, b []byte) (d amqp.Delivery) {
	t.Helper()
	if _, err := wire.ParseProperties(b); err != nil {
		t.Fatalf("%v: %q", err, b)
	}
	flags := binary.BigEndian.Uint16(b)
	b = b[2:]
	take := func(n int) (taken []byte) {
		taken, b = b[:n], b[n:]
		return taken
	}
	short := func() string { return string(take(int(take(1)[0]))) }
	d.ContentType = short()
	table, err := wire.ParseTable(take(4 + int(binary.BigEndian.Uint32(b))))
	if err != nil {
		t.Fatal(err)
	}
	d.Headers = amqp.Table{}
	for _, f := range table {
		d.Headers[f.Key] = f.Value
	}
	d.DeliveryMode = take(1)[0]
	if flags&flagMessageID != 0 {
		d.MessageId = short()
	}
	if flags&flagTimestamp != 0 {
		d.Timestamp = time.Unix(int64(binary.BigEndian.Uint64(take(8))), 0)
	}
	if flags&flagAppID != 0 {
		d.AppId = short()
	}
	return d
}

func TestEnvelopeArrivesAsItWasSent(t *testing.T) {
	for _, want := range []Envelope{
		{Producer: producer, Seq: 41, App: "shop", Host: "h1", Time: time.Unix(1_700_000_000, 0), Count: 1},
		{Producer: producer, Seq: 41, App: "shop", Host: "h1", Time: time.Unix(1_700_000_000, 0), Count: 1, Dropped: 7},
		{Producer: producer, Seq: 41, App: "shop", Host: "h1", Time: time.Unix(1_700_000_000, 0), Count: 3, Dropped: 7},
		{Producer: producer, Seq: 41, App: "shop", Host: "h1", Time: time.Unix(-1, 0), Count: 1},
		{Producer: producer, Seq: 1<<64 - 1, App: strings.Repeat("a", 255), Host: strings.Repeat("h", 255), Count: 2, Dropped: 1<<62 - 1},
		{Host: "h1", Count: 1},
	} {
		body := `{"msg":"one"}` + strings.Repeat("\n{}", want.Count-1)
		d := properties(t, want.AppendProperties(nil))
		if d.DeliveryMode != amqp.Persistent {
			t.Errorf("got delivery mode %d", d.DeliveryMode)
		}
		d.Body = []byte(body)
		got := Read(&d)
		if got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		var records []string
		for seq, record := range got.Records(d.Body) {
			if want.Seq > 0 && seq != want.Seq+uint64(len(records)) {
				t.Errorf("record %d has number %d", len(records), seq)
			}
			records = append(records, string(record))
		}
		if strings.Join(records, "\n") != body {
			t.Errorf("got records %q of %q", records, body)
		}
		want.Transient = true
		if d := properties(t, want.AppendProperties(nil)); d.DeliveryMode != amqp.Transient {
			t.Errorf("got delivery mode %d", d.DeliveryMode)
		}
	}
}

func TestForeignMessages(t *testing.T) {
	for _, tt := range []struct {
		name string
		d    amqp.Delivery
		want Envelope
	}{
		{"nothing at all", amqp.Delivery{}, Envelope{Count: 1}},
		{"other message-ids", amqp.Delivery{MessageId: "42"}, Envelope{Count: 1}},
		{"a UUID alone", amqp.Delivery{MessageId: producer}, Envelope{Count: 1}},
		{"number zero", amqp.Delivery{MessageId: producer + "/0"}, Envelope{Count: 1}},
		{"number too large", amqp.Delivery{MessageId: producer + "/99999999999999999999"}, Envelope{Count: 1}},
		{"headers of other types", amqp.Delivery{Headers: amqp.Table{"host": 5, "dropped": "x", "count": amqp.Table{}}}, Envelope{Count: 1}},
		{"dropped as other clients write it", amqp.Delivery{Headers: amqp.Table{"dropped": int16(3)}}, Envelope{Count: 1, Dropped: 3}},
		{"negative dropped", amqp.Delivery{Headers: amqp.Table{"dropped": int64(-3)}}, Envelope{Count: 1}},
	} {
		if got := Read(&tt.d); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

func TestEveryAMQPIntegerIsRead(t *testing.T) {
	for _, v := range []any{int8(3), byte(3), int16(3), uint16(3), int32(3), uint32(3), int64(3), uint64(3)} {
		if got := integer(v); got != 3 {
			t.Errorf("%T: got %d, want 3", v, got)
		}
	}
}

func FuzzClamp(f *testing.F) {
	f.Add(strings.Repeat("é", 200))
	f.Add(strings.Repeat("x", 256))
	f.Add("\xff" + strings.Repeat("\x80", 300))
	f.Fuzz(func(t *testing.T, s string) {
		got := Clamp(s)
		switch {
		case len(got) > 255, !strings.HasPrefix(s, got):
			t.Errorf("got %d bytes of %d", len(got), len(s))
		case utf8.ValidString(s) && (!utf8.ValidString(got) || len(s) > 255 && len(got) < 252):
			t.Errorf("cut %q to %q", s, got)
		case len(s) <= 255 && got != s:
			t.Errorf("cut %q, which fits", s)
		}
		if key := RoutingKey(s, "WARN+2"); len(key) > 255 || !strings.HasSuffix(key, ".warn+2") {
			t.Errorf("got routing key %q", key)
		}
	})
}

func ExampleMessageID() {
	id := MessageID(producer, 12)
	fmt.Println(id)
	fmt.Println(ParseMessageID(id))
	// Output:
	// 0192f0c1-7d3a-7e21-9a51-6f1f0f4e8f11/12
	// 0192f0c1-7d3a-7e21-9a51-6f1f0f4e8f11 12 true
}
