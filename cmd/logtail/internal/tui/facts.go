package tui

import (
	"log/slog"
	"time"

	"github.com/slogcast/slogcast/cmd/logtail/internal/view"
)

// level is a level as the histogram and the keys tell them apart.
type level uint8

const (
	levelDebug  level = iota // and below
	levelInfo                // also of a record that has none
	levelWarn                // and what is below an error
	levelError               // and above
	levelOther               // it can't be ranked
	levelNotice              // of a row that is no record
)

// levelNames are those of the levels that have a key.
var levelNames = [...]string{"debug", "info", "warn", "error"}

func levelOf(row *view.Row) level {
	switch {
	case row.Kind != view.Record:
		return levelNotice
	case !row.Ranked:
		return levelOther
	}
	return level(min(3, max(0, (int(row.Level)-int(slog.LevelDebug))/4)))
}

// fact is what is kept of each row, so that levels and apps are switched, and the
// histogram drawn, without reading the rows again.
type fact struct {
	second uint32 // since 1970
	app    uint16 // in facts.apps
	level  level
}

// facts are those of the rows from first on. They are learnt as rows come, and
// forgotten as they go.
type facts struct {
	first uint64
	of    []fact
	apps  []string          // by number; the last one stands for all that are too many
	byApp map[string]uint16 // the other way round
	count []int             // rows by app
}

// maxApps bounds the apps that are told apart.
const maxApps = 4096

func newFacts(first uint64) facts {
	return facts{first: first, byApp: make(map[string]uint16)}
}

// next returns the position after the last that is known.
func (f *facts) next() uint64 { return f.first + uint64(len(f.of)) }

// at returns what is known of a row.
func (f *facts) at(position uint64) *fact { return &f.of[position-f.first] }

// learn adds the row at next; nil is one that could not be read any more.
func (f *facts) learn(row *view.Row) (newApp bool) {
	if row == nil {
		f.of = append(f.of, fact{level: levelNotice})
		return false
	}
	known := fact{level: levelOf(row), second: seconds(row.Time)}
	if row.Kind == view.Record {
		known.app, newApp = f.app(row.Record.App)
		f.count[known.app]++
	}
	f.of = append(f.of, known)
	return newApp
}

// seconds returns a time in Unix seconds, 0 where that is not possible.
func seconds(t time.Time) uint32 {
	if s := t.Unix(); s > 0 && s < 1<<32 {
		return uint32(s)
	}
	return 0
}

func (f *facts) app(name string) (number uint16, fresh bool) {
	if n, ok := f.byApp[name]; ok {
		return n, false
	}
	if len(f.apps) == maxApps {
		return maxApps - 1, false
	}
	n := uint16(len(f.apps))
	name = string([]byte(name)) // that of the record goes with it
	f.apps, f.count = append(f.apps, name), append(f.count, 0)
	f.byApp[name] = n
	return n, true
}

// forget drops the rows before a position.
func (f *facts) forget(first uint64) {
	if first <= f.first {
		return
	}
	n := min(first-f.first, uint64(len(f.of)))
	for _, gone := range f.of[:n] {
		if gone.level != levelNotice {
			f.count[gone.app]--
		}
	}
	f.of, f.first = f.of[n:], first
}
