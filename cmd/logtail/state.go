package main

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/slogcast/slogcast/sink"
)

// state is what is known of a tail at any time: the status line shows it, and
// SIGUSR1 prints it.
type state struct {
	mu        sync.Mutex // guards what follows
	began     time.Time
	connected string // the broker, empty while there is none
	since     time.Time
	attempt   int // to connect, since there was a connection
	next      time.Time
	records   int // that came
	shown     int // that passed the filter
	levels    [len(levelNames)]int
	gaps      int
	missing   uint64
	behind    int       // messages that wait at the broker
	last      time.Time // when the last record came
	writing   time.Time // since when an archive writes; zero when it does not
	recent    recent
}

// levelNames are those of the counts, from the one that matters least.
var levelNames = [...]string{"debug", "info", "warn", "error"}

// levelIndex returns where a level is counted.
func levelIndex(l slog.Level) int {
	return min(3, max(0, (int(l)-int(slog.LevelDebug))/4))
}

// counting returns a filter that counts what passes next, which may be nil.
// Levels are told apart for what is shown: an archive need not know them.
func (s *state) counting(next func(*sink.Record) bool, levels bool) func(*sink.Record) bool {
	return func(r *sink.Record) bool {
		pass := next == nil || next(r)
		var level slog.Level
		if pass && levels {
			level, _ = r.Level()
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.records++
		s.last = r.Received
		if pass {
			s.shown++
			s.recent.add(r.Received)
		}
		if pass && levels {
			s.levels[levelIndex(level)]++
		}
		return pass
	}
}

// note takes in what a notice says.
func (s *state) note(n sink.Notice, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case n.Connected != "":
		s.connected, s.since, s.attempt = n.Connected, now, 0
	case n.Lost != nil:
		s.connected, s.next, s.behind = "", now.Add(n.Retry), 0
		s.attempt++
	case n.Behind != nil:
		s.behind = *n.Behind
	case n.Gap != nil:
		s.gaps++
		s.missing += n.Gap.Count()
	}
}

// writes tells that an archive is writing, until end is called.
func (s *state) writes() (end func()) {
	set := func(t time.Time) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.writing = t
	}
	set(time.Now())
	return func() { set(time.Time{}) }
}

// slowDisk is how long an archive may write before that is trouble. While a disk is
// full it tries again and again.
const slowDisk = 10 * time.Second

// trouble says what keeps records from coming, or from being kept. It is empty
// while nothing does.
func (s *state) trouble(now time.Time) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	wrote := now.Sub(s.writing)
	switch {
	case s.connected == "":
		return "not connected to the broker"
	case !s.writing.IsZero() && wrote > slowDisk:
		return fmt.Sprintf("the disk has taken no records for %v", wrote.Truncate(time.Second))
	}
	return ""
}

// quietAfter is how long nothing has to come before that is said.
const quietAfter = 5 * time.Second

// line is the state in one short line.
func (s *state) line(now time.Time) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	switch {
	case s.connected == "" && s.attempt == 0:
		add("connecting")
	case s.connected == "":
		add("waiting for the broker: attempt %d, next in %v", s.attempt+1, max(0, s.next.Sub(now)+time.Second-1).Truncate(time.Second))
	default:
		add("%s %s/s", s.recent.sparkline(now), shortRate(s.recent.rate(now)))
	}
	switch {
	case s.records != s.shown:
		add("%d of %s", s.shown, plural(s.records, "record"))
	case s.connected != "" || s.records > 0:
		add("%s", plural(s.records, "record"))
	}
	for i := len(s.levels) - 1; i >= levelIndex(slog.LevelWarn); i-- {
		if s.levels[i] > 0 {
			add("%s %d", levelNames[i], s.levels[i])
		}
	}
	if s.gaps > 0 {
		add("%d missing", s.missing)
	}
	if s.behind > 0 {
		add("behind by %d", s.behind)
	}
	if quiet := now.Sub(later(s.last, s.since)); s.connected != "" && quiet >= quietAfter {
		add("quiet for %v", quiet.Truncate(time.Second))
	}
	return strings.Join(parts, " · ")
}

// numbers is all of the state, in one long line.
func (s *state) numbers(now time.Time) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "%s in %v, %d of them shown or kept, %.1f/s now", plural(s.records, "record"), now.Sub(s.began).Round(time.Second), s.shown, s.recent.rate(now))
	for i, n := range s.levels {
		if n > 0 {
			fmt.Fprintf(&b, ", %s %d", levelNames[i], n)
		}
	}
	fmt.Fprintf(&b, "; %s with %d missing", plural(s.gaps, "gap"), s.missing)
	if s.behind > 0 {
		fmt.Fprintf(&b, "; behind by %s at the broker", plural(s.behind, "message"))
	}
	if s.connected != "" {
		fmt.Fprintf(&b, "; connected to %s for %v", s.connected, now.Sub(s.since).Round(time.Second))
	} else {
		fmt.Fprintf(&b, "; not connected, attempt %d in %v", s.attempt+1, max(0, s.next.Sub(now)+time.Second-1).Truncate(time.Second))
	}
	if !s.last.IsZero() {
		fmt.Fprintf(&b, "; the last record came %v ago", now.Sub(s.last).Round(time.Second))
	}
	return b.String()
}

func plural(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return fmt.Sprintf("%d %ss", n, of)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// recent counts what came in each of the last seconds.
type recent struct {
	counts [12]int
	newest int64 // the second of the last count, since 1970
}

// advance makes room up to the second of now.
func (r *recent) advance(now time.Time) {
	n := int64(len(r.counts))
	for second := max(r.newest+1, now.Unix()-n+1); second <= now.Unix(); second++ {
		r.counts[second%n] = 0
	}
	r.newest = max(r.newest, now.Unix())
}

func (r *recent) add(at time.Time) {
	r.advance(at)
	r.counts[r.newest%int64(len(r.counts))]++
}

// ago returns the count of the second that is so many before the newest.
func (r *recent) ago(seconds int) int {
	n := int64(len(r.counts))
	return r.counts[(r.newest-int64(seconds)+n)%n]
}

// rate returns records per second, over the last five that are complete.
func (r *recent) rate(now time.Time) float64 {
	const seconds = 5
	r.advance(now)
	sum := 0
	for i := 1; i <= seconds; i++ {
		sum += r.ago(i)
	}
	return float64(sum) / seconds
}

// shortRate is a rate with a decimal where that says something.
func shortRate(rate float64) string {
	if rate >= 100 {
		return fmt.Sprintf("%.0f", rate)
	}
	return fmt.Sprintf("%.1f", rate)
}

// sparkline draws the complete seconds, the oldest first.
func (r *recent) sparkline(now time.Time) string {
	r.advance(now)
	bars := []rune("▁▂▃▄▅▆▇█")
	most := 1
	for i := 1; i < len(r.counts); i++ {
		most = max(most, r.ago(i))
	}
	var line []rune
	for i := len(r.counts) - 1; i > 0; i-- {
		// Something is more than nothing.
		line = append(line, bars[(r.ago(i)*(len(bars)-1)+most-1)/most])
	}
	return string(line)
}
