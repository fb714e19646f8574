package wire

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// allMethods returns one of each method, with a value in each field.
func allMethods() []Method {
	var all []Method
	for class := range MethodID(100) {
		for method := range MethodID(130) {
			if m := newMethod(class<<16 | method); m != nil {
				fill(reflect.ValueOf(m).Elem())
				if bare, ok := m.(*Bare); ok {
					bare.Method = class<<16 | method
				}
				all = append(all, m)
			}
		}
	}
	return all
}

// fill puts a value that is not zero in each field of a struct.
func fill(v reflect.Value) {
	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.Bool:
			f.SetBool(true)
		case reflect.String:
			f.SetString("s" + v.Type().Field(i).Name)
		case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
			f.SetUint(uint64(i + 1))
		default:
			switch f.Interface().(type) {
			case []byte:
				f.SetBytes([]byte("bytes"))
			case Table:
				f.Set(reflect.ValueOf(Table{{"k", "v"}}))
			}
		}
	}
}

// parse returns the method in the only frame of b.
func parse(t *testing.T, b []byte) Method {
	t.Helper()
	f, err := NewReader(bytes.NewReader(b), 1<<17).ReadFrame()
	if err != nil {
		t.Fatal(err)
	}
	m, err := ParseMethod(f.Payload)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestMethodRoundTrip(t *testing.T) {
	all := allMethods()
	if len(all) != 66 {
		t.Errorf("got %d methods, want 66", len(all))
	}
	for _, m := range all {
		if got := parse(t, AppendMethod(nil, 7, m)); !reflect.DeepEqual(got, m) || got.ID() != m.ID() {
			t.Errorf("got %T %+v, want %T %+v", got, got, m, m)
		}
	}
}

// TestMethodLayout pins the octets of methods with each kind of field.
func TestMethodLayout(t *testing.T) {
	for _, test := range []struct {
		method Method
		want   string
	}{
		{&ConnectionOpen{VirtualHost: "/"}, "\x00\x0a\x00\x28\x01/\x00\x00"},
		{&ChannelOpen{}, "\x00\x14\x00\x0a\x00"},
		{&ChannelOpenOk{}, "\x00\x14\x00\x0b\x00\x00\x00\x00"},
		{&QueueDeclare{Queue: "q", Durable: true, NoWait: true}, "\x00\x32\x00\x0a\x00\x00\x01q\x12\x00\x00\x00\x00"},
		{&QueueUnbind{Queue: "q", Exchange: "x", RoutingKey: "k"}, "\x00\x32\x00\x32\x00\x00\x01q\x01x\x01k\x00\x00\x00\x00"},
		{&BasicDeliver{"c", 258, true, "x", "k"}, "\x00\x3c\x00\x3c\x01c\x00\x00\x00\x00\x00\x00\x01\x02\x01\x01x\x01k"},
		{&BasicNack{DeliveryTag: 1, Requeue: true}, "\x00\x3c\x00\x78\x00\x00\x00\x00\x00\x00\x00\x01\x02"},
		{&ConnectionTune{2047, 131072, 60}, "\x00\x0a\x00\x1e\x07\xff\x00\x02\x00\x00\x00\x3c"},
		{&Bare{BasicQosOkID}, "\x00\x3c\x00\x0b"},
	} {
		b := AppendMethod(nil, 1, test.method)
		if got := string(b[frameHeaderSize : len(b)-1]); got != test.want {
			t.Errorf("%T: got %q, want %q", test.method, got, test.want)
		}
	}
}

func TestParseMethodErrors(t *testing.T) {
	if _, err := ParseMethod([]byte{0, 60, 0}); !errors.Is(err, ErrSyntax) {
		t.Errorf("got %v for half an id", err)
	}
	if _, err := ParseMethod([]byte{0, 60, 0, 99}); !errors.Is(err, ErrUnknownMethod) {
		t.Errorf("got %v for an unknown method", err)
	}
	for _, m := range allMethods() {
		b := AppendMethod(nil, 1, m)
		payload := b[frameHeaderSize : len(b)-1]
		for n := 4; n < len(payload); n++ {
			if _, err := ParseMethod(payload[:n:n]); !errors.Is(err, ErrSyntax) {
				t.Errorf("%T cut after %d bytes: got %v, want %v", m, n, err, ErrSyntax)
			}
		}
		if _, err := ParseMethod(append(payload[:len(payload):len(payload)], 0)); !errors.Is(err, ErrSyntax) {
			t.Errorf("%T with a byte more: got %v, want %v", m, err, ErrSyntax)
		}
	}
}

func TestShortStringIsCut(t *testing.T) {
	m := parse(t, AppendMethod(nil, 1, &ChannelClose{Text: strings.Repeat("x", 300)})).(*ChannelClose)
	if len(m.Text) != 255 {
		t.Errorf("got %d bytes, want 255", len(m.Text))
	}
}

func TestFastPaths(t *testing.T) {
	payload := func(b []byte) []byte { return b[frameHeaderSize : len(b)-1] }
	pub := payload(AppendMethod(nil, 1, &BasicPublish{"x", "k", true, false}))
	if p, err := ParsePublish(pub); err != nil || string(p.Exchange) != "x" || string(p.RoutingKey) != "k" || !p.Mandatory || p.Immediate {
		t.Errorf("got %+v, %v", p, err)
	}
	if _, err := ParsePublish(pub[:len(pub)-1]); err == nil {
		t.Error("no error for a publish cut short")
	}
	ack := payload(AppendMethod(nil, 1, &BasicAck{9, true}))
	if a, err := ParseAck(ack); err != nil || a != (BasicAck{9, true}) {
		t.Errorf("got %+v, %v", a, err)
	}
	d := BasicDeliver{"c", 9, true, "x", "k"}
	if got, want := AppendDeliver(nil, 3, d), AppendMethod(nil, 3, &d); !bytes.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestFastPathAllocs(t *testing.T) {
	pub := AppendMethod(nil, 1, &BasicPublish{Exchange: "x", RoutingKey: "k"})[frameHeaderSize:]
	pub = pub[:len(pub)-1]
	ack := AppendMethod(nil, 1, &BasicAck{DeliveryTag: 9})[frameHeaderSize:]
	ack = ack[:len(ack)-1]
	dst := make([]byte, 0, 1024)
	properties := []byte("\x90\x00\x04text\x02")
	for name, f := range map[string]func(){
		"ParsePublish":    func() { ParsePublish(pub) },
		"ParseAck":        func() { ParseAck(ack) },
		"AppendDeliver":   func() { AppendDeliver(dst, 1, BasicDeliver{ConsumerTag: "c", Exchange: "x"}) },
		"ParseProperties": func() { ParseProperties(properties) },
	} {
		if n := testing.AllocsPerRun(100, f); n > 0 {
			t.Errorf("%s: %v allocations, want none", name, n)
		}
	}
}

// FuzzMethod parses any payload; what is a method must survive a round trip.
func FuzzMethod(f *testing.F) {
	for _, m := range allMethods() {
		b := AppendMethod(nil, 1, m)
		f.Add(b[frameHeaderSize : len(b)-1])
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		if p, err := ParsePublish(payload); err == nil {
			if m, err := ParseMethod(payload); err == nil {
				if b, is := m.(*BasicPublish); is && b.Exchange != string(p.Exchange) {
					t.Fatalf("got %+v and %+v", p, b)
				}
			}
		}
		m, err := ParseMethod(payload)
		if err != nil {
			return
		}
		encoded := AppendMethod(nil, 1, m)
		again, err := ParseMethod(encoded[frameHeaderSize : len(encoded)-1])
		if err != nil {
			t.Fatalf("%v of %+v", err, m)
		}
		if got := AppendMethod(nil, 1, again); !bytes.Equal(got, encoded) {
			t.Fatalf("got %+v, want %+v", again, m)
		}
	})
}
