package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slogcast/slogcast/handler"
	"github.com/slogcast/slogcast/internal/brokertest"
	"github.com/slogcast/slogcast/sink"
)

// TestArchiveThenLive has a program log while it is archived, and a tail begin with
// the archive: the tail shows each record once, in order.
func TestArchiveThenLive(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange, file := b.Exchange(t), filepath.Join(t.TempDir(), "app.log")
		kept := &tailed{args: []string{"-u", b.URL, "-x", exchange, "--file", file, "--exit-on", `msg == "the end"`}}
		kept.start(t)
		kept.connected(t)
		h, err := handler.New(b.URL, &handler.Options{Exchange: exchange, App: "app"})
		if err != nil {
			t.Fatal(err)
		}
		log := slog.New(h)
		const before, n = 500, 2000
		var shown *tailed
		for i := 1; i <= n; i++ {
			log.Info("numbered", "n", i)
			if i%10 == 0 {
				<-time.After(5 * time.Millisecond) // the rate of a program
			}
			if i == before {
				shown = &tailed{args: []string{"-u", b.URL, "-x", exchange, "-o", "json", "--since", "1h", "--from", file, "--exit-on", `msg == "the end"`}}
				shown.start(t)
			}
		}
		shown.connected(t)
		log.Info("the end")
		if err := h.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		for _, d := range []*tailed{kept, shown} {
			select {
			case err := <-d.ended:
				if err != nil {
					t.Error(err)
				}
			case <-time.After(30 * time.Second):
				t.Fatalf("%q does not end", d.args)
			}
		}
		lines := strings.Split(strings.TrimSpace(shown.stdout.String()), "\n")
		for i, line := range lines {
			var r struct{ N int }
			if err := json.Unmarshal([]byte(line), &r); err != nil || r.N != i+1 && i < n {
				t.Fatalf("line %d is %s", i+1, line)
			}
		}
		if len(lines) != n+1 {
			t.Errorf("got %d lines, want %d", len(lines), n+1)
		}
	})
}

// TestArchiveThenLiveTellsWhatNeitherHas begins with an archive that ended early.
func TestArchiveThenLiveTellsWhatNeitherHas(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange, file := b.Exchange(t), filepath.Join(t.TempDir(), "app.log")
		h, err := handler.New(b.URL, &handler.Options{Exchange: exchange, App: "app"})
		if err != nil {
			t.Fatal(err)
		}
		log := slog.New(h)
		kept := &tailed{args: []string{"-u", b.URL, "-x", exchange, "--file", file, "-n", "1"}}
		kept.start(t)
		kept.connected(t)
		log.Info("archived")
		if err := <-kept.ended; err != nil {
			t.Fatal(err)
		}
		line, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		line = append(line, fmt.Sprintf("{\"time\":%q,\"msg\":\"without a number\"}\n", time.Now().Format(time.RFC3339Nano))...)
		if err := os.WriteFile(file, line, 0o600); err != nil {
			t.Fatal(err)
		}
		log.Info("missed")
		if err := h.Flush(context.Background()); err != nil {
			t.Fatal(err)
		}
		shown := &tailed{args: []string{"-u", b.URL, "-x", exchange, "-o", "json", "--since", "1h", "--from", file, "-n", "3"}}
		shown.start(t)
		shown.connected(t)
		log.Info("live")
		if err := h.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		if err := <-shown.ended; err != nil {
			t.Error(err)
		}
		for _, want := range []string{"archived", "without a number", "live"} {
			if !strings.Contains(shown.stdout.String(), want) {
				t.Errorf("%q is not shown: %s", want, shown.stdout.String())
			}
		}
		told := shown.stderr.String()
		if !strings.Contains(told, "gap: 1 record of app@") || !strings.Contains(told, "neither the archive nor this tail has them") || !strings.Contains(told, "1 record of the archive without a number") {
			t.Errorf("told %s", told)
		}
	})
}

// Records of an archive that are left out must not take the memory of those that are
// not: what came in their place later was shown twice, in the wrong order.
func TestArchivedKeepsMemoryApart(t *testing.T) {
	shown := &messages{}
	a := archived{&archiveThenLive{again: true, archived: map[string]uint64{}}}
	a.writer = filtered{shown, func(*sink.Record) bool { return true }}
	records := make([]sink.Record, 3)
	next := 0
	for range 3 {
		for i := range records {
			next++
			number := fmt.Sprintf(`,"@id":"0192f3a4-1111-7abc-8def-0123456789ab/%d"`, next)
			if next < 3 {
				number = "" // it is not shown again
			}
			records[i].SetLine([]byte(fmt.Sprintf(`{"time":"2026-11-25T10:00:00Z","level":"INFO","msg":"%d"%s}`, next, number)))
		}
		if err := a.Write(t.Context(), records); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(*shown, " "); got != "3 4 5 6 7 8 9" {
		t.Errorf("got %s, want 3 to 9", got)
	}
}

// messages is a Writer of messages.
type messages []string

func (m *messages) Write(_ context.Context, records []sink.Record) error {
	for i := range records {
		*m = append(*m, records[i].Message())
	}
	return nil
}
