package broker_test

import (
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slogcast/slogcast/internal/broker"
	"github.com/slogcast/slogcast/internal/wire"
)

// inBubble runs a test with a server under a clock that advances when nobody
// has anything to do.
func inBubble(t *testing.T, cfg *broker.Config, run func(t *testing.T, s *broker.Server)) {
	synctest.Test(t, func(t *testing.T) {
		s := broker.NewServer(cfg)
		defer s.Close()
		run(t, s)
	})
}

// pass lets the clock of the bubble advance.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestHeartbeats(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *broker.Server) {
		r, done := servePipe(t, s)
		r.open(wire.MinFrameMax, 10)
		start := time.Now()
		beats := 0
		for {
			f, err := r.in.ReadFrame()
			if err != nil {
				break
			}
			want(t, "frame type", f.Type, wire.FrameHeartbeat)
			beats++
		}
		<-done
		want(t, "silence allowed", time.Since(start), 20*time.Second)
		if beats < 3 || beats > 4 {
			t.Errorf("got %d heartbeats in 20 s, want one each 5 s", beats)
		}
	})
}

func TestHeartbeatsKeepConnection(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *broker.Server) {
		r, done := servePipe(t, s)
		r.open(wire.MinFrameMax, 10)
		go io.Copy(io.Discard, r.nc)
		for range 10 {
			pass(15 * time.Second)
			r.write(wire.AppendHeartbeat(nil))
		}
		want(t, "connections", s.Stats().Connections, 1)
		r.nc.Close()
		<-done
	})
}

func TestNoHeartbeats(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *broker.Server) {
		r, done := servePipe(t, s)
		r.open(wire.MinFrameMax, 0)
		pass(24 * time.Hour)
		want(t, "connections", s.Stats().Connections, 1)
		r.nc.Close()
		<-done
	})
}

func TestHandshakeTimeout(t *testing.T) {
	for name, say := range map[string]func(*raw){
		"nothing":         func(*raw) {},
		"half a header":   func(r *raw) { r.write([]byte("AMQP")) },
		"header alone":    func(r *raw) { r.write([]byte(wire.ProtocolHeader)); expect[*wire.ConnectionStart](r) },
		"no tune-ok":      func(r *raw) { r.start("\x00guest\x00guest", nil); expect[*wire.ConnectionTune](r) },
		"one byte a time": func(r *raw) { go dribble(r) },
		"does not read":   func(r *raw) { r.write([]byte(wire.ProtocolHeader)) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, &broker.Config{WriteTimeout: 10 * time.Second}, func(t *testing.T, s *broker.Server) {
				start := time.Now()
				r, done := servePipe(t, s)
				say(r)
				<-done
				want(t, "time allowed", time.Since(start), 10*time.Second)
				pass(10 * time.Second) // dribble ends
			})
		})
	}
}

// dribble sends a login very slowly.
func dribble(r *raw) {
	for _, b := range []byte(wire.ProtocolHeader) {
		if _, err := r.nc.Write([]byte{b}); err != nil {
			return
		}
		<-time.After(3 * time.Second)
	}
}

func TestWriteTimeout(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *broker.Server) {
		r, done := servePipe(t, s)
		r.open(wire.MinFrameMax, 0)
		start := time.Now()
		r.send(1, &wire.BasicQos{}) // and never reads the answer
		<-done
		want(t, "time allowed", time.Since(start), 30*time.Second)
	})
}

// TestSlowReaderIsNotCut tests that the time to write is not one for a large
// message as a whole.
func TestSlowReaderIsNotCut(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *broker.Server) {
		const size = 200 << 10
		r, done := servePipe(t, s)
		r.open(131072, 0)
		queueWith(r, "q", nil)
		r.write(join(bytesOf(&wire.BasicPublish{RoutingKey: "q"}), headerOf(60, size, "\x00\x00"),
			frameOf(3, 1, make([]byte, size/2)...), frameOf(3, 1, make([]byte, size/2)...),
			bytesOf(&wire.BasicGet{Queue: "q"})))
		for got := 0; got < size; {
			n, err := r.nc.Read(make([]byte, 4<<10))
			ok(t, err)
			got += n
			pass(20 * time.Second)
		}
		r.nc.Close()
		<-done
	})
}

// queueWith declares a queue over a raw connection.
func queueWith(r *raw, name string, args wire.Table) {
	r.send(1, &wire.QueueDeclare{Queue: name, Arguments: args})
	expect[*wire.QueueDeclareOk](r)
}

func TestTimers(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *broker.Server) {
		r, done := servePipe(t, s)
		r.open(wire.MinFrameMax, 0)
		queueWith(r, "ttl", wire.Table{{Key: "x-message-ttl", Value: int32(1000)}})
		queueWith(r, "plain", nil)
		queueWith(r, "expires", wire.Table{{Key: "x-expires", Value: int32(5000)}})
		send := func(queue, properties string) {
			r.write(join(bytesOf(&wire.BasicPublish{RoutingKey: queue}), headerOf(60, 0, properties)))
		}
		send("ttl", "\x00\x00")
		send("ttl", "\x01\x00\x03500")
		send("plain", "\x01\x00\x042000")
		send("plain", "\x00\x00")
		send("plain", "\x01\x00\x0210")
		synctest.Wait()
		// A message expires at the head of its queue, not before.
		for _, step := range []struct {
			after          time.Duration
			ready, expired int
			queues         int
		}{
			{0, 5, 0, 3},
			{999 * time.Millisecond, 5, 0, 3},
			{1 * time.Millisecond, 3, 2, 3},
			{999 * time.Millisecond, 3, 2, 3},
			{1 * time.Millisecond, 2, 3, 3},
			{2999 * time.Millisecond, 2, 3, 3},
			{1 * time.Millisecond, 2, 3, 2},
		} {
			pass(step.after)
			st := s.Stats()
			want(t, "ready", st.Ready, step.ready)
			want(t, "expired", st.Expired, uint64(step.expired))
			want(t, "queues", st.Queues, step.queues)
		}
		r.nc.Close()
		<-done
	})
}

func TestUseKeepsQueueFromExpiring(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *broker.Server) {
		r, done := servePipe(t, s)
		r.open(wire.MinFrameMax, 0)
		args := wire.Table{{Key: "x-expires", Value: int32(1000)}}
		queueWith(r, "q", args)
		pass(900 * time.Millisecond)
		queueWith(r, "q", args)
		pass(900 * time.Millisecond)
		r.send(1, &wire.BasicGet{Queue: "q"})
		expect[*wire.BasicGetEmpty](r)
		pass(900 * time.Millisecond)
		r.send(1, &wire.BasicConsume{Queue: "q", ConsumerTag: "c"})
		expect[*wire.BasicConsumeOk](r)
		pass(time.Hour)
		r.send(1, &wire.BasicCancel{ConsumerTag: "c"})
		expect[*wire.BasicCancelOk](r)
		pass(999 * time.Millisecond)
		want(t, "queues while in use", s.Stats().Queues, 1)
		pass(time.Millisecond)
		want(t, "queues after", s.Stats().Queues, 0)
		r.nc.Close()
		<-done
	})
}
