package sink

import (
	"log/slog"
	"math"
	"strconv"
	"strings"
	"unicode"
)

// Levels between and beyond those of slog.
const (
	levelTrace  = slog.LevelDebug - 4
	levelNotice = slog.LevelInfo + 2
	levelFatal  = slog.LevelError + 4

	// unranked is the level of a name or number that says nothing.
	unranked slog.Level = math.MinInt
)

// levelNames are what loggers call their levels, in lower case.
var levelNames = names{
	levelTrace:      "trace trc trce finest finer silly vrb t v",
	slog.LevelDebug: "debug dbg dbug debu fine config verbose verb http d",
	slog.LevelInfo:  "info inf information informational informative log success audit statement detail hint i",
	levelNotice:     "notice note ntc n",
	slog.LevelWarn:  "warn wrn warning warnings w",
	slog.LevelError: "error err eror erro fail failed failure severe exception e",
	levelFatal:      "fatal ftl critical crit crt alert alrt emergency emerg panic dpanic assert shout f c a",
}.byName()

// names holds the names of levels, separated by spaces.
type names map[slog.Level]string

func (n names) byName() map[string]slog.Level {
	m := make(map[string]slog.Level)
	for level, list := range n {
		for name := range strings.FieldsSeq(list) {
			m[name] = level
		}
	}
	return m
}

// Codes that VMware's ESX and SSSD (sssd.conf(5)) have for levels, in lines of text.
var (
	esxLevels  = map[string]string{"Em": "emergency", "Al": "alert", "Cr": "critical", "Er": "error", "Wa": "warning", "No": "notice", "In": "info", "Db": "debug"}
	sssdLevels = map[string]string{"0x0010": "fatal", "0x0020": "critical", "0x0040": "error", "0x0080": "warning", "0x0100": "info", "0x0200": "info", "0x0400": "debug", "0x1000": "debug", "0x2000": "trace", "0x4000": "trace", "0x8000": "trace"}
)

// doubtful are names of levels that say something else where a key is not only
// of levels: the status of a job, the type of a record.
var doubtful = map[string]bool{
	"log": true, "config": true, "audit": true, "success": true, "statement": true, "detail": true, "hint": true, "note": true, "http": true, "exception": true,
	"fail": true, "failed": true, "failure": true, "assert": true, "a": true, "c": true, "n": true, "t": true,
}

// parseLevel reads a level's name in any case, with slog's offsets.
func parseLevel(name string) (slog.Level, bool) {
	switch name { // as slog writes them
	case "DEBUG":
		return slog.LevelDebug, true
	case "INFO":
		return slog.LevelInfo, true
	case "WARN":
		return slog.LevelWarn, true
	case "ERROR":
		return slog.LevelError, true
	}
	return rankName(name, nil)
}

// rankName reads a level's name in any case and padding, in brackets or colours,
// with slog's offset ("WARN+2"), OpenTelemetry's or MongoDB's digit ("ERROR2",
// "D1"), or behind the name of its type ("LogLevel.Error"). Those in own come
// first.
func rankName(name string, own map[string]slog.Level) (slog.Level, bool) {
	const longest = 64 // bytes
	if len(name) > longest {
		return 0, false
	}
	name = strings.TrimFunc(stripColor(name), func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) })
	name = strings.ToLower(name)
	if dot := strings.LastIndexByte(name, '.'); dot >= 0 {
		name = name[dot+1:]
	}
	if i := strings.LastIndexByte(name, '_'); i >= 0 && (strings.Contains(name[:i], "level") || strings.Contains(name[:i], "severity")) {
		name = name[i+1:] // SEVERITY_NUMBER_ERROR
	}
	end := len(name)
	for end > 0 && '0' <= name[end-1] && name[end-1] <= '9' {
		end--
	}
	offset := 0
	if sign := end - 1; sign > 0 && end < len(name) && (name[sign] == '+' || name[sign] == '-') {
		n, err := strconv.ParseInt(name[sign:], 10, 16)
		if err != nil {
			return 0, false
		}
		offset, end = int(n), sign
	} else if len(name)-end > 1 {
		return 0, false
	}
	name = name[:end]
	l, ok := own[name]
	if !ok {
		l, ok = levelNames[name]
	}
	return l + slog.Level(offset), ok
}

// scale ranks numbers: a level counts from its number up to that of the next,
// the last one up to most.
type scale struct {
	steps []step
	most  int
}

type step struct {
	from  int
	level slog.Level
}

