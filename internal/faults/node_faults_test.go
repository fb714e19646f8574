package faults

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/slogcast/slogcast/handler"
)

// wait lets a fault last. It waits for no event.
func wait(d time.Duration) { <-time.After(d) }

// loaded makes a producer at the node and loads it once it works. The buffer
// has room for all that comes during a fault.
func (r *run) loaded(url string, rate int) (a *producer, stop func()) {
	r.t.Helper()
	a = r.produce(url, handler.Options{Buffer: 64 << 20}, 0)
	a.log()
	a.confirmed(1)
	stop = a.load(rate)
	a.confirming(soon)
	return a, stop
}

// again starts the node after a kill.
func (s *suite) again(t testing.TB) {
	t.Helper()
	if err := s.node.Start(); err != nil {
		t.Fatal(err)
	}
}

func (s *suite) kill(r *run) {
	a, stop := r.loaded(s.node.URL, rate)
	defer stop()
	// A kill may come before the broker has confirmed what was sent again after
	// the last one, and a tail that was away has told as missing.
	r.resent = true
	var slowest time.Duration
	for range times(kills) {
		a.confirming(soon)
		// What was logged during the kills before must not fill the buffer.
		a.await("catching up", patience, func(s handler.Stats) bool { return s.PendingRecords < 40*rate })
		wait(rand.N(500 * time.Millisecond))
		s.node.Kill()
		s.again(r.t)
		slowest = max(slowest, a.confirming(soon))
	}
	stop()
	r.measure("%d kills", times(kills))
	r.within("confirming after start, slowest", slowest, restartGoal)
}

func (s *suite) restart(r *run) {
	a, stop := r.loaded(s.node.URL, rate)
	defer stop()
	s.ctl(r.t, "stop_app")
	s.ctl(r.t, "start_app")
	r.within("confirming after start", a.confirming(soon), restartGoal)
	stop()
}

func (s *suite) downAtStart(r *run) {
	s.node.Kill()
	const buffer = 100_000
	a := r.produce(s.node.URL, handler.Options{Buffer: buffer}, 0)
	stop := a.load(rate)
	defer stop()
	wait(lasting(downFor))
	stop()
	down := a.h.Stats()
	size := down.PendingBytes / down.PendingRecords
	if int(down.Dropped.Shed)+down.PendingRecords != int(down.Accepted) || down.PendingBytes > buffer || down.PendingBytes < buffer-2*size {
		r.t.Errorf("while down: %+v", down)
	}
	s.again(r.t)
	a.confirmed(down.PendingRecords)
	after := a.h.Stats()
	if after.Dropped.Total() != down.Dropped.Total() || int(after.Confirmed) != down.PendingRecords {
		r.t.Errorf("dropped and kept while down %d and %d, in the end %+v", down.Dropped.Shed, down.PendingRecords, after)
	}
	r.measure("%d kept in %d of %d bytes, all others dropped", down.PendingRecords, down.PendingBytes, buffer)
}

func (s *suite) stop(r *run) {
	r.t.Cleanup(s.node.Continue)
	a, stopA := r.loaded(s.node.URL, rate*4/5)
	defer stopA()
	b, stopB := r.loaded(s.node.URL, rate/5)
	defer stopB()
	s.node.Stop()
	stopped := time.Now()
	wait(lasting(stopFor) / 3)
	stopB()
	took, err := b.close(2 * time.Second)
	if err == nil {
		r.t.Error("Close of a handler with records left returned no error")
	}
	r.within("Close(2 s)", took, closeGoal)
	wait(lasting(stopFor) - time.Since(stopped))
	s.node.Continue()
	r.within("confirming after SIGCONT", a.confirming(soon), continueGoal)
	stopA()
}

func (s *suite) closeWhileStopped(r *run) {
	r.t.Cleanup(s.node.Continue)
	before := used()
	a, stop := r.loaded(s.node.URL, rate)
	defer stop()
	s.node.Stop()
	wait(time.Second)
	stop()
	took, _ := a.close(2 * time.Second)
	r.within("Close(2 s)", took, closeGoal)
	back(r.t, before, 5*time.Second)
	s.node.Continue()
}

func (s *suite) revoked(r *run) {
	url := s.node.User(r.t, ".*", ".*", ".*")
	u, err := amqp.ParseURI(url)
	if err != nil {
		r.t.Fatal(err)
	}
	a, stop := r.loaded(url, 500)
	defer stop()
	s.ctl(r.t, "set_permissions", "-p", "/", u.Username, ".*", "^$", ".*")
	// A channel remembers what its user may do.
	s.ctl(r.t, "close_all_connections", "permissions have changed")
	a.lost(soon)
	wait(lasting(10 * time.Second))
	s.ctl(r.t, "set_permissions", "-p", "/", u.Username, ".*", ".*", ".*")
	r.within("confirming after restored", a.confirming(patience), time.Minute)
	stop()
}

// exchangeDeleted deletes the exchange, and with it the bindings. The tail has
// to notice; it looks after its own when it gets nothing for a while.
func (s *suite) exchangeDeleted(r *run) {
	a := r.produce(s.node.URL, handler.Options{}, 0)
	for range 100 {
		a.log()
	}
	a.confirmed(100)
	s.node.Use(r.t, func(ch *amqp.Channel) {
		if err := ch.ExchangeDelete(r.exchange, false, false); err != nil {
			r.t.Fatal(err)
		}
	})
	r.unbound = true
	deleted := time.Now()
	r.mark(a)
	r.within("shown again", time.Since(deleted), rebindGoal)
}

func (s *suite) closeAll(r *run) {
	a, stop := r.loaded(s.node.URL, rate)
	defer stop()
	var slowest time.Duration
	for range times(closings) {
		s.ctl(r.t, "close_all_connections", "fault suite")
		slowest = max(slowest, a.confirming(soon))
	}
	stop()
	r.measure("%d times", times(closings))
	r.within("confirming again, slowest", slowest, restartGoal)
}

func (s *suite) refusing(r *run) {
	conn, err := amqp.Dial(s.node.URL)
	if err != nil {
		r.t.Fatal(err)
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err != nil {
		r.t.Fatal(err)
	}
	q, err := ch.QueueDeclare("", false, false, true, false, amqp.Table{"x-max-length": 10, "x-overflow": "reject-publish"})
	if err != nil {
		r.t.Fatal(err)
	}
	if err := ch.QueueBind(q.Name, "", r.exchange, false, nil); err != nil {
		r.t.Fatal(err)
	}
	a := r.produce(s.node.URL, handler.Options{}, 0)
	for range 1000 {
		a.log()
	}
	// They are not given up: they wait, and one is tried now and then.
	a.await("reported", soon, func(s handler.Stats) bool {
		return s.Confirmed == 10 && s.PendingRecords == 990 && s.Reconnects > 1 && strings.Contains(s.LastError, "refuses")
	})
	if err := conn.Close(); err != nil { // the full queue goes
		r.t.Error(err)
	}
}
