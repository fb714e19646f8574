package web

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/chromedp/chromedp"
)

// A browser that is stopped costs the others nothing, and goes on without a hole.
func TestStoppedPage(t *testing.T) {
	s := newSite(t, 64<<20)
	stopped, other := openTab(t, newBrowser(t), s, "/"), openTab(t, newBrowser(t), s, "/")
	s.fill(100)
	stopped.shows("n100")
	processes := family(chromedp.FromContext(stopped.ctx).Browser.Process().Pid)
	signal(t, processes, syscall.SIGSTOP)
	defer signal(t, processes, syscall.SIGCONT)
	s.fill(50_000)
	other.last(s.ring.Stats().Next - 1)
	signal(t, processes, syscall.SIGCONT)
	stopped.last(s.ring.Stats().Next - 1)
	first, rows := value[int](stopped, `Number(document.querySelector("#rows").dataset.first)`), stopped.count()
	if next := int(s.ring.Stats().Next); first+rows != next {
		t.Errorf("%d rows from %d to %d: there is a hole", rows, first, next)
	}
}

// family returns a process and all below it.
func family(pid int) []int {
	all := []int{pid}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for i := 0; i < len(all); i++ {
		for _, name := range stats {
			b, _ := os.ReadFile(name) // it may have ended
			_, after, _ := strings.Cut(string(b), ") ")
			fields := strings.Fields(after)
			if len(fields) > 1 && fields[1] == strconv.Itoa(all[i]) {
				child, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
				all = append(all, child)
			}
		}
	}
	return all
}

func signal(t *testing.T, processes []int, s syscall.Signal) {
	t.Helper()
	for _, pid := range processes {
		if err := syscall.Kill(pid, s); err != nil && err != syscall.ESRCH {
			t.Error(err)
		}
	}
}
