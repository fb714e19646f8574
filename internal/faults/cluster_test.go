package faults

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/slogcast/slogcast/handler"
	"github.com/slogcast/slogcast/internal/brokertest"
	"github.com/slogcast/slogcast/sink"
)

// How long, in the rows of the cluster, and their goals.
const (
	clusterRate  = 2000 // records a second, of each of the two producers
	deadFor      = 10 * time.Second
	frozenFor    = 30 * time.Second
	minorityFor  = 20 * time.Second
	partitionFor = 30 * time.Second

	wholeGoal = 20 * time.Second // for nodes that can be one cluster again

	majorityGoal = 2 * time.Second  // without a confirm, while a majority lives
	frozenGoal   = 20 * time.Second // the same while a node hangs or its links do
)

// clusterSuite is the part of the full suite that breaks a cluster of three.
type clusterSuite struct {
	cluster *brokertest.Cluster
	rows    []clusterRow
}

// clusterRow is a line of its table.
type clusterRow struct {
	row
	refused, shed int
	stalls        [2]string // longest time without a confirm: single records, batches
}

// layout says which node has what in a row: the producers' connections, the leader
// of the queue that counts, and the connections of the two tails.
type layout struct {
	producer, leader int
	tails            [2]int
	history          bool // the tails read a stream on all nodes, in place of queues of their own
}

// clusterRun is a run on the cluster.
type clusterRun struct {
	*run
	suite     *clusterSuite
	began     time.Time // of the fault
	producers [2]*producer
	stop      [2]func() // the loads
	stalls    [2]func() []stall
}

func TestFullCluster(t *testing.T) {
	if !*full {
		t.Log("the cluster is not broken: it needs -full, an installed rabbitmq-server, Linux and root, and a quarter of an hour; see doc.go")
		return
	}
	brokertest.NeedCluster(t)
	s := &clusterSuite{cluster: brokertest.StartCluster(t, brokertest.NodeConfig{
		Settings: []string{"cluster_partition_handling = pause_minority", "net_ticktime = 15"},
	})}
	defer func() { s.table(t) }()

	apart := layout{producer: 0, leader: 1, tails: [2]int{2, 0}} // each on a node of its own, and a tail beside the producers
	streamed := apart
	streamed.history = true
	all := layout{producer: 0, leader: 0, tails: [2]int{0, 1}}
	s.run(t, "C01 kill -9 of the producers' node", layout{producer: 0, leader: 1, tails: [2]int{2, 1}}, majorityGoal, kill(0))
	s.run(t, "C01 kill -9 of the leader's node", apart, majorityGoal, kill(1))
	s.run(t, "C01 kill -9 of a tail's node", apart, majorityGoal, kill(2))
	s.run(t, "C01 kill -9 of the node that is all three", all, majorityGoal, kill(0))
	s.run(t, "C02 SIGSTOP of the producers' node", layout{producer: 0, leader: 1, tails: [2]int{2, 1}}, frozenGoal, freeze(0))
	s.run(t, "C02 SIGSTOP of the leader's node", apart, frozenGoal, freeze(1))
	s.run(t, "C02 SIGSTOP of a tail's node", apart, frozenGoal, freeze(2))
	s.run(t, "C02 SIGSTOP of a tail's node, both tails at a stream", streamed, majorityGoal, freeze(2))
	s.run(t, "C02 SIGSTOP of the node that is all three", all, frozenGoal, freeze(0))
	s.run(t, "C03 majority lost", apart, 0, (*clusterRun).loseMajority)
	s.run(t, "C04 one node alone: all three", all, frozenGoal, partition([2]int{0, 1}, [2]int{0, 2}))
	s.run(t, "C04 one link down: producers' to leader's", apart, frozenGoal, partition([2]int{0, 1}))
	s.run(t, "C04 bridge: the producers' node", layout{producer: 2, leader: 0, tails: [2]int{1, 2}}, frozenGoal, partition([2]int{0, 1}))
	s.run(t, "C04 majority and minority: a tail's", apart, frozenGoal, partition([2]int{2, 0}, [2]int{2, 1}))
	s.run(t, "C05 rolling restart", apart, majorityGoal, (*clusterRun).restartAll)
}

// run runs a fault on the cluster and keeps its row. goal is how long a producer
// may be without a confirm; 0 when do judges that itself.
func (s *clusterSuite) run(t *testing.T, fault string, where layout, goal time.Duration, do func(*clusterRun)) {
	t.Run("fault="+fault, func(t *testing.T) {
		if err := s.cluster.Await(); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		r := s.start(t, fault, where)
		var line clusterRow
		defer func() {
			r.measure("took %v", time.Since(began).Round(time.Second))
			line.row = r.row
			line.failed = t.Failed()
			s.rows = append(s.rows, line)
			t.Logf("%d reconnects; %d wire duplicates\n%s%s", r.row.reconnects, r.row.wire, clusterHead, line.String())
		}()
		do(r)
		for i, p := range r.producers {
			p.await("catching up", patience, func(s handler.Stats) bool { return s.PendingRecords < clusterRate })
			r.stop[i]()
			line.stalls[i] = r.judge(r.stalls[i](), goal)
		}
		r.finish()
		for _, p := range r.producers {
			counts := p.h.Stats().Dropped
			line.refused += int(counts.Refused)
			line.shed += int(counts.Shed)
		}
		if line.refused+line.shed > 0 {
			t.Errorf("%d records were refused, %d shed", line.refused, line.shed)
		}
	})
}

