package tui

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/slogcast/slogcast/cmd/logtail/internal/view"
	"github.com/slogcast/slogcast/sink"
)

func TestFollowPauseAndScroll(t *testing.T) {
	p := sit(t, 80, 24, nil)
	p.sees("waiting for records")
	p.writeMany(100)
	p.sees("record 99", "following", "1 debug     20", "4 error     20")
	p.press("space")
	before := p.screen()
	p.writeMany(50)
	p.sees("paused, 50 below", "record 99")
	if head, _, _ := strings.Cut(before, "record 90"); !strings.Contains(head, "record 85") {
		t.Fatalf("no rows above:\n%s", before)
	}
	p.seesNo("record 100")
	p.press("k", "k")
	p.chose("record 97")
	p.press("pgup")
	p.seesNo("record 99")
	p.press("home")
	p.chose("record 0")
	p.press("up", "pgup")
	p.chose("record 0")
	p.press("pgdown", "j")
	p.press("G")
	p.chose("record 149")
	p.press("pgdown", "j")
	p.chose("record 149")
	p.sees("paused at the end")
}

func TestRowsStayWhileOldOnesGo(t *testing.T) {
	p := sit(t, 80, 24, func(c *Config) { c.Ring = view.New(64 << 10) })
	p.writeMany(200)
	p.press("space")
	kept := p.chosen()
	p.writeMany(100)
	p.chose(kept)
	p.writeMany(10_000)
	if p.chosen() == kept || p.chosen() == "" {
		t.Errorf("%q is selected, which has left the ring", p.chosen())
	}
	if first := p.ring.Stats().First; p.scan.facts.first != first {
		t.Errorf("facts begin at %d, the ring at %d", p.scan.facts.first, first)
	}
	p.press("G")
	p.chose("record 10299")
}

// Who stands at rows that leave the ring is told.
func TestSkipped(t *testing.T) {
	p := sit(t, 80, 10, func(c *Config) { c.Ring = view.New(64 << 10) })
	p.writeMany(100)
	p.press("g")
	p.seesNo("skipped")
	p.writeMany(10_000)
	p.sees("paused", "skipped 97")
	p.press("j")
	p.seesNo("skipped")
	p.press("G")
	p.writeMany(10_000)
	p.seesNo("skipped")
}

func TestSearch(t *testing.T) {
	p := sit(t, 80, 24, nil)
	p.writeMany(1000)
	p.press("/", "'RECORD 12.$", "enter")
	p.chose("record 999")
	p.sees("no match for", "before this") // capitals count
	p.press("/", "ctrl+u", "'record 12.$", "enter")
	p.chose("record 129")
	p.press("N")
	p.chose("record 128")
	p.press("n", "n")
	p.chose("record 129")
	p.sees("no match for", "after this")
	p.press("/", "ctrl+u", "'(", "enter")
	p.sees("missing closing )")
	p.press("esc", "E")
	p.chose("record 128")
	p.press("E")
	p.chose("record 124")
	p.press("e", "e", "e")
	p.chose("record 133")
}

func TestFilterAndContext(t *testing.T) {
	p := sit(t, 80, 24, nil)
	p.writeMany(1000)
	p.press("f", "'n > 500 and n <", "enter")
	p.sees("filter: n > 500 and n <", "^ it ends too early")
	p.press("'510", "enter")
	p.sees("filter n > 500 and n <510", "record 509", "record 501")
	p.seesNo("record 510")
	p.press("k", "k", "c")
	p.chose("record 507")
	p.sees("record 506", "record 511", "context: all is shown", "·")
	p.press("c")
	p.seesNo("record 511")
	p.chose("record 507")
	p.press("f", "ctrl+u", "'warn", "enter")
	p.sees("filter -l warn")
	p.seesNo("INFO")
	p.press("f", "ctrl+u", "'record 77", "enter", "home")
	p.sees("filter -g 'record 77'", "record 779", "record 77 ")
	p.press("f", "ctrl+u", "enter")
	p.chose("record 77")
	p.seesNo("filter")
	p.press("f", "'-l nonsense")
	p.sees("        ^ ")
	p.press("esc", "f", "'x ==", "esc")
	p.seesNo("filter")
}

