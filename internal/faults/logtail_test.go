package faults

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/slogcast/slogcast/handler"
	"github.com/slogcast/slogcast/internal/brokertest"
)

// logtail is a real logtail process.
type logtail struct {
	t       *testing.T
	cmd     *exec.Cmd
	working sync.WaitGroup

	mu        sync.Mutex   // guards what follows
	shown     map[int]int  // by the number in the record
	told      map[int]bool // by the sequence number, which is the same
	last      int
	notices   []string
	connected chan struct{} // closed when it says so
}

var gapNotice = regexp.MustCompile(`#(\d+)(?:-#?(\d+))?`)

func startLogtail(r *run, url string) *logtail {
	r.t.Helper()
	binary := buildLogtail(r.t)
	l := &logtail{t: r.t, shown: map[int]int{}, told: map[int]bool{}, connected: make(chan struct{})}
	l.cmd = exec.Command(binary, "--output", "json", "--exchange", r.exchange)
	l.cmd.Env = append(l.cmd.Environ(), "LOGTAIL_URL="+url)
	stdout, err := l.cmd.StdoutPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	stderr, err := l.cmd.StderrPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	if err := l.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	l.working.Go(func() { l.read(stdout) })
	l.working.Go(func() { l.hear(stderr) })
	select {
	case <-l.connected:
	case <-time.After(soon):
		r.t.Fatal("logtail does not connect")
	}
	return l
}

// read reads what logtail shows.
func (l *logtail) read(stdout io.Reader) {
	for decode := json.NewDecoder(stdout); ; {
		var one record
		if decode.Decode(&one) != nil {
			return
		}
		l.mu.Lock()
		l.shown[one.N]++
		l.last = max(l.last, one.N)
		l.mu.Unlock()
	}
}

// hear reads what logtail tells.
func (l *logtail) hear(stderr io.Reader) {
	connected := sync.OnceFunc(func() { close(l.connected) })
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		if strings.Contains(lines.Text(), "connected to") {
			connected()
		}
		if !strings.Contains(lines.Text(), "missing") {
			continue
		}
		l.mu.Lock()
		l.notices = append(l.notices, lines.Text())
		if m := gapNotice.FindStringSubmatch(lines.Text()); m != nil {
			first, _ := strconv.Atoi(m[1])
			last, err := strconv.Atoi(m[2])
			if err != nil {
				last = first
			}
			for n := first; n <= last; n++ {
				l.told[n] = true
			}
		}
		l.mu.Unlock()
	}
}

// logtailStopped stops a logtail process, and lets it go on.
func (s *suite) logtailStopped(r *run) {
	l := startLogtail(r, s.node.URL)
	defer func() { _ = l.cmd.Process.Kill() }()
	a := r.produce(s.node.URL, handler.Options{}, 0)
	stop := a.load(rate)
	defer stop()
	a.confirming(soon)
	r.unaffected(a, func() (release func()) {
		pause(l.cmd.Process)
		return func() { resume(l.cmd.Process) }
	})
	stop()
	l.finish(r, a)
}

// logtailRestart kills the broker under a logtail.
func (s *suite) logtailRestart(r *run) {
	l := startLogtail(r, s.node.URL)
	defer func() { _ = l.cmd.Process.Kill() }()
	a, stop := r.loaded(s.node.URL, rate/5)
	defer stop()
	s.node.Kill()
	s.again(r.t)
	a.confirming(soon)
	stop()
	l.finish(r, a)
}

// logtailUnread interrupts a logtail whose output nobody reads.
func (s *suite) logtailUnread(r *run) {
	l := startLogtail(r, s.node.URL)
	defer func() { _ = l.cmd.Process.Kill() }()
	l.mu.Lock() // and so read waits
	a, stop := r.loaded(s.node.URL, rate)
	defer stop()
	a.confirmed(3 * rate) // more than pipe and buffers hold
	interrupted := time.Now()
	interrupt(l.cmd.Process)
	state, err := l.cmd.Process.Wait()
	if err != nil {
		r.t.Error(err)
	}
	r.within("logtail ended after SIGINT", time.Since(interrupted), time.Second)
	l.mu.Unlock()
	l.working.Wait()
	_ = l.cmd.Wait() // closes the pipes; Process.Wait has its state
	r.measure("%v", state)
	stop()
}

