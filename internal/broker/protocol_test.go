package broker_test

import (
	"strings"
	"testing"

	"github.com/slogcast/slogcast/internal/wire"
)

// bytesOf returns the frames of methods on channel 1.
func bytesOf(ms ...wire.Method) []byte {
	var b []byte
	for _, m := range ms {
		b = wire.AppendMethod(b, 1, m)
	}
	return b
}

// frameOf returns one frame.
func frameOf(typ uint8, channel uint16, payload ...byte) []byte {
	return wire.AppendFrame(nil, wire.Frame{Type: typ, Channel: channel, Payload: payload})
}

func headerOf(class uint16, size uint64, properties string) []byte {
	return wire.AppendHeader(nil, 1, wire.Header{Class: class, BodySize: size, Properties: []byte(properties)})
}

func join(bs ...[]byte) []byte {
	var all []byte
	for _, b := range bs {
		all = append(all, b...)
	}
	return all
}

// A protocolCase is bytes a client sends on an open connection with channel 1,
// and how the broker answers.
type protocolCase struct {
	name string
	send []byte
	want string
}

// run sends the bytes and returns the answer.
func (c *protocolCase) run(t *testing.T, url string) string {
	r := dialRaw(t, url)
	r.open(131072, 0)
	r.nc.Write(c.send)
	if c.want == "ok" {
		r.send(1, &wire.BasicQos{})
	}
	return r.outcome()
}

// method returns a frame with a method on channel 1.
func method(class, method byte, args ...byte) []byte {
	return frameOf(wire.FrameMethod, 1, append([]byte{0, class, 0, method}, args...)...)
}

// announce is the method before a content that no queue gets.
func announce() []byte { return bytesOf(&wire.BasicPublish{RoutingKey: "nowhere"}) }

// TestProtocolErrors tests what no client library would send.
func TestProtocolErrors(t *testing.T) {
	for _, test := range []protocolCase{
		{"message in pieces", join(announce(), headerOf(60, 4, "\x00\x00"), frameOf(3, 1, 'a'), frameOf(3, 1), frameOf(3, 1, 'b', 'c', 'd')), "ok"},
		{"heartbeat", frameOf(8, 0), "ok"},
		{"heartbeat on a channel", frameOf(8, 1), "connection 505 UNEXPECTED_FRAME - type 8 on channel 1 (0.0)"},
		{"heartbeat with payload", frameOf(8, 0, 1), "connection 501 FRAME_ERROR - type 8: unknown_frame (0.0)"},
		{"unknown frame type", frameOf(9, 1), "connection 501 FRAME_ERROR - type 9: unknown_frame (0.0)"},
		{"frame type 0", frameOf(0, 1), "connection 501 FRAME_ERROR - type 0: unknown_frame (0.0)"},
		{"wrong frame end", append(frameOf(1, 1)[:7], 0), "connection 501 FRAME_ERROR - type 1: invalid_frame_end_marker (0.0)"},
		{"frame-max for the payload", join(announce(), headerOf(60, 131072, "\x00\x00"), frameOf(3, 1, make([]byte, 131072)...)), "ok"},
		{"more than frame-max for the payload", join(announce(), headerOf(60, 131073, "\x00\x00"), frameOf(3, 1, make([]byte, 131073)...)), "connection 501 FRAME_ERROR - type 3: frame_too_large (0.0)"},
		{"large frame", append([]byte{3, 0, 1, 0, 2, 0, 1}, make([]byte, 200000)...), "connection 501 FRAME_ERROR - type 3: frame_too_large (0.0)"},
		{"giant frame", []byte{3, 0, 1, 0xff, 0xff, 0xff, 0xff, 0}, "connection 501 FRAME_ERROR - type 3: frame_too_large (0.0)"},
		{"empty method", frameOf(1, 1), "connection 501 FRAME_ERROR - type 1: unknown_frame (0.0)"},
		{"access.request", method(30, 10, 5, '/', 'd', 'a', 't', 'a', 0x1f), "ok"},
		{"arguments cut", method(50, 10, 0), "connection 501 FRAME_ERROR - cannot decode the arguments (50.10)"},
		{"arguments too long", method(60, 10, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3), "connection 501 FRAME_ERROR - cannot decode the arguments (60.10)"},
		{"table cut", method(50, 10, 0, 0, 1, 'q', 0, 0, 0, 0, 9, 1), "connection 501 FRAME_ERROR - cannot decode the arguments (50.10)"},
		{"server's method", bytesOf(&wire.QueueDeclareOk{Queue: "q"}), "connection 503 COMMAND_INVALID - unimplemented method (50.11)"},
		{"basic.cancel-ok", bytesOf(&wire.BasicCancelOk{ConsumerTag: "c"}), "connection 503 COMMAND_INVALID - unimplemented method (60.31)"},
		{"second channel.open", bytesOf(&wire.ChannelOpen{}), "connection 504 CHANNEL_ERROR - second 'channel.open' seen (20.10)"},
		{"method on unopened channel", wire.AppendMethod(nil, 5, &wire.BasicQos{}), "connection 504 CHANNEL_ERROR - expected 'channel.open' (60.10)"},
		{"content on unopened channel", frameOf(3, 5, 'a'), "connection 505 UNEXPECTED_FRAME - expected method frame, got non method frame instead (0.0)"},
		{"channel.close-ok on unopened channel", wire.AppendMethod(nil, 5, &wire.Bare{Method: wire.ChannelCloseOkID}), "connection 504 CHANNEL_ERROR - expected 'channel.open' (20.41)"},
		{"channel method on channel 0", wire.AppendMethod(nil, 0, &wire.BasicQos{}), "connection 504 CHANNEL_ERROR - unexpected method in connection state running (60.10)"},
		{"connection method on a channel", wire.AppendMethod(nil, 1, &wire.ConnectionOpen{VirtualHost: "/"}), "connection 503 COMMAND_INVALID - unimplemented method (10.40)"},
		{"connection.start-ok again", wire.AppendMethod(nil, 0, &wire.ConnectionStartOk{Mechanism: "PLAIN"}), "connection 504 CHANNEL_ERROR - unexpected method in connection state running (10.11)"},
		{"connection.open again", wire.AppendMethod(nil, 0, &wire.ConnectionOpen{VirtualHost: "/"}), "connection 504 CHANNEL_ERROR - unexpected method in connection state running (10.40)"},
		{"connection.tune-ok again", wire.AppendMethod(nil, 0, &wire.ConnectionTuneOk{FrameMax: 131072}), "connection 504 CHANNEL_ERROR - unexpected method in connection state running (10.31)"},
		{"content on channel 0", frameOf(3, 0, 'a'), "connection 505 UNEXPECTED_FRAME - type 3 on channel 0 (0.0)"},
		{"connection.close-ok unasked", wire.AppendMethod(nil, 0, &wire.Bare{Method: wire.ConnectionCloseOkID}), "connection 504 CHANNEL_ERROR - unexpected method in connection state running (10.51)"},
		{"channel.close-ok unasked", bytesOf(&wire.Bare{Method: wire.ChannelCloseOkID}), "connection 503 COMMAND_INVALID - unimplemented method (20.41)"},
		{"header unannounced", headerOf(60, 0, "\x00\x00"), "connection 505 UNEXPECTED_FRAME - expected method frame, got non method frame instead (0.0)"},
		{"body unannounced", frameOf(3, 1, 'a'), "connection 505 UNEXPECTED_FRAME - expected method frame, got non method frame instead (0.0)"},
		{"body before header", join(announce(), frameOf(3, 1, 'a')), "connection 505 UNEXPECTED_FRAME - expected content header for class 60, got non content header frame instead (60.40)"},
		{"method before header", join(announce(), bytesOf(&wire.BasicQos{})), "connection 505 UNEXPECTED_FRAME - expected content header for class 60, got non content header frame instead (60.40)"},
		{"method before body", join(announce(), headerOf(60, 4, "\x00\x00"), bytesOf(&wire.BasicQos{})), "connection 505 UNEXPECTED_FRAME - expected content body, got non content body frame instead (60.40)"},
		{"header twice", join(announce(), headerOf(60, 4, "\x00\x00"), headerOf(60, 4, "\x00\x00")), "connection 505 UNEXPECTED_FRAME - expected content body, got non content body frame instead (60.40)"},
		{"header of another class", join(announce(), headerOf(50, 0, "\x00\x00")), "connection 505 UNEXPECTED_FRAME - expected content header for class 60, got one for class 50 instead (60.40)"},
		{"header cut", join(announce(), frameOf(2, 1, 0, 60)), "connection 501 FRAME_ERROR - type 2: unknown_frame (0.0)"},
	} {
		t.Run(strings.ReplaceAll(test.name, " ", "_"), func(t *testing.T) {
			onBrokers(t, func(t *testing.T, url string) {
				got, want := test.run(t, url), test.want
				if onRabbitMQ(t) {
					got, want = codeOf(got), codeOf(want)
				}
				if got != want {
					t.Errorf("got %s\nwant %s", got, want)
				}
			})
		})
	}
}