func TestLevelsAndApps(t *testing.T) {
	p := sit(t, 80, 24, nil)
	p.writeMany(100)
	p.press("2")
	p.seesNo("INFO")
	p.sees("(2 info)", "WARN", "ERROR", "DEBUG")
	p.press("2", "l")
	p.seesNo("DEBUG")
	p.press("l", "l")
	p.seesNo("WARN")
	p.sees("ERROR")
	p.press("l")
	p.sees("DEBUG", "INFO")
	p.chose("record 99")
	p.press("o")
	p.seesNo("web  record")
	p.sees("only cron")
	p.write("new", "INFO", "nobody knew this app", "") // nor was it asked for
	p.look()
	p.seesNo("nobody knew")
	p.press("o")
	p.sees("nobody knew")
	p.press("a")
	p.sees("[x] cron  50", "[x] web  50")
	p.press("down", "down", "space", "esc")
	p.seesNo("web  record")
	p.sees("without web")
	p.press("a", "o", "esc") // the first, by name
	p.sees("only cron")
	p.seesNo("nobody knew")
	p.press("a", "a", "esc")
	p.sees("web  record", "nobody knew")
}

func TestFields(t *testing.T) {
	p := sit(t, 100, 24, nil)
	p.write("web", "INFO", "hello", `,"user":"ann","req":{"path":"/x","took":"3ms"}`)
	p.write("web", "INFO", "hello", `,"user":"bob","req":{"path":"/y","took":"4ms"}`)
	p.look()
	p.press("d")
	p.sees("[x] user = bob", "[x] req.path = /y")
	p.press("space", "esc")
	p.seesNo("user=")
	p.press("d", "down", "enter")
	p.sees(`filter -f 'req.path = "/y"'`)
	p.seesNo("/x")
	p.press("d", "down", "x")
	p.sees("none of 2 rows is shown")
}

func TestExpandCopyMarkSave(t *testing.T) {
	p := sit(t, 80, 24, nil)
	p.write("web", "INFO", "hello", `,"user":"ann"`)
	p.look()
	p.press("m")
	p.look()
	p.write("web", "ERROR", "bye", "")
	p.look()
	p.sees("mark ──")
	p.press("[")
	if row := p.selected(); row == nil || row.Kind != view.Remark {
		t.Errorf("the mark is not selected")
	}
	p.press("k", "enter")
	p.sees(`    "user": "ann"`)
	p.press("y")
	if want := `{"time":"2026-11-25T12:00:01Z","level":"INFO","msg":"hello","user":"ann","@app":"web"}`; p.copy != want {
		t.Errorf("copied %q, want %q", p.copy, want)
	}
	p.press("Y")
	if want := "12:00:01.000 INFO  web hello  user=ann"; p.copy != want {
		t.Errorf("copied %q, want %q", p.copy, want)
	}
	p.press("enter")
	p.seesNo(`"user"`)
	path := filepath.Join(t.TempDir(), "saved")
	p.press("f", "'error", "enter", "s", "ctrl+u", "'"+path, "enter")
	p.sees("saved 1 records to")
	got, err := os.ReadFile(path)
	if want := `{"time":"2026-11-25T12:00:02Z","level":"ERROR","msg":"bye","@app":"web"}` + "\n"; string(got) != want || err != nil {
		t.Errorf("saved %q, %v", got, err)
	}
	p.press("s", "ctrl+u", "'"+path, "enter")
	p.sees("not saved: open ")
}

func TestComplete(t *testing.T) {
	p := sit(t, 80, 24, nil)
	p.write("webshop", "INFO", "hello", `,"status":200,"status_text":"ok"`)
	p.write("our app", "INFO", "hello", "")
	p.look()
	for typed, want := range map[string]string{
		"stat": "status", "--wh": "--where", "-l err": "-l error", "--app web": "--app webshop", "--app ou": "--app 'our app'", "--app 'ou": "--app 'our app", `level > "info" and app == "webs`: `level > "info" and app == "webshop`,
		"a > 1 and le": "a > 1 and level",
	} {
		p.press("f", "ctrl+u", "'"+typed, "tab")
		if got := p.prompt.input.String(); got != want {
			t.Errorf("%q is completed to %q, want %q", typed, got, want)
		}
		p.press("esc")
	}
}

