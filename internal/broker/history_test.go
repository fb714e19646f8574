package broker_test

import (
	"testing"
)

// TestKeepHistory tests that what is published before anybody watches can be
// read, and that who declares the exchange as its own finds it.
func TestKeepHistory(t *testing.T) {
	s := listen(t, nil)
	ok(t, s.KeepHistory("logs", 1<<20))
	ok(t, s.KeepHistory("logs", 1<<20)) // is nothing more
	ch := openChannel(t, s.URL())
	ok(t, ch.ExchangeDeclare("logs", "fanout", true, false, false, false, nil))
	for i := range 10 {
		publishNumbersTo(t, ch, "logs", "any", i, i+1)
	}
	_, c := readFrom(t, s.URL(), "logs.history", 100, "1m")
	readNumbers(t, c, 0, 10)
	if err := s.KeepHistory("amq.fanout", -1); err == nil {
		t.Error("a negative size was taken")
	}
}