// TestMalformed tests input that makes RabbitMQ 3.10 crash in the connection's
// process, with a 541 or without a word, or wait for good; or that it answers
// now so, now otherwise, as closing a channel that was never opened.
func TestMalformed(t *testing.T) {
	url := listen(t, nil).URL()
	for _, test := range []protocolCase{
		{"channel.close on unopened channel", wire.AppendMethod(nil, 5, &wire.ChannelClose{}), "ok"},
		{"unknown class", method(99, 1), "connection 503 COMMAND_INVALID - unknown method (99.1)"},
		{"unknown method", method(60, 99), "connection 503 COMMAND_INVALID - unknown method (60.99)"},
		{"table with unknown type", method(50, 10, 0, 0, 1, 'q', 0, 0, 0, 0, 3, 1, 'k', '?'), "connection 501 FRAME_ERROR - cannot decode the arguments (50.10)"},
		{"more body than announced", join(announce(), headerOf(60, 1, "\x00\x00"), frameOf(3, 1, 'a', 'b')), "connection 505 UNEXPECTED_FRAME - expected content body, got non content body frame instead (60.40)"},
		{"no property flags", join(announce(), headerOf(60, 0, "")), "connection 502 SYNTAX_ERROR - cannot decode the properties (60.40)"},
		{"properties cut", join(announce(), headerOf(60, 0, "\x80\x00\x05ab")), "connection 502 SYNTAX_ERROR - cannot decode the properties (60.40)"},
		{"properties too long", join(announce(), headerOf(60, 0, "\x00\x00extra")), "connection 502 SYNTAX_ERROR - cannot decode the properties (60.40)"},
		{"properties with more flags", join(announce(), headerOf(60, 0, "\x00\x01\x00\x00")), "connection 502 SYNTAX_ERROR - cannot decode the properties (60.40)"},
		{"headers malformed", join(announce(), headerOf(60, 0, "\x20\x00\x00\x00\x00\x03\x01k?")), "connection 502 SYNTAX_ERROR - cannot decode the properties (60.40)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := test.run(t, url); got != test.want {
				t.Errorf("got %s\nwant %s", got, test.want)
			}
		})
	}
}