// logtailKilled kills a logtail, and freezes another behind a network that has
// forgotten it. Both leave an exclusive queue behind, which must not fill.
func (s *suite) logtailKilled(r *run) {
	_, stop := r.loaded(s.node.URL, rate/5)
	defer stop()
	l := startLogtail(r, s.node.URL)
	queue := r.tailQueue()
	killed := time.Now()
	l.kill()
	r.gone(queue)
	r.within("queue gone after kill -9", time.Since(killed), finGoal)

	proxy := r.proxy()
	l = startLogtail(r, proxy.URL)
	defer l.kill()
	queue = r.tailQueue()
	pause(l.cmd.Process)
	proxy.Fault(brokertest.ToBroker, brokertest.Fault{Hole: true})
	proxy.Fault(brokertest.ToClient, brokertest.Fault{Hole: true})
	frozen := time.Now()
	r.gone(queue)
	r.within("after SIGSTOP behind a black hole", time.Since(frozen), heartbeatsGoal)
	stop()
}

// kill ends logtail as kill -9 does.
func (l *logtail) kill() {
	_ = l.cmd.Process.Kill()
	l.working.Wait()
	_ = l.cmd.Wait()
}

// tailQueue returns the name of the queue of the run's only tail.
func (r *run) tailQueue() string {
	r.t.Helper()
	out, err := r.broker.Ctl("--silent", "list_queues", "--no-table-headers", "name")
	if err != nil {
		r.t.Fatalf("rabbitmqctl list_queues: %v\n%s", err, out)
	}
	names := slices.DeleteFunc(strings.Fields(out), func(name string) bool { return name == r.queue })
	if len(names) != 1 {
		r.t.Fatalf("got queues %q, want one beside %s", names, r.queue)
	}
	return names[0]
}

// gone waits until there is no queue of this name.
func (r *run) gone(queue string) {
	r.t.Helper()
	conn, err := amqp.Dial(r.broker.URL)
	if err != nil {
		r.t.Fatal(err)
	}
	defer conn.Close()
	late := time.After(patience)
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		ch, err := conn.Channel()
		if err != nil {
			r.t.Fatal(err)
		}
		// It is locked while its owner is there.
		_, err = ch.QueueDeclarePassive(queue, false, false, false, false, nil)
		ch.Close()
		if refusal, ok := errors.AsType[*amqp.Error](err); ok && refusal.Code == amqp.NotFound {
			return
		}
		select {
		case <-again.C:
		case <-late:
			r.t.Fatalf("the tail's queue is still there: %v", err)
		}
	}
}

// finish ends logtail and checks what it has shown of a producer.
func (l *logtail) finish(r *run, a *producer) {
	r.t.Helper()
	last := l.mark(a)
	a.closeClean()
	interrupted := time.Now()
	interrupt(l.cmd.Process)
	l.working.Wait()
	if err := l.cmd.Wait(); err != nil {
		r.t.Errorf("logtail: %v", err)
	}
	r.within("logtail ended after SIGINT", time.Since(interrupted), time.Second)
	missing, told, wrong, twice := 0, len(l.told), 0, 0
	for n := 1; n <= last; n++ {
		times := l.shown[n]
		twice += max(0, times-1)
		switch {
		case times == 0 && !l.told[n]:
			r.row.silent++
			missing++
		case times == 0:
			missing++
		case l.told[n]:
			wrong++
		}
	}
	r.row.told, r.row.twice = told, twice
	if missing != told || wrong > 0 || twice > 0 {
		r.t.Errorf("%d records are missing, logtail told of %d, showed %d of those, and %d twice", missing, told, wrong, twice)
	}
	r.measure("%s", noticed(len(l.notices)))
}

// noticed says how many notices told of gaps.
func noticed(n int) string {
	if n == 1 {
		return "1 gap notice"
	}
	return fmt.Sprintf("%d gap notices", n)
}

// mark logs records until logtail shows one, and returns its number.
func (l *logtail) mark(a *producer) int {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	for first := 0; ; {
		a.log()
		if first == 0 {
			first = int(a.attempted.Load())
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			l.t.Error("logtail shows nothing any more")
			return 0
		}
		l.mu.Lock()
		last := l.last
		l.mu.Unlock()
		if last >= first {
			return last
		}
	}
}
