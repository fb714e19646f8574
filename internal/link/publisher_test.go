package link

import (
	"net"
	"slices"
	"testing"
)

func TestAnswersAreJoined(t *testing.T) {
	p, _ := newTestPublisher(nil)
	for _, a := range []Answer{
		{1, 1, false}, {2, 2, false}, {3, 3, false}, // one behind the other
		{5, 5, false}, // 4 is left out
		{6, 6, true}, {7, 7, true},
		{0, 9, true}, {0, 8, true}, // all up to 9
		{0, 12, false}, {13, 13, false}, {0, 0, false}, {14, 14, false},
	} {
		if err := p.answer(a); err != nil {
			t.Fatal(err)
		}
	}
	want := []Answer{{1, 3, false}, {5, 5, false}, {6, 7, true}, {0, 9, true}, {0, 13, false}, {0, 0, false}, {14, 14, false}}
	if got := p.Answers(nil); !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// A broker that answers for ever what nobody asked must not fill the memory.
func TestAnswersAreBounded(t *testing.T) {
	p, _ := newTestPublisher(nil)
	for i := range mostAnswers {
		if err := p.answer(Answer{uint64(2*i + 1), uint64(2*i + 1), false}); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.answer(Answer{1, 1, false}); err == nil {
		t.Error("no error")
	}
}

// TestPublishingAllocatesNothing holds what a message costs in memory, once the
// buffers are there.
func TestPublishingAllocatesNothing(t *testing.T) {
	p, _ := newTestPublisher(nil)
	p.frames.Conn = nowhere{}
	properties, body := make([]byte, 100), make([]byte, 250)
	parts := make([][]byte, 1)
	var answers []Answer
	tag := uint64(0)
	do := func() {
		tag++
		parts[0] = body
		p.Publish("shop.info", properties, parts)
		if done, err := p.Flush(); !done || err != nil {
			t.Fatal(done, err)
		}
		_ = p.answer(Answer{tag, tag, false})
		p.tell()
		<-p.Answered()
		if answers = p.Answers(answers[:0]); len(answers) != 1 {
			t.Fatal("no answer")
		}
	}
	do()
	if n := testing.AllocsPerRun(1000, do); n > 0 {
		t.Errorf("got %v allocations, want none", n)
	}
}

// nowhere takes all that is written.
type nowhere struct{ net.Conn }

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }
