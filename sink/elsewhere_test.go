package sink

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slogcast/slogcast/internal/broker"
	"github.com/slogcast/slogcast/internal/brokertest"
	"github.com/slogcast/slogcast/internal/link"
)

// watchFrom runs a tail of urls that checks every millisecond, and returns what it
// tells: when it connects, and why a connection was lost.
func watchFrom(t *testing.T, urls, exchange string) (connected chan string, lost chan error) {
	endpoints, err := link.Parse(urls)
	if err != nil {
		t.Fatal(err)
	}
	connected, lost = make(chan string, 100), make(chan error, 100)
	cfg, err := Config{Exchange: exchange, Notify: func(n Notice) {
		if n.Connected != "" {
			connected <- n.Connected
		}
		if n.Lost != nil {
			lost <- n.Lost
		}
	}}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	tl := &tail{pipe: newPipe(cfg, make(written, 100)), checkEvery: time.Millisecond}
	ctx, stop := context.WithCancel(t.Context())
	var working sync.WaitGroup
	working.Go(func() {
		if err := tl.run(ctx, endpoints); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		stop()
		working.Wait()
	})
	return connected, lost
}

// Embedded brokers call their cluster the same, and do not know each other's queues:
// to a tail that is a cluster of which one node was struck out. It connects to another.
func TestTailWhoseQueueNobodyElseKnowsConnectsAgain(t *testing.T) {
	var urls []string
	for range 2 {
		s, err := broker.Listen(&broker.Config{Addr: "127.0.0.1:0"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		urls = append(urls, s.DialURL())
	}
	connected, lost := watchFrom(t, strings.Join(urls, ","), "logs")
	first := <-connected
	if err := <-lost; !strings.Contains(err.Error(), "other nodes of its cluster do not know this tail's queue") {
		t.Errorf("lost: %v", err)
	}
	if second := <-connected; second == first {
		t.Errorf("connected to %s again", second)
	}
}

func TestWhoAreNoClusterAreNotAskedAgain(t *testing.T) {
	s := &subscription{tail: new(tail), conn: new(link.Conn)}
	asked := func() *asking { return &asking{end: func() {}} }
	if err := asked().heed(s, true); err != nil {
		t.Error(err)
	}
	if err := asked().heed(s, false); err == nil || s.elsewhere.never {
		t.Errorf("got %v", err)
	}
	// The queue of the next connection is unknown as well, and nothing came from it.
	if err := asked().heed(s, false); err != nil || !s.elsewhere.never {
		t.Errorf("got %v", err)
	}
}

// Nodes that know the queue are asked, and nothing is lost by that.
func TestTailWhoseQueueIsKnownStays(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		nodes := []*brokertest.Proxy{b.Proxy(t), b.Proxy(t)}
		connected, lost := watchFrom(t, nodes[0].URL+","+nodes[1].URL, b.Exchange(t))
		<-connected
		for nodes[0].Dials()+nodes[1].Dials() < 4 {
			select {
			case err := <-lost:
				t.Fatal(err)
			case <-time.After(time.Millisecond):
			}
		}
	})
}
