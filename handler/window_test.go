package handler

import (
	"testing"

	"github.com/slogcast/slogcast/internal/link"
)

// Of a message that has not been handed over whole no answer is true, and its bytes
// are still looked at.
func TestAnswerBeforeTheEndOfItsMessage(t *testing.T) {
	for _, a := range []link.Answer{{First: 2, Last: 2}, {First: 1, Last: 9}, {Last: 2}, {Last: 9}, {}} {
		w := newWindow(1000)
		w.add([]entry{{seq: 1}}, 1, 10)
		w.add([]entry{{seq: 2}}, 1, 20)
		w.note(a, false)
		want := 1
		if a.First == 2 {
			want = 0
		}
		if messages, _, _ := w.next(); messages != want {
			t.Errorf("%+v: %d messages have their answer, want %d", a, messages, want)
		}
		w.note(link.Answer{}, true)
		if messages, _, _ := w.next(); messages != 2-want {
			t.Errorf("%+v: %d more messages have their answer, want %d", a, messages, 2-want)
		}
	}
}
