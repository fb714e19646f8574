package handler

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestErrorsAreReportedOnceInAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []string
		s := newStatus(func(err error) { got = append(got, err.Error()) })
		s.start()
		defer s.close(t.Context())
		fail := func(texts ...string) {
			for _, text := range texts {
				s.failed(errors.New(text))
				synctest.Wait()
			}
		}
		fail("a", "a", "b", "a", "b")
		s.connected("mq", 0)
		fail("a", "b") // flapping
		s.connected("mq", 3)
		synctest.Wait()
		<-time.After(quiet)
		fail("a", "a")
		if want := []string{"a", "b", "connected to mq; 3 records were dropped meanwhile, as the buffer was full", "a"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		got = nil
		for i := range 1000 {
			fail(fmt.Sprint(i))
		}
		if len(got) != maxTexts-1 {
			t.Errorf("told of %d different errors at once, want %d", len(got), maxTexts-1)
		}
		var stats Stats
		if s.fill(&stats); !stats.Connected || stats.Reconnects != 1 || stats.LastError != "999" {
			t.Errorf("got %+v", stats)
		}
	})
}

// Neither a function that does not return nor one that panics holds up who fails.
func TestHostileOnErrorHoldsUpNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		release := make(chan struct{})
		s := newStatus(func(error) {
			if calls++; calls == 1 {
				panic("on error")
			}
			<-release
		})
		s.start()
		for i := range 3 * maxTexts {
			s.failed(errors.New(fmt.Sprint(i)))
		}
		start := time.Now()
		s.close(t.Context())
		if waited := time.Since(start); waited > lastWords {
			t.Errorf("close has waited %v", waited)
		}
		close(release)
	})
}

// Close need not wait until the publisher has noticed.
func TestNothingIsConnectedAfterClose(t *testing.T) {
	s := newStatus(nil)
	s.start()
	s.close(t.Context())
	s.connected("mq", 0)
	var got Stats
	if s.fill(&got); got.Connected {
		t.Error("it is connected")
	}
}