// rank returns the level of a number, as a JSON number or text.
func (s *scale) rank(number string) (slog.Level, bool) {
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || n < 0 || n > float64(s.most) {
		return 0, false
	}
	level := unranked
	for _, step := range s.steps {
		if n >= float64(step.from) {
			level = step.level
		}
	}
	return level, level != unranked
}

// Scales of levels that are numbers.
var (
	// syslog: RFC 5424, section 6.2.1
	syslogScale = &scale{[]step{{0, levelFatal}, {3, slog.LevelError}, {4, slog.LevelWarn}, {5, levelNotice}, {6, slog.LevelInfo}, {7, slog.LevelDebug}}, 7}
	// OpenTelemetry's SeverityNumber
	otelScale    = &scale{[]step{{1, levelTrace}, {5, slog.LevelDebug}, {9, slog.LevelInfo}, {13, slog.LevelWarn}, {17, slog.LevelError}, {21, levelFatal}}, 24}
	windowsScale = &scale{[]step{{0, slog.LevelInfo}, {1, levelFatal}, {2, slog.LevelError}, {3, slog.LevelWarn}, {4, slog.LevelInfo}, {5, slog.LevelDebug}}, 5}
	pythonScale  = &scale{[]step{{1, levelTrace}, {10, slog.LevelDebug}, {20, slog.LevelInfo}, {30, slog.LevelWarn}, {40, slog.LevelError}, {50, levelFatal}}, 99}
	// Microsoft.Extensions.Logging; what is larger is as in anyScale
	dotnetScale = &scale{append([]step{{0, levelTrace}, {1, slog.LevelDebug}, {2, slog.LevelInfo}, {3, slog.LevelWarn}, {4, slog.LevelError}, {5, levelFatal}, {6, unranked}}, anySteps...), 59_999}
	// anyScale ranks the numbers that only one kind of logger has: bunyan and
	// pino, Monolog, java.util.logging, logback. Up to 9 they say nothing: 3 is
	// a warning in .NET, and an error in syslog.
	anyScale = &scale{anySteps, 59_999}
	anySteps = []step{
		{10, levelTrace}, {20, slog.LevelDebug}, {30, slog.LevelInfo}, {40, slog.LevelWarn}, {50, slog.LevelError}, {60, levelFatal}, {70, unranked},
		{100, slog.LevelDebug}, {200, slog.LevelInfo}, {250, levelNotice}, {300, slog.LevelWarn}, {400, slog.LevelError}, {500, levelFatal}, {601, unranked},
		{700, slog.LevelDebug}, {800, slog.LevelInfo}, {900, slog.LevelWarn}, {1000, slog.LevelError}, {1100, unranked},
		{5_000, levelTrace}, {10_000, slog.LevelDebug}, {20_000, slog.LevelInfo}, {30_000, slog.LevelWarn}, {40_000, slog.LevelError}, {50_000, levelFatal},
	}
	// severityScale is for a key that syslog, OpenTelemetry and Google use.
	severityScale = &scale{[]step{
		{0, levelFatal}, {3, slog.LevelError}, {4, slog.LevelWarn}, {5, levelNotice}, {6, slog.LevelInfo}, {7, slog.LevelDebug},
		{9, slog.LevelInfo}, {13, slog.LevelWarn}, {17, slog.LevelError}, {21, levelFatal}, {25, unranked},
		{100, slog.LevelDebug}, {200, slog.LevelInfo}, {300, levelNotice}, {400, slog.LevelWarn}, {500, slog.LevelError}, {600, levelFatal},
	}, 800}
)

// levelName returns the one of six names that is closest below l.
func levelName(l slog.Level) string {
	switch {
	case l < slog.LevelDebug:
		return "trace"
	case l < slog.LevelInfo:
		return "debug"
	case l < slog.LevelWarn:
		return "info"
	case l < slog.LevelError:
		return "warn"
	case l < levelFatal:
		return "error"
	}
	return "fatal"
}

// stripColor takes the sequences that set colours (SGR, ECMA-48 section 8.3.117)
// out of s.
func stripColor(s string) string {
	if strings.IndexByte(s, '\x1b') < 0 {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		if n := colorLen(s); n > 0 {
			s = s[n:]
			continue
		}
		b.WriteByte(s[0])
		s = s[1:]
	}
	return b.String()
}

// colorLen returns the length of the colour sequence at the start of s, 0 when
// there is none.
func colorLen(s string) int {
	if !strings.HasPrefix(s, "\x1b[") {
		return 0
	}
	for i := 2; i < len(s); i++ {
		switch c := s[i]; {
		case c == 'm':
			return i + 1
		case (c < '0' || c > '9') && c != ';' && c != ':':
			return 0
		}
	}
	return 0
}