// start makes the run's queue, producers and tails where the layout has them.
func (s *clusterSuite) start(t *testing.T, fault string, where layout) *clusterRun {
	t.Helper()
	// The leader is where the client is that declares.
	r := &clusterRun{suite: s, run: prepare(t, s.cluster.Nodes[where.leader].Broker, fault, amqp.Table{"x-queue-type": "quorum"})}
	r.resent, r.nacked, r.history = true, true, where.history
	if where.history {
		r.keepHistory()
	}
	for i, at := range where.tails {
		r.at(at, func(url string) {
			tl := startTail(r.run, url)
			if i == 0 {
				r.tail = tl
			} else {
				r.others = append(r.others, tl)
			}
		})
	}
	for i, batch := range []int{0, 100} {
		r.at(where.producer, func(url string) {
			p := r.produce(url, handler.Options{Buffer: 64 << 20, Batch: handler.Batch{Records: batch}}, 0)
			p.log()
			p.confirmed(1)
			r.producers[i] = p
		})
	}
	for i, p := range r.producers {
		r.stop[i] = p.load(clusterRate)
		t.Cleanup(r.stop[i])
		p.confirming(soon)
	}
	r.began = time.Now()
	for i, p := range r.producers {
		r.stalls[i] = p.watch(r.began)
		t.Cleanup(func() { r.stalls[i]() })
	}
	return r
}

// keepHistory makes the stream that the tails read.
func (r *clusterRun) keepHistory() {
	r.t.Helper()
	cfg := sink.Config{URL: r.broker.URL, Exchange: r.exchange}
	if _, err := sink.CreateHistory(r.t.Context(), cfg, sink.Retention{}); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		if err := sink.DeleteHistory(context.Background(), cfg); err != nil {
			r.t.Error(err)
		}
	})
}

// at calls do with URLs of all nodes, of which only one can be reached until do
// returns: a client that connects meanwhile is there.
func (r *clusterRun) at(node int, do func(url string)) {
	r.t.Helper()
	var urls []string
	var others []*brokertest.Proxy
	for i, n := range r.suite.cluster.Nodes {
		proxy := n.Proxy(r.t)
		r.closers = append(r.closers, proxy.Close)
		urls = append(urls, proxy.URL)
		if i != node {
			proxy.Down()
			others = append(others, proxy)
		}
	}
	do(strings.Join(urls, ","))
	for _, proxy := range others {
		proxy.Up()
	}
}

// stall is a time without a confirm.
type stall struct{ after, lasted time.Duration }

// watch notes the times without a confirm, with when they began after start.
func (p *producer) watch(start time.Time) (stop func() []stall) {
	var stalls []stall
	end := make(chan struct{})
	var working sync.WaitGroup
	working.Go(func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		last, confirmed := time.Now(), p.h.Stats().Confirmed
		note := func(now time.Time) {
			if lasted := now.Sub(last); lasted > 500*time.Millisecond {
				stalls = append(stalls, stall{last.Sub(start), lasted})
			}
			last = now
		}
		for {
			select {
			case <-end:
				note(time.Now())
				return
			case now := <-tick.C:
				if c := p.h.Stats().Confirmed; c != confirmed {
					confirmed = c
					note(now)
				}
			}
		}
	})
	return sync.OnceValue(func() []stall {
		close(end)
		working.Wait()
		return stalls
	})
}

// judge returns the longest time without a confirm, and notes all that were long.
func (r *clusterRun) judge(stalls []stall, goal time.Duration) string {
	r.t.Helper()
	if len(stalls) == 0 {
		return "< 0.5s"
	}
	var all []string
	for _, s := range stalls {
		all = append(all, fmt.Sprintf("%.1fs from %.1fs on", s.lasted.Seconds(), s.after.Seconds()))
	}
	r.t.Logf("without a confirm: %s", strings.Join(all, ", "))
	longest := slices.MaxFunc(stalls, func(a, b stall) int { return cmp.Compare(a.lasted, b.lasted) }).lasted
	if goal > 0 && longest > goal {
		r.t.Errorf("no confirm for %v, want at most %v", longest, goal)
	}
	return fmt.Sprintf("%.1fs", longest.Seconds())
}

const clusterHead = `| fault | attempted | confirmed | lost | silent | refused | shed | without a confirm: records / batches | gap told | told falsely | shown twice | measured |
|---|---|---|---|---|---|---|---|---|---|---|---|
`

// String returns the line. What the tails told and showed is the sum over both.
func (r *clusterRow) String() string {
	measured := r.measured
	if r.failed {
		measured = append([]string{"**failed**"}, measured...)
	}
	return fmt.Sprintf("| %s | %d | %d | %d | %d | %d | %d | %s / %s | %d | %d | %d | %s |\n",
		r.fault, r.attempted, r.confirmed, r.lost, r.silent, r.refused, r.shed, r.stalls[0], r.stalls[1],
		r.told, r.wrong, r.twice, strings.Join(measured, "; "))
}

// table prints the rows, and writes them to the file named by -table.
func (s *clusterSuite) table(t *testing.T) {
	t.Helper()
	var b strings.Builder
	b.WriteString(clusterHead)
	for i := range s.rows {
		b.WriteString(s.rows[i].String())
	}
	fmt.Printf("\n%s\n", b.String())
	if *tableFile == "" {
		return
	}
	if err := os.WriteFile(*tableFile+".cluster", []byte(b.String()), 0o644); err != nil {
		t.Error(err)
	}
}
