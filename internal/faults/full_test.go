package faults

import (
	"testing"
	"time"

	"github.com/slogcast/slogcast/internal/brokertest"
)

// suite is the full part: one private node, and the rows so far.
type suite struct {
	node *brokertest.Node
	rows []row
}

func TestFull(t *testing.T) {
	if !*full {
		t.Log("the full part is not run: it needs -full, an installed rabbitmq-server, and most of an hour; see doc.go")
		return
	}
	s := &suite{node: brokertest.StartNode(t)}
	defer func() { table(t, s.rows) }()
	t.Run("wedge=stop", s.wedgeByStop)
	t.Run("wedge=alarm", s.wedgeByAlarm)
}

func (s *suite) wedgeByStop(t *testing.T) {
	defer s.node.Continue()
	wedge(t, s.node, s.node.Stop)
}

func (s *suite) wedgeByAlarm(t *testing.T) {
	defer s.ctl(t, "set_vm_memory_high_watermark", "0.4")
	wedge(t, s.node, func() { s.ctl(t, "set_vm_memory_high_watermark", "0") })
}

func (s *suite) ctl(t testing.TB, args ...string) {
	t.Helper()
	if out, err := s.node.Ctl(args...); err != nil {
		t.Fatalf("rabbitmqctl %s: %v\n%s", args[0], err, out)
	}
}

var _ = time.Second
