package link

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"
)

// A node that has hung takes no turn while another may be had.
func TestHungNodeWaits(t *testing.T) {
	hung := fmt.Errorf("read: %w", os.ErrDeadlineExceeded)
	for _, tt := range []struct {
		name  string
		other error
		want  int // whose turn is next, after the other's
	}{
		{"another that is lost", errors.New("lost"), 1},
		{"another that refuses", &Error{Problem: "login refused", Fatal: true}, 0},
		{"another that has hung later", hung, 0},
	} {
		targets := []*target{{}, {}}
		targets[0].failed(true, true, hung)
		targets[1].failed(true, true, tt.other)
		if got := nextTarget(targets, 1); got != tt.want {
			t.Errorf("%s: got %d", tt.name, got)
		}
	}
	alone := &target{}
	if alone.failed(true, false, hung); time.Until(alone.due) > longestWait {
		t.Errorf("waits %v with no other", time.Until(alone.due))
	}
}
