package faults

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slogcast/slogcast/internal/brokertest"
	"github.com/slogcast/slogcast/sink"
)

// numbers of records that a tail of a history has written.
type countingWriter struct{ records atomic.Int64 }

func (c *countingWriter) Write(_ context.Context, records []sink.Record) error {
	c.records.Add(int64(len(records)))
	return nil
}

// TestFullClusterHistory reads a history over nodes of a cluster that do not have it,
// and over one that loses it meanwhile.
func TestFullClusterHistory(t *testing.T) {
	if !*full {
		t.Log("not run: it needs -full, an installed rabbitmq-server, Linux and root")
		return
	}
	brokertest.NeedCluster(t)
	c := brokertest.StartCluster(t, brokertest.NodeConfig{})
	if err := c.Await(); err != nil {
		t.Fatal(err)
	}
	const n = 1000
	for _, replicas := range []int{1, 3} {
		t.Run(fmt.Sprintf("replicas=%d", replicas), func(t *testing.T) {
			exchange := c.Nodes[0].Exchange(t)
			made := sink.Config{URL: c.Nodes[0].URL, Exchange: exchange}
			if _, err := sink.CreateHistory(t.Context(), made, sink.Retention{MaxBytes: 1e9, Replicas: replicas}); err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := sink.DeleteHistory(context.Background(), made); err != nil {
					t.Error(err)
				}
			}()
			publish(t, c.Nodes[0].Broker, exchange, n)
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			w := new(countingWriter)
			told := make(chan sink.Notice, 1000)
			cfg := sink.Config{
				// Whichever is first, the other is tried.
				URL: c.Nodes[1].URL + "," + c.Nodes[0].URL, Exchange: exchange, Queue: sink.Queue{History: true, From: sink.Offset{First: true}},
				Notify: func(n sink.Notice) { told <- n },
			}
			ended := make(chan error, 1)
			go func() { ended <- sink.Tail(ctx, cfg, w) }()
			w.await(t, n)
			if replicas > 1 {
				name := fmt.Sprintf(`<<"%s">>`, sink.HistoryName(exchange))
				out, err := c.Nodes[0].Ctl("eval", fmt.Sprintf(`[N] = [N || N <- rabbit_nodes:all_running(), atom_to_list(N) =:= "%s"], rabbit_stream_queue:delete_replica(<<"/">>, %s, N).`, nodeName(t, c.Nodes[1]), name))
				t.Logf("delete_replica: %s %v", strings.TrimSpace(out), err)
			}
			deleted := time.Now()
			publish(t, c.Nodes[0].Broker, exchange, n)
			w.await(t, 2*n)
			t.Logf("all came %v after", time.Since(deleted).Round(time.Millisecond))
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			for len(told) > 0 {
				t.Log(<-told)
			}
			if got := w.records.Load(); got != 2*n {
				t.Errorf("got %d records, want %d", got, 2*n)
			}
		})
	}
}

// nodeName asks a node for what Erlang calls it.
func nodeName(t *testing.T, n *brokertest.Node) string {
	t.Helper()
	out, err := n.Ctl("eval", "node().")
	if err != nil {
		t.Fatalf("ask a node for its name: %v\n%s", err, out)
	}
	return strings.Trim(strings.TrimSpace(out), "'")
}

func (c *countingWriter) await(t *testing.T, n int64) {
	t.Helper()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for late := time.After(2 * soon); c.records.Load() < n; {
		select {
		case <-again.C:
		case <-late:
			t.Fatalf("got %d records, want %d", c.records.Load(), n)
		}
	}
}
