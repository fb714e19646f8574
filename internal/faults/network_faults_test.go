package faults

import (
	"context"
	"sync"
	"time"

	"github.com/slogcast/slogcast/handler"
	"github.com/slogcast/slogcast/internal/brokertest"
)

// blackHole lets bytes vanish until the Handler notices.
func blackHole(r *run, holes map[brokertest.Direction]brokertest.Fault) {
	proxy := r.proxy()
	a, stop := r.loaded(proxy.URL, 1000)
	defer stop()
	for d, f := range holes {
		proxy.Fault(d, f)
	}
	took := a.lost(2 * time.Minute)
	r.within("found", took, holeGoal)
	for d := range holes {
		proxy.Fault(d, brokertest.Fault{})
	}
	proxy.Cut()
	r.measure("confirming again after %s", short(a.confirming(soon)))
	stop()
}

// heldUp puts a peer in the way that takes what its socket buffers hold.
func heldUp(r *run) {
	proxy := r.proxy()
	a, stop := r.loaded(proxy.URL, 1000)
	defer stop()
	proxy.Fault(brokertest.ToBroker, brokertest.Fault{Hold: true})
	r.within("found", a.lost(2*time.Minute), holeGoal)
	proxy.Fault(brokertest.ToBroker, brokertest.Fault{})
	proxy.Cut()
	a.confirming(soon)
	stop()
}

// manyResets resets connections of ten producers at a time.
func manyResets(r *run) {
	const parallel = 10
	var resetting sync.WaitGroup
	for range parallel {
		proxy := r.proxy()
		a := r.produce(proxy.URL, handler.Options{Buffer: 64 << 20}, 0)
		a.log()
		a.confirmed(1)
		resetting.Go(func() {
			stop := a.load(100)
			defer stop()
			for range times(resets) / parallel {
				proxy.Cut()
				a.confirming(soon)
			}
		})
	}
	resetting.Wait()
	r.measure("%d resets", times(resets))
}

func flapping(r *run) {
	proxy := r.proxy()
	a, stop := r.loaded(proxy.URL, 1000)
	defer stop()
	before := proxy.Dials()
	flap(proxy, lasting(flapFor))
	r.measure("%d dials in %v", proxy.Dials()-before, lasting(flapFor))
	r.measure("confirming after %s", short(a.confirming(soon)))
	stop()
}

// latency shows that the window keeps records on their way.
func latency(r *run) {
	proxy := r.proxy()
	late := brokertest.Fault{Delay: 500 * time.Millisecond, Jitter: 200 * time.Millisecond}
	proxy.Fault(brokertest.ToBroker, late)
	proxy.Fault(brokertest.ToClient, late)
	a := r.produce(proxy.URL, handler.Options{}, 0)
	a.log()
	a.confirmed(1)
	const n = 10_000
	for range n {
		a.log()
	}
	start := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := a.h.Flush(ctx); err != nil {
		r.t.Error(err)
	}
	got := n / time.Since(start).Seconds()
	// 1024 records in the window. Pieces stay in order, so that the late ones
	// hold up those behind them: the way and back is up to 1.4 s.
	if want := 0.8 * 1024 / 1.4; got < want {
		r.t.Errorf("got %.0f records/s, want at least %.0f", got, want)
	}
	r.measure("%.0f records/s", got)
}

// everyOffset cuts the connection at every byte of a publish.
func everyOffset(r *run) {
	offsets := make(chan int)
	var cutting sync.WaitGroup
	for range 4 {
		cutting.Go(func() {
			for offset := range offsets {
				r.cutAt(offset)
			}
		})
	}
	for offset := range publishLength {
		offsets <- offset
	}
	close(offsets)
	cutting.Wait()
	r.measure("%d offsets", publishLength)
	longest := r.producers[len(r.producers)-1].h.Stats()
	if longest.Reconnects != 0 {
		r.t.Errorf("a publish is longer than the %d bytes that were tried", publishLength)
	}
}
