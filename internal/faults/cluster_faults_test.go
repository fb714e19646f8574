package faults

import (
	"sync"
	"time"
)

// kill kills a node, and starts it again.
func kill(node int) func(*clusterRun) {
	return func(r *clusterRun) {
		r.suite.cluster.Nodes[node].Kill()
		wait(lasting(deadFor))
		r.restart(node)
	}
}

// restart starts nodes again, all at once, and waits for the cluster.
func (r *clusterRun) restart(nodes ...int) {
	r.t.Helper()
	var starting sync.WaitGroup
	for _, i := range nodes {
		starting.Go(func() {
			if err := r.suite.cluster.Nodes[i].Start(); err != nil {
				r.t.Error(err)
			}
		})
	}
	starting.Wait()
	r.whole()
}

// whole waits until all nodes are one cluster again. What takes too long needs an
// operator, who restarts the nodes that the fault was about.
func (r *clusterRun) whole(suspects ...int) {
	r.t.Helper()
	began := time.Now()
	err := r.suite.cluster.Whole()
	for err != nil && time.Since(began) < wholeGoal {
		wait(time.Second)
		err = r.suite.cluster.Whole()
	}
	if err == nil {
		r.measure("whole %s later", short(time.Since(began)))
		return
	}
	if len(suspects) == 0 {
		r.t.Errorf("not one cluster: %v", err)
	}
	r.measure("not whole by itself after %v, node restarted", wholeGoal)
	for _, i := range suspects {
		r.suite.cluster.Nodes[i].Kill()
		if err := r.suite.cluster.Nodes[i].Start(); err != nil {
			r.t.Error(err)
		}
	}
	if err := r.suite.cluster.Await(); err != nil {
		r.t.Errorf("not one cluster after a restart: %v", err)
	}
}

// freeze stops a node, and lets it go on.
func freeze(node int) func(*clusterRun) {
	return func(r *clusterRun) {
		n := r.suite.cluster.Nodes[node]
		r.t.Cleanup(n.Continue)
		n.Stop()
		wait(lasting(frozenFor))
		n.Continue()
		r.whole(node)
	}
}

// loseMajority kills two nodes of three: the third takes nothing until another is
// back.
func (r *clusterRun) loseMajority() {
	r.suite.cluster.Nodes[1].Kill()
	r.suite.cluster.Nodes[2].Kill()
	wait(lasting(minorityFor))
	back := time.Now()
	r.restart(1, 2)
	for _, p := range r.producers {
		r.measure("confirming %s after the start of two nodes", short(time.Since(back)+p.confirming(patience)))
	}
}

// partition cuts links between nodes, and heals them.
func partition(links ...[2]int) func(*clusterRun) {
	return func(r *clusterRun) {
		c := r.suite.cluster
		heal := sync.OnceFunc(func() {
			for _, l := range links {
				if err := c.Heal(l[0], l[1]); err != nil {
					r.t.Error(err)
				}
			}
		})
		r.t.Cleanup(heal)
		for _, l := range links {
			if err := c.Cut(l[0], l[1]); err != nil {
				r.t.Fatal(err)
			}
		}
		wait(lasting(partitionFor))
		heal()
		r.whole(links[0][0])
	}
}

// restartAll restarts one node after the other.
func (r *clusterRun) restartAll() {
	for _, n := range r.suite.cluster.Nodes {
		if out, err := n.Ctl("shutdown"); err != nil {
			r.t.Errorf("rabbitmqctl shutdown: %v\n%s", err, out)
		}
		if err := n.Start(); err != nil {
			r.t.Error(err)
		}
		r.whole()
	}
}
