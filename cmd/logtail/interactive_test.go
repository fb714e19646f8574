package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/slogcast/slogcast/handler"
	"github.com/slogcast/slogcast/internal/broker"
	"github.com/slogcast/slogcast/sink/filter"
)

// desk is a terminal, of tmux, with who sits at it.
type desk struct {
	t      *testing.T
	socket string
}

// atDesk starts a command at a terminal. When the command has ended, the terminal
// shows its exit code, and whether it has an echo and lines as before.
func atDesk(t *testing.T, width, height int, env []string, command ...string) *desk {
	t.Helper()
	const script = `env "$@"; echo exit=$?; stty -a | grep -ow -e '-*icanon' -e '-*echo'; read line`
	return atDeskWith(t, script, width, height, env, command...)
}

// atDeskWith runs a script of the shell, whose arguments are the command.
func atDeskWith(t *testing.T, script string, width, height int, env []string, command ...string) *desk {
	t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		if os.Getenv("LOGTAIL_TEST_TMUX") != "" {
			t.Fatal("no tmux, and $LOGTAIL_TEST_TMUX demands it: ", err)
		}
		t.Skip("no tmux, which these tests drive: ", err)
	}
	d := &desk{t, filepath.Join(t.TempDir(), "tmux")}
	args := append([]string{"-f", "/dev/null", "new-session", "-d", "-x", fmt.Sprint(width), "-y", fmt.Sprint(height), "sh", "-c", script, "sh"}, env...)
	d.tmux(append(args, command...)...)
	d.tmux("set", "-g", "set-clipboard", "on")
	t.Cleanup(func() { _ = exec.Command("tmux", "-S", d.socket, "kill-server").Run() }) // it may have ended
	return d
}

