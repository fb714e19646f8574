package filter

import (
	"log/slog"
	"maps"
	"math"
	"strconv"
	"strings"
)

// levels are the names of levels, in any case. Those of slog come with its
// values, the others where their loggers' documents put them among these.
var levels = withCapitals(map[string]slog.Level{
	"trace":       slog.LevelDebug - 4,
	"verbose":     slog.LevelDebug - 4,
	"debug":       slog.LevelDebug,
	"info":        slog.LevelInfo,
	"information": slog.LevelInfo,
	"notice":      slog.LevelInfo + 2,
	"warn":        slog.LevelWarn,
	"warning":     slog.LevelWarn,
	"error":       slog.LevelError,
	"err":         slog.LevelError,
	"severe":      slog.LevelError,
	"fatal":       slog.LevelError + 4,
	"critical":    slog.LevelError + 4,
	"crit":        slog.LevelError + 4,
	"alert":       slog.LevelError + 4,
	"emergency":   slog.LevelError + 4,
	"emerg":       slog.LevelError + 4,
	"panic":       slog.LevelError + 4,
})

// withCapitals adds the names in capitals, as most people write them: they are then
// found at once.
func withCapitals(m map[string]slog.Level) map[string]slog.Level {
	for name, level := range maps.Clone(m) {
		m[strings.ToUpper(name)] = level
	}
	return m
}

// levelNames are the names to tell who writes a filter, the lowest first.
const levelNames = "trace, debug, info, notice, warn, error, fatal"

// ParseLevel reads a lowest level ("warn"), with an offset as slog writes it
// ("info+2"), or a range, whose ends belong to it ("debug..info", "warn..",
// "..info"). An error is an *Error.
func ParseLevel(text string) (low, high slog.Level, err error) {
	low, high = math.MinInt, math.MaxInt
	first, last, isRange := strings.Cut(text, "..")
	if strings.TrimSpace(first+last) == "" {
		return 0, 0, mistake("level", text, 0, "want a level: %s, with an offset as in info+2, or a range as in debug..info", levelNames)
	}
	if first = strings.TrimSpace(first); first != "" {
		if low, err = parseRank(text, 0, first); err != nil {
			return 0, 0, err
		}
	}
	if last = strings.TrimSpace(last); isRange && last != "" {
		at := strings.Index(text, "..") + 2
		if high, err = parseRank(text, at, last); err != nil {
			return 0, 0, err
		}
	}
	if low > high {
		return 0, 0, mistake("level", text, 0, "the range is empty: its first level is above its last")
	}
	return low, high, nil
}

func parseRank(text string, at int, name string) (slog.Level, error) {
	if l, ok := rank(name); ok {
		return l, nil
	}
	at += strings.Index(text[at:], name)
	return 0, mistake("level", text, at, "unknown level %.40q; want one of %s, or one of them with an offset, as info+2", name, levelNames)
}

// rank reads the name of a level, which may have an offset.
func rank(name string) (slog.Level, bool) {
	base, offset := name, 0
	if i := strings.IndexAny(name, "+-"); i > 0 {
		n, err := strconv.Atoi(name[i:])
		if err != nil || n > 1000 || n < -1000 {
			return 0, false
		}
		base, offset = name[:i], n
	}
	l, ok := levels[base]
	if !ok {
		l, ok = levels[strings.ToLower(base)]
	}
	return l + slog.Level(offset), ok
}
