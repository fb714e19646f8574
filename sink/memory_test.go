package sink_test

import (
	"bytes"
	"runtime"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/slogcast/slogcast/internal/brokertest"
	"github.com/slogcast/slogcast/sink"
)

// heap returns the bytes of the heap that are in use.
func heap() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// TestAStoppedOutputCostsAFixedNumberOfBytes stops a Writer while many more bytes
// pass than a tail may hold, in messages of any size. What it holds is then seen in
// its heap, as the embedded broker's is.
func TestAStoppedOutputCostsAFixedNumberOfBytes(t *testing.T) {
	brokertest.EachReal(t, func(t *testing.T, b *brokertest.Broker) {
		for name, tt := range map[string]struct{ before, messages, size, most int }{
			"300 of 4 MB":  {0, 300, 4_000_000, 64 << 20},
			"200 of 1 MiB": {0, 200, 1 << 20, 64 << 20},
			// 256 are under way before anything tells that they are large, less
			// what the broker can be kept from, which is less of them while the
			// machine is busy: 116 MiB were seen at a load of 28.
			"4 MB behind 3000 of 1 KiB": {3000, 100, 4_000_000, 240 << 20},
		} {
			t.Run(name, func(t *testing.T) {
				exchange := b.Exchange(t)
				// Drain gives the end time, too, to take what is large.
				tl := startTail(t, sink.Config{URL: b.URL, Exchange: exchange, Drain: soon})
				p := newProducer(t, b, exchange)
				for seq := range tt.before {
					p.publish(amqp.Publishing{Body: bytes.Repeat([]byte{'x'}, 1024), AppId: string(rune('a' + seq%26))})
					tl.record()
				}
				release := tl.hold()
				before := heap()
				body := bytes.Repeat([]byte{'x'}, tt.size)
				most := 0
				for i := range tt.messages {
					p.publish(amqp.Publishing{Body: body}) // confirmed: nothing is dropped
					if i%20 == 0 {
						most = max(most, heap()-before)
					}
				}
				most = max(most, heap()-before)
				memory, err := b.Ctl("eval", "erlang:memory(total) div 1048576.")
				t.Logf("the tail holds up to %d MiB, the broker takes %s MiB in all (%v)", most>>20, strings.TrimSpace(memory), err)
				if most > tt.most {
					t.Errorf("the tail holds %d MiB", most>>20)
				}
				release()
				end := time.After(soon)
				for n := 0; ; n++ {
					select {
					case <-tl.records:
						if n*tt.size < 64<<20 {
							continue
						}
					case <-end:
						t.Errorf("got %d records after the stop", n)
					}
					break
				}
				if err := tl.end(); err != nil {
					t.Error(err)
				}
			})
		}
	})
}