func (d *desk) tmux(args ...string) string {
	d.t.Helper()
	cmd := exec.Command("tmux", append([]string{"-S", d.socket}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		d.t.Fatalf("tmux %q: %v\n%s", args, err, out)
	}
	return string(out)
}

func (d *desk) screen() string { return d.tmux("capture-pane", "-p") }

// sees waits until the screen has all the texts.
func (d *desk) sees(texts ...string) {
	d.t.Helper()
	d.until(texts, func(screen string) bool {
		for _, text := range texts {
			if !strings.Contains(screen, text) {
				return false
			}
		}
		return true
	})
}

// seesNo waits until the screen has not the text.
func (d *desk) seesNo(text string) {
	d.t.Helper()
	d.until("nothing of "+text, func(screen string) bool { return !strings.Contains(screen, text) })
}

func (d *desk) until(want any, is func(screen string) bool) {
	d.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for poll := time.Tick(20 * time.Millisecond); ; <-poll {
		screen := d.screen()
		if is(screen) {
			return
		}
		if time.Now().After(deadline) {
			d.t.Fatalf("wanted %q on the screen:\n%s", want, screen)
		}
	}
}

// press presses keys as tmux names them; a text begins with a quote.
func (d *desk) press(keys ...string) {
	d.t.Helper()
	for _, key := range keys {
		if text, ok := strings.CutPrefix(key, "'"); ok {
			d.tmux("send-keys", "-l", "--", text)
		} else {
			d.tmux("send-keys", key)
		}
	}
}

// ended waits until the command has ended, and looks after the terminal.
func (d *desk) ended(code int) {
	d.t.Helper()
	d.sees(fmt.Sprintf("exit=%d\n", code), "\nicanon\n", "\necho\n")
	if got := strings.TrimSpace(d.tmux("display-message", "-p", "#{alternate_on} #{cursor_flag} #{mouse_any_flag}")); got != "0 1 0" {
		d.t.Errorf("alternate screen, cursor, mouse are %s, want 0 1 0", got)
	}
}

func (d *desk) pid(name string) string {
	pane := strings.TrimSpace(d.tmux("display-message", "-p", "#{pane_pid}"))
	out, err := exec.Command("pgrep", "-P", pane, name).Output()
	if err != nil {
		d.t.Fatalf("find %s: %v", name, err)
	}
	return strings.TrimSpace(string(out))
}

// logtailPath is the test's own logtail.
func logtailPath(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("logtail")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// stage is a broker with a logger.
type stage struct {
	*slog.Logger
	server   *broker.Server
	handler  *handler.Handler
	exchange string
}

func newStage(t *testing.T) *stage {
	t.Helper()
	server, err := broker.Listen(&broker.Config{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	s := &stage{server: server, exchange: "test." + uuid.NewString()}
	s.handler, err = handler.New(server.DialURL(), &handler.Options{App: "shop", Exchange: s.exchange, Level: slog.LevelDebug})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.handler.Close(context.Background()) }) // the broker may have ended
	s.Logger = slog.New(s.handler)
	return s
}

func (s *stage) env() []string {
	return []string{"LOGTAIL_URL=" + s.server.DialURL(), "LOGTAIL_EXCHANGE=" + s.exchange}
}

func (s *stage) watch(t *testing.T, width, height int, flags ...string) *desk {
	t.Helper()
	d := atDesk(t, width, height, s.env(), append([]string{logtailPath(t), "-i"}, flags...)...)
	d.sees("connected to")
	return d
}

func TestInteractive(t *testing.T) {
	s := newStage(t)
	d := s.watch(t, 80, 24)
	for i := range 100 {
		s.Info("order", "n", i)
	}
	s.Error("no stock", "n", 100)
	d.sees("no stock  n=100", "following", "4 error 1")
	d.press("k", "k")
	d.sees("paused") // before the next record comes
	s.Warn("later")
	d.sees("paused", "1 below")
	d.press("/", "'n=5", "C-u", "'order", "Enter", "Enter")
	d.sees(`"n": 99`)
	d.press("y")
	d.sees("copied")
	if got := d.tmux("show-buffer"); !strings.Contains(got, `"msg":"order","n":99`) {
		t.Errorf("the clipboard has %q", got)
	}
	d.press("Enter", "f", "'n >", "Enter")
	d.sees("filter: n >", "   ^ it ends too early")
	d.press("' 97", "Enter")
	d.sees("filter n > 97", "order  n=99", "no stock")
	d.seesNo("n=97")
	d.press("c")
	d.sees("n=97", "context")
	d.press("c", "m", "G")
	d.sees(" mark ──")
	path := filepath.Join(t.TempDir(), "saved")
	d.press("s", "C-u", "'"+path, "Enter")
	d.sees("saved 3 records")
	d.press("G")
	d.tmux("resize-window", "-x", "40", "-y", "12")
	d.sees("no stock", "following")
	d.press("?")
	d.sees("pause, or follow again")
	d.press("q", "q")
	d.ended(exitOK)
	if got, err := os.ReadFile(path); strings.Count(string(got), "\n") != 3 || err != nil {
		t.Errorf("saved %q, %v", got, err)
	}
}

func TestInteractiveLosesTheBroker(t *testing.T) {
	s := newStage(t)
	d := s.watch(t, 100, 24, "-l", "info")
	s.Info("before")
	d.sees("before", "filter -l info")
	s.server.Close()
	d.sees("waiting for the broker")
	d.press("k")
	d.sees("paused")
	d.press("C-c")
	d.ended(exitOK)
}

func TestInteractiveEnds(t *testing.T) {
	s := newStage(t)
	for _, signal := range []string{"TERM", "HUP", "INT"} {
		t.Run(signal, func(t *testing.T) {
			d := s.watch(t, 80, 24)
			if out, err := exec.Command("kill", "-s", signal, d.pid("logtail")).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			d.ended(exitOK)
		})
	}
	t.Run("refused", func(t *testing.T) {
		url := strings.Replace(s.server.DialURL(), "guest:guest", "guest:wrong", 1)
		d := atDesk(t, 120, 24, nil, logtailPath(t), "-i", "-u", url)
		d.ended(exitError)
		d.sees("logtail: error: ")
	})
}

func TestInteractiveStopsAndGoesOn(t *testing.T) {
	s := newStage(t)
	const script = `set -m; env "$@"; echo stopped; stty -a | grep -ow -e '-*icanon' -e '-*echo'; read line; fg; echo exit=$?; read line`
	d := atDeskWith(t, script, 80, 24, s.env(), logtailPath(t), "-i")
	d.sees("connected to")
	s.Info("first")
	d.sees("first")
	d.press("C-z")
	d.sees("stopped\n", "\nicanon\n", "\necho\n")
	s.Info("second")
	d.press("Enter")
	d.sees("first", "second", "following")
	d.press("q")
	d.sees("exit=0")
}

func TestInteractiveWithoutJobControl(t *testing.T) {
	s := newStage(t)
	d := s.watch(t, 80, 24)
	s.Info("first")
	d.sees("first")
	d.press("C-z") // nobody could have it go on again
	s.Info("second")
	d.sees("first", "second", "following")
	d.press("q")
	d.ended(exitOK)
}

func TestInteractiveReadsArchives(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	var lines strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&lines, `{"time":"2026-11-25T12:%02d:%02dZ","level":"INFO","msg":"line","n":%d,"@app":"web"}`+"\n", i/60, i%60, i)
	}
	if err := os.WriteFile(path, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	d := atDesk(t, 80, 24, []string{"NO_COLOR=1"}, logtailPath(t), "read", "-i", path)
	d.sees("n=999", "all is read", "2 info    1000")
	d.press("g", "f", "'n ~ 77$", "C-u", "'-f n~77$", "Enter")
	d.sees("n=77", "n=977")
	d.press("q")
	d.ended(exitOK)
}

// Keys come from the terminal where standard input is none.
func TestInteractiveReadsStandardInput(t *testing.T) {
	for _, command := range []string{`echo '{"msg":"piped"}' | "$2" read -i -`, `"$2" read -i "$3" <"$4"`} {
		path := filepath.Join(t.TempDir(), "app.log")
		if err := os.WriteFile(path, []byte(`{"msg":"piped"}`+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		script := command + `; echo exit=$?; stty -a | grep -ow -e '-*icanon' -e '-*echo'; read line`
		d := atDeskWith(t, script, 80, 24, []string{"-"}, logtailPath(t), path, os.DevNull)
		d.sees("piped", "all is read")
		d.press("/", "pip", "Enter", "q")
		d.ended(exitOK)
	}
}

func TestFilterLine(t *testing.T) {
	u := newUI(nil, nil, nil)
	if f, err := compileWords(u, []string{"-l", "warn", "--app", "web", "-g", "x"}); err != nil || f.All() {
		t.Errorf("got %v", err)
	}
	for _, test := range []struct {
		words  []string
		text   string
		offset int
	}{
		{[]string{"-l", "wran"}, "wran", 0},
		{[]string{"-w", "a =="}, "a ==", 4},
		{[]string{"-l", "warn", "x"}, "x", 0},
	} {
		_, err := compileWords(u, test.words)
		mistake, ok := errors.AsType[*filter.Error](err)
		if !ok || mistake.Text != test.text || mistake.Offset != test.offset {
			t.Errorf("%q: got %+v", test.words, err)
		}
	}
	for _, words := range [][]string{{"--nonsense"}, {"-n", "3"}, {"--since"}} {
		if _, err := compileWords(u, words); err == nil {
			t.Errorf("%q is no mistake", words)
		}
	}
}
