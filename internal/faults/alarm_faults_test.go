package faults

import (
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

func (s *suite) memoryAlarm(r *run) {
	s.alarm(r, []string{"set_vm_memory_high_watermark", "0"}, []string{"set_vm_memory_high_watermark", "0.4"})
}

func (s *suite) diskAlarm(r *run) {
	s.alarm(r, []string{"set_disk_free_limit", "100000GB"}, []string{"set_disk_free_limit", "50MB"})
}

// alarm makes the broker take no messages for a while.
func (s *suite) alarm(r *run, set, clear []string) {
	r.t.Cleanup(func() { s.ctl(r.t, clear...) })
	conn, err := amqp.Dial(s.node.URL)
	if err != nil {
		r.t.Fatal(err)
	}
	defer conn.Close()
	blocked := conn.NotifyBlocked(make(chan amqp.Blocking, 10))
	ch, err := conn.Channel()
	if err != nil {
		r.t.Fatal(err)
	}
	a, stopA := r.loaded(s.node.URL, rate*4/5)
	defer stopA()
	b, stopB := r.loaded(s.node.URL, rate/5)
	defer stopB()
	s.ctl(r.t, set...)
	// The broker tells only those who publish. This connection is to know when
	// the alarm ends.
	if err := ch.Publish("", "nowhere", false, false, amqp.Publishing{}); err != nil {
		r.t.Fatal(err)
	}
	witness(r.t, blocked, true)
	wait(lasting(alarmFor) / 2)
	stopB()
	took, _ := b.close(2 * time.Second)
	r.within("Close(2 s)", took, closeGoal)
	wait(lasting(alarmFor) / 2)
	kept := a.h.Stats()
	cleared := make(chan error, 1)
	go func() {
		_, err := s.node.Ctl(clear...)
		cleared <- err
	}()
	witness(r.t, blocked, false)
	r.within("confirming after unblocked", a.confirming(soon), resumeGoal)
	if err := <-cleared; err != nil {
		r.t.Errorf("rabbitmqctl: %v", err)
	}
	r.measure("%d reconnects, %d pending at the end of the alarm", kept.Reconnects, kept.PendingRecords)
	stopA()
}

// witness waits until the broker says that it blocks, or no longer.
func witness(t testing.TB, blocked <-chan amqp.Blocking, active bool) {
	t.Helper()
	late := time.After(soon)
	for {
		select {
		case b := <-blocked:
			if b.Active == active {
				return
			}
		case <-late:
			t.Fatalf("no connection.blocked with active %v came", active)
		}
	}
}
