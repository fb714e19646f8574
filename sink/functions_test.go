package sink

import (
	"context"
	"math"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/slogcast/slogcast/internal/brokertest"
)

// writing is a Writer of one function.
type writing func(records []Record)

func (w writing) Write(_ context.Context, records []Record) error {
	w(records)
	return nil
}

// sendTexts publishes n messages of other programs.
func sendTexts(t *testing.T, b *brokertest.Broker, exchange string, n int) {
	t.Helper()
	b.Use(t, func(ch *amqp.Channel) {
		if err := ch.Confirm(false); err != nil {
			t.Error(err)
		}
		var last *amqp.DeferredConfirmation
		for range n {
			var err error
			if last, err = ch.PublishWithDeferredConfirmWithContext(t.Context(), exchange, "", false, false, amqp.Publishing{Body: []byte("text")}); err != nil {
				t.Error(err)
			}
		}
		last.Wait()
	})
}

// A program's functions may panic: nothing is hidden, and nothing ends.
func TestFunctionsThatPanic(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		ctx, cancel := context.WithCancel(t.Context())
		exchange, n := b.Exchange(t), 0
		var told []string
		err := Tail(ctx, Config{
			URL: b.URL, Exchange: exchange,
			Filter: func(*Record) bool { panic("judged") },
			Notify: func(notice Notice) {
				if told = append(told, notice.String()); notice.Connected != "" {
					sendTexts(t, b, exchange, 3)
				}
				panic("told")
			},
		}, writing(func(records []Record) {
			if n += len(records); n == 3 {
				cancel()
			}
		}))
		if err != nil || n != 3 {
			t.Errorf("got %v, %d records", err, n)
		}
		if all := strings.Join(told, "\n"); !strings.Contains(all, "filter has panicked at: judged") {
			t.Errorf("told %s", all)
		}
	})
}

// A Notify that does not return holds up nothing once ctx has ended.
func TestNotifyThatDoesNotReturn(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		ctx, cancel := context.WithCancel(t.Context())
		release := make(chan struct{})
		defer close(release)
		err := Tail(ctx, Config{URL: b.URL, Exchange: b.Exchange(t), Notify: func(Notice) {
			cancel()
			<-release
		}}, writing(func([]Record) {}))
		if err != nil {
			t.Error(err)
		}
	})
}

// While Notify takes its time the broker is stopped from sending more, as while a Writer
// does; what that has to tell comes behind.
func TestNotifyThatWaitsIsWorkedBeside(t *testing.T) {
	worked := make(chan struct{})
	var told []string
	p := newPipe(Config{Notify: func(n Notice) {
		if told = append(told, n.Remark); len(told) == 1 {
			<-worked
		}
	}}, nil)
	busy := make(chan struct{}, 1)
	busy <- struct{}{}
	p.busy, p.work = busy, func(crowded bool) {
		if crowded {
			p.Notify(Notice{Remark: "second"})
			close(worked)
		}
	}
	p.Notify(Notice{Remark: "first"})
	if got := strings.Join(told, " "); got != "first second" {
		t.Errorf("told %q", got)
	}
}

// Who waits for as long as there is any time gets all there is.
func TestDrainWithoutAnEnd(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		const all = 2000
		ctx, cancel := context.WithCancel(t.Context())
		exchange, n := b.Exchange(t), 0
		err := Tail(ctx, Config{
			URL: b.URL, Exchange: exchange, Drain: math.MaxInt64, Linger: 0,
			Notify: func(notice Notice) {
				if notice.Connected != "" {
					sendTexts(t, b, exchange, all)
				}
			},
		}, writing(func(records []Record) {
			n += len(records)
			cancel()
		}))
		if err != nil || n != all {
			t.Errorf("got %v, %d records", err, n)
		}
	})
}