// No text of a record or of a peer may get to the terminal as it is, and no line
// may be wider than it, whatever the size.
func TestHostileRowsAndSizes(t *testing.T) {
	p := sit(t, 80, 24, func(c *Config) { c.Render.Color = true })
	evil := "\x1b]52;c;aGk=\x07\x1b[2J\u202e\x9b31m\u202e\r\n\tline"
	quoted := strings.NewReplacer("\x1b", `\u001b`, "\x07", `\u0007`, "\r", `\r`, "\n", `\n`, "\t", `\t`, "\x9b", `\u009b`).Replace(evil)
	p.write(evil, "INFO", "x", `,"`+quoted+`":{"`+quoted+`":"`+quoted+`"},"long":"`+strings.Repeat("漢字", 5000)+`"`)
	p.ring.Note(sink.Notice{Remark: evil})
	p.ring.Note(sink.Notice{Lost: errors.New(evil)})
	p.look()
	for _, size := range [][2]int{{80, 24}, {160, 50}, {40, 12}, {20, 5}, {3, 2}, {1, 1}, {0, 0}} {
		p.send(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
		for _, keys := range [][]string{{"esc"}, {"w"}, {"home"}, {"enter"}, {"a"}, {"esc", "d"}, {"esc", "?"}, {"esc", "f", "'" + evil}, {"esc", "w", "down"}, {"h"}, {"h", "G"}} {
			p.press(keys...)
			screen := p.screen()
			plain := ansi.Strip(screen)
			if strings.ContainsAny(plain, "\x1b\x07\r\u202e\u009b") || strings.Contains(screen, "\x1b]") || strings.Contains(screen, "\x1b[2J") {
				t.Errorf("%v %q: the screen has control characters: %q", size, keys, screen)
			}
			lines := strings.Split(plain, "\n")
			if len(lines) > max(1, size[1]) {
				t.Errorf("%v %q: %d lines:\n%s", size, keys, len(lines), plain)
			}
			for _, line := range lines {
				if ansi.StringWidth(line) > size[0] {
					t.Errorf("%v %q: a line is %d wide: %q", size, keys, ansi.StringWidth(line), line)
				}
			}
		}
		p.press("esc", "G")
	}
}

func TestNoColor(t *testing.T) {
	p := sit(t, 80, 24, nil)
	p.writeMany(100)
	p.press("k", "k", "enter", "/", "'record", "enter")
	if got := strings.NewReplacer("\x1b[7m", "", "\x1b[0m", "").Replace(p.screen()); strings.Contains(got, "\x1b") {
		t.Errorf("there are colours: %q", got)
	}
}

func TestRun(t *testing.T) {
	started := make(chan struct{})
	source := func(ctx context.Context) error {
		close(started)
		<-ctx.Done()
		return nil
	}
	cfg := Config{Ring: view.New(1 << 20), Compile: compile, Source: source}
	t.Run("quit", func(t *testing.T) {
		in, keyboard := io.Pipe()
		defer keyboard.Close()
		var out bytes.Buffer
		cfg.Input, cfg.Output = in, &out
		go func() {
			<-started
			_, _ = keyboard.Write([]byte("q"))
		}()
		if err := Run(t.Context(), cfg); err != nil {
			t.Error(err)
		}
		in.Close()
	})
	t.Run("context", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cfg.Input, cfg.Output = bytes.NewReader(nil), io.Discard
		cfg.Source = func(ctx context.Context) error { cancel(); <-ctx.Done(); return nil }
		if err := Run(ctx, cfg); err != nil {
			t.Error(err)
		}
	})
	t.Run("failure", func(t *testing.T) {
		broken := errors.New("broken")
		cfg.Input, cfg.Output = bytes.NewReader(nil), io.Discard
		cfg.Source = func(context.Context) error { return broken }
		if err := Run(t.Context(), cfg); !errors.Is(err, broken) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("panic of the screen", func(t *testing.T) {
		cfg := cfg
		cfg.Input, cfg.Output = bytes.NewReader(nil), io.Discard
		cfg.Source = func(ctx context.Context) error { <-ctx.Done(); return nil }
		cfg.Ring = view.New(1 << 20)
		cfg.Ring.Note(sink.Notice{Remark: "a row"})
		cfg.Render.Now = func() time.Time { panic("oh") }
		if err := Run(t.Context(), cfg); err == nil {
			t.Error("got no error")
		}
	})
	t.Run("panic", func(t *testing.T) {
		cfg.Input, cfg.Output = bytes.NewReader(nil), io.Discard
		cfg.Source = func(context.Context) error { panic("oh") }
		if err := Run(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "panic: oh") {
			t.Errorf("got %v", err)
		}
	})
}

// The oldest and the newest rows are there at once, though a filter has not looked
// at all the others yet.
func TestGoWhileLooking(t *testing.T) {
	p := sit(t, 80, 24, nil)
	p.writeMany(20_000)
	p.setFilter("n >= 0")
	p.window.follow = false
	p.scan.index.restart(10_000)
	p.goFirst()
	p.look()
	p.chose("record 0")
	p.scan.index.restart(10_000)
	p.goLast()
	p.look()
	p.chose("record 19999")
	if p.scan.index.len() != 20_000 {
		t.Errorf("%d rows are shown", p.scan.index.len())
	}
}
