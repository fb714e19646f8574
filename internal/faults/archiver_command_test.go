package faults

import (
	"bufio"
	"bytes"
	"context"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/slogcast/slogcast/handler"
	"github.com/slogcast/slogcast/internal/brokertest"
	"github.com/slogcast/slogcast/sink/archive"
)

// buildLogtail builds the command.
func buildLogtail(t *testing.T) (binary string) {
	t.Helper()
	binary = filepath.Join(t.TempDir(), "logtail")
	if out, err := exec.Command("go", "build", "-o", binary, "../../cmd/logtail").CombinedOutput(); err != nil {
		t.Fatalf("build logtail: %v\n%s", err, out)
	}
	return binary
}

// archiving is logtail --file, as a process.
type archiving struct {
	t         *testing.T
	cmd       *exec.Cmd
	connected chan struct{} // closed when it says so, or has ended
	heard     chan struct{} // closed when standard error ends

	mu     sync.Mutex
	errors bytes.Buffer // standard error
}

func startArchiver(t *testing.T, binary, url string, args ...string) *archiving {
	t.Helper()
	c := &archiving{t: t, cmd: exec.Command(binary, args...), connected: make(chan struct{}), heard: make(chan struct{})}
	c.cmd.Env = append(c.cmd.Environ(), "LOGTAIL_URL="+url)
	stderr, err := c.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.cmd.Process.Kill() }) // if the test has failed
	go func() {
		defer close(c.heard)
		connected := sync.OnceFunc(func() { close(c.connected) })
		defer connected()
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			c.mu.Lock()
			c.errors.WriteString(lines.Text() + "\n")
			c.mu.Unlock()
			if strings.Contains(lines.Text(), "connected to") {
				connected()
			}
		}
	}()
	return c
}

// said returns what it has written to standard error.
func (c *archiving) said() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.errors.String()
}

func (c *archiving) kill() {
	_ = c.cmd.Process.Kill()
	<-c.heard
	_ = c.cmd.Wait()
}

// end ends it with SIGTERM, and returns what it has said.
func (c *archiving) end(code int) string {
	c.t.Helper()
	<-c.connected
	terminate(c.cmd.Process)
	<-c.heard
	_ = c.cmd.Wait() // the code says it
	if got := c.cmd.ProcessState.ExitCode(); got != code {
		c.t.Errorf("logtail ended with %d, want %d:\n%s", got, code, c.said())
	}
	return c.said()
}

// changed waits until there is another file in the folder, a segment or what
// becomes one, for a while.
func changed(dir string, within time.Duration) {
	names := func() (n int) {
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), ".log") || strings.HasSuffix(e.Name(), ".tmp") {
				n++
			}
		}
		return n
	}
	again := time.NewTicker(200 * time.Microsecond)
	defer again.Stop()
	for before, late := names(), time.After(within); names() == before; {
		select {
		case <-again.C:
		case <-late:
			return
		}
	}
}

// killCommand kills logtail again and again while records pass: while it begins,
// while it receives, and in the moment when a segment is made or compressed.
func killCommand(t *testing.T, b *brokertest.Broker, binary string, records, kills int, size string) {
	queue := filled(t, b, records)
	dir := t.TempDir()
	path := filepath.Join(dir, "app.log")
	archiver := func() *archiving {
		return startArchiver(t, binary, b.URL, "--file", path, "--queue", queue, "--exchange", strings.TrimSuffix(queue, ".archive"),
			"--rotate-size", size, "--compress", "zstd", "--fsync", "50ms")
	}
	began, left, life := time.Now(), records, 50*time.Millisecond
	for killed := range kills {
		c := archiver()
		switch before := left; {
		case killed%10 == 9: // while it begins
			wait(rand.N(50 * time.Millisecond))
			c.kill()
		case killed%2 == 0:
			<-c.connected
			changed(dir, life)
			wait(rand.N(2 * time.Millisecond))
			c.kill()
		default:
			<-c.connected
			wait(rand.N(2 * life))
			c.kill()
			left = waiting(t, b, queue)
			// A life takes its part of what is left.
			switch part := left / max(1, kills-killed); {
			case before-left < part/2:
				life = min(2*life, time.Second)
			case before-left > part:
				life /= 2
			}
		}
	}
	if left = waiting(t, b, queue); left == 0 {
		t.Log("there was nothing left for the last kills")
	}
	c := archiver()
	<-c.connected
	b.Use(t, func(ch *amqp.Channel) {
		again := time.NewTicker(20 * time.Millisecond)
		defer again.Stop()
		for late := time.After(patience); ; {
			q, err := ch.QueueDeclarePassive(queue, true, false, false, false, nil)
			if err != nil {
				t.Fatal(err)
			}
			if q.Messages == 0 {
				return
			}
			select {
			case <-again.C:
			case <-late:
				t.Fatalf("%d messages are not taken", q.Messages)
			}
		}
	})
	said := c.end(0)
	if strings.Contains(said, "missing") {
		t.Errorf("it said %s", said)
	}
	report := verified(t, dir)
	t.Logf("%d records, %d kills with %d records left after them, %d files in %v: %d found, %d missing, %d duplicates, %d torn lines",
		records, kills, left, len(report.Files), time.Since(began).Round(time.Millisecond), report.Total.Records, report.Missing, report.Duplicates, report.Total.Torn)
	if still := waiting(t, b, queue); still > 0 || !report.Whole() || report.Duplicates > 0 || report.Total.Records != int64(records) || len(report.Producers) != 3 {
		t.Errorf("%d left in the queue; got %+v", still, report.Total)
	}
}

func verified(t *testing.T, path string) *archive.Report {
	t.Helper()
	sources, err := archive.Find(path)
	if err != nil {
		t.Fatal(err)
	}
	report, err := archive.Verify(t.Context(), sources, archive.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestArchiveCommandKilled(t *testing.T) { // F46
	binary := buildLogtail(t)
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		records, kills, size := 10_000, 8, "100kB"
		if *full {
			records, kills, size = 200_000, 100, "2MB"
		}
		killCommand(t, b, binary, records, kills, size)
	})
}

// What passes while no archiver runs is told by the next one.
func TestArchiveCommandTellsItsAbsence(t *testing.T) {
	binary := buildLogtail(t)
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		path := filepath.Join(t.TempDir(), "app.log")
		h, err := handler.New(b.URL, &handler.Options{Exchange: exchange, App: "shop"})
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close(context.Background())
		log := func(n int) {
			for range n {
				slog.New(h).Info("numbered")
			}
			if err := h.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		during := func(n int, more ...string) (said string) {
			c := startArchiver(t, binary, b.URL, append([]string{"--file", path, "--exchange", exchange}, more...)...)
			<-c.connected
			log(n)
			return c.end(0)
		}
		during(5)
		log(7)
		told := regexp.MustCompile(`gap: 7 records of shop@\S+ are missing \(#6-#12\)`)
		if said := during(5); !told.MatchString(said) || strings.Count(said, "gap") != 1 {
			t.Errorf("it said %s", said)
		}
		if said := during(5); strings.Contains(said, "gap") {
			t.Errorf("with nothing missing it said %s", said)
		}
		log(1)
		if said := during(5, "--level", "error"); strings.Contains(said, "gap") { // nor is what is not to be there
			t.Errorf("of a part it said %s", said)
		}
		if got, want := verified(t, path).Missing, uint64(7); got != want {
			t.Errorf("%d are missing, want %d", got, want)
		}
	})
}
