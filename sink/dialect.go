package sink

import (
	"log/slog"
	"strings"

	"github.com/slogcast/slogcast/internal/jsontext"
)

// Keys name, for loggers that nobody knows, the keys under which a record has its
// level, message and time: dotted paths, as in Lookup. They come before those
// that are known, the first that has a value of use counts.
type Keys struct {
	Level, Message, Time []string
}

// convention is how loggers name time, level, message and stack. The keys of
// each are separated by spaces, the preferred first; their case does not matter,
// and a dotted one is a path, too. A level's key with a question mark counts
// only if its value can be ranked: most programs keep something else there. A
// message's key with braces is of a template.
type convention struct {
	name string // of the loggers, for who reads this table

	// with is a key at the top that tells the logger: without it the row is not
	// about the record. If empty, the row is about every record.
	with string

	time, level, message, stack string

	scale  *scale                // of levels that are numbers; if nil, anyScale
	names  map[string]slog.Level // of levels, other than in levelNames
	absent string                // level of a record that has none
}

// conventions are how the loggers that we know of write records, those first
// that a key tells, then what several have in common. Earlier rows come first.
var conventions = []convention{
	{name: "Serilog, compact", with: "@t", time: "@t", level: "@l", message: "@m @mt{}", stack: "@x", names: serilogNames, absent: "Information"},
	{name: "Serilog", with: "MessageTemplate", time: "Timestamp", level: "Level", message: "RenderedMessage MessageTemplate{}", stack: "Exception", names: serilogNames},
	{name: "GELF", with: "short_message", time: "timestamp", level: "level", message: "short_message", stack: "full_message", scale: syslogScale},
	{name: "MongoDB", with: "t", time: "t.$date", level: "s?", message: "msg"},
	{name: "journald", with: "__REALTIME_TIMESTAMP", time: "__REALTIME_TIMESTAMP", level: "PRIORITY", message: "MESSAGE", scale: syslogScale},
	{name: "loguru", with: "record", time: "record.time.timestamp record.time.repr", level: "record.level.name record.level.no", message: "record.message", stack: "text", scale: pythonScale},
	{name: "log4js", with: "categoryName", time: "startTime", level: "level.levelStr level.level", message: "data"},
	{name: "OpenTelemetry, protocol", with: "resourceLogs", scale: otelScale,
		time:    "resourceLogs.scopeLogs.logRecords.timeUnixNano resourceLogs.scopeLogs.logRecords.observedTimeUnixNano",
		level:   "resourceLogs.scopeLogs.logRecords.severityText resourceLogs.scopeLogs.logRecords.severityNumber",
		message: "resourceLogs.scopeLogs.logRecords.body.stringValue resourceLogs.scopeLogs.logRecords.body",
		stack:   "resourceLogs.scopeLogs.logRecords.attributes.exception.stacktrace"},
	{name: ".NET", with: "EventId", time: "Timestamp", level: "LogLevel", message: "Message State.Message", stack: "Exception", scale: dotnetScale},
	{name: "python, the record itself", with: "levelno", time: "created asctime", level: "levelname levelno", message: "message msg", stack: "exc_text exc_info stack_info", scale: pythonScale},
	{name: "katip", with: "sev", time: "at"},
	{name: "Apple's unified log", with: "messageType", time: "timestamp", level: "messageType", message: "eventMessage", names: appleNames},
	{name: "Twisted", with: "log_format", time: "log_time", level: "log_level.name", message: "log_text log_format{}", stack: "log_failure.traceback"},
	{name: "Loki, what is pushed", with: "streams", time: "streams.values.0.0", level: "streams.stream.level streams.stream.detected_level", message: "streams.values.0.1"},
	{name: "Kubernetes, audit", with: "auditID", time: "requestReceivedTimestamp stageTimestamp"},
	{name: "Windows, events", with: "System", time: "System.TimeCreated.SystemTime", level: "System.Level", scale: windowsScale},
	{name: "Windows, events as XML has them", with: "Event", time: "Event.System.TimeCreated.#attributes.SystemTime", level: "Event.System.Level", scale: windowsScale},
	{name: "Envoy", with: "response_code", time: "start_time"},
	{name: "JBoss, logback's own", with: "loggerName", stack: "exception.frames throwable.stepArray"},
	{name: "tslog", with: "_meta", time: "_meta.date", level: "_meta.logLevelName", message: "0"},
	{name: "date and time apart", with: "date", time: "date+time"},
	{name: "seconds and nanoseconds apart", with: "timestampNanos", time: "timestampSeconds+timestampNanos"},

	{name: "slog, and most", time: "time ts timestamp @timestamp", level: "level", message: "msg message", stack: "stack stacktrace stack_trace"},
	{name: "severity, of syslog, OpenTelemetry or Google", level: "severity", scale: severityScale},
	{name: "zerolog and others, short", level: "lvl sev"},
	{name: "a level that is an object", level: "level.name level.label level.value level.level"},
	{name: "zap", level: "L?", time: "T", message: "M", stack: "S stacktrace"},
	{name: "bunyan, pino", time: "time", level: "level", message: "msg", stack: "err.stack error.stack"},
	{name: "Elastic Common Schema", time: "@timestamp log.timestamp log.time", level: "log.level log.syslog.severity.name @fields.level @fields.severity", message: "message log.message log.msg @fields.message", stack: "error.stack_trace error.stack"},
	{name: "logback, logstash", time: "@timestamp", level: "level level_value levelValue", message: "message", stack: "stack_trace stackTrace throwable"},
	{name: "log4j2", time: "instant timeMillis eventTime", level: "level", message: "message", stack: "thrown.extendedStackTrace thrown.stackTrace exception.stacktrace exception.stackTrace exception.stack_trace exception.backtrace exception.stack"},
	{name: "java.util.logging", time: "millis", level: "level levelNumber", message: "message", stack: "exception.frame thrown.frames"},
	{name: "python-json-logger", time: "asctime created", level: "levelname level_name log_level", message: "message", stack: "exc_info exc_text traceback stack_info"},
	{name: "python's numbers", level: "levelno", scale: pythonScale},
	{name: "structlog", time: "timestamp", level: "level log_level", message: "event", stack: "exception traceback"},
	{name: "OpenTelemetry", level: "severityText severity_text severityNumber severity_number otel.severity", scale: otelScale,
		time:    "timeUnixNano time_unix_nano observedTimeUnixNano observed_timestamp ObservedTimestamp",
		message: "body.stringValue body.string_value body", stack: "attributes.exception.stacktrace exception.stacktrace"},
	{name: "Google Cloud", time: "timestamp timestampSeconds receiveTimestamp", message: "textPayload jsonPayload.message jsonPayload.msg protoPayload.status.message", level: "jsonPayload.level jsonPayload.severity", stack: "jsonPayload.stack_trace"},
	{name: "AWS Lambda", message: "message.errorMessage errorMessage @message", stack: "message.stackTrace stackTrace message.stack trace"},
	{name: "Monolog", time: "datetime", level: "level_name level", message: "message", stack: "context.exception.trace context.exception.stack_trace context.exception"},
	{name: "Rust tracing", level: "metadata.level fields.level", message: "fields.message fields.msg", time: "metadata.timestamp"},
	{name: "NLog, log4net", time: "longdate", level: "loglevel", message: "message", stack: "exception exceptions"},
	{name: ".NET", level: "LogLevel", scale: dotnetScale, message: "Message", stack: "Exceptions"},
	{name: "syslog as JSON", time: "isodate timereported timegenerated syslog.timestamp syslog_timestamp timestamp8601", level: "syslog_severity syslog.severity syslogseverity-text syslogseverity priority pri-text severity_label severity_name severity_code", scale: syslogScale, message: "syslog_message"},
	{name: "Docker, Kubernetes, fluent-bit", time: "time", level: "log_processed.level log_processed.severity", message: "log log_processed.message log_processed.msg"},
	{name: "other spellings", time: "date datetime date_time dateTime event_time eventTime log_time logTime log_timestamp ts_ms unixtime unix_time epoch epoch_ms unixms _time time_utc logged_at timecreated",
		level:   "loglevel log_level logLevel level_str levelStr @level @severity severityLevel severity_level lvl_name error_severity levelDisplayName context.logLevel event.level event.severity? data.level? labels.level? attributes.level body.level type? status? priority? kind? label? s? l?",
		message: "event_message log_message logMessage event.message event.msg data.message data.msg description text content line entry _msg m", stack: "backtrace errorStack error_stack errors.stack trace exception errorVerbose error err"},
	{name: "consola", with: "args", level: "type", message: "args", names: consolaNames},
	{name: "clouds and their kin", time: "timestamp_ns timestamp_us timestamp_ms time_ns time_ms dt __time__ ibm_datetime messageTimestamp eventTimestamp reqTimeSec logContent.time published",
		message: "logContent.data.message logEvent.message resultDescription Log_s body.message.body record.message eventMessage body.message body.msg logentry.formatted logentry.message displayMessage"},
	{name: "nginx", time: "time_iso8601 time_local msec"},
	{name: "Traefik", time: "StartUTC StartLocal"},
	{name: "Cloudflare", time: "EdgeStartTimestamp Datetime EventTimestampMs"},
	{name: "Heroku, Vercel, and who logs requests", time: "requestTime request_time_iso @t t"},
	{name: "an error without a message", message: "err.message error.message exception.message exception.exceptionMessage"},
}

var (
	serilogNames = names{levelTrace: "verbose vrb"}.byName()
	appleNames   = names{slog.LevelInfo: "default", levelFatal: "fault"}.byName()
	consolaNames = names{slog.LevelInfo: "start ready box"}.byName()
)

// role is what a key is for.
type role int

const (
	timeRole role = iota
	levelRole
	messageRole
	stackRole
	roles
)

// use is one thing that a key at the top of a record can be for.
type use struct {
	role     role
	rank     int    // the lower, the sooner
	path     string // to what lies below; "" for the value itself
	row      *convention
	mark     uint64 // must have been seen; see dialect
	weak     bool   // counts only if it can be ranked
	template bool
}

// dialect is what is known of a key in lower case.
type dialect struct {
	uses []use
	mark uint64 // the bits of the rows that the key is the tell of
}

// longestKey is how many bytes the keys of the table have at most.
const longestKey = 64

var dialects = readConventions(conventions)

// readConventions makes of rows what a look at a key answers.
func readConventions(rows []convention) map[string]*dialect {
	m := make(map[string]*dialect)
	at := func(key string) *dialect {
		key = strings.ToLower(key)
		if m[key] == nil {
			m[key] = new(dialect)
		}
		return m[key]
	}
	rank, marks := 0, 0
	for i := range rows {
		row := &rows[i]
		var mark uint64
		if row.with != "" {
			mark = 1 << marks
			marks++
			at(row.with).mark |= mark
		}
		for role, keys := range [roles]string{row.time, row.level, row.message, row.stack} {
			for key := range strings.FieldsSeq(keys) {
				rank++
				key, weak := strings.CutSuffix(key, "?")
				key, template := strings.CutSuffix(key, "{}")
				u := use{role: roleOf(role), rank: rank, row: row, mark: mark, weak: weak, template: template}
				first, second, both := strings.Cut(key, "+")
				if both { // a date, and the time of day
					u.path = "+" + second
					at(first).uses = append(at(first).uses, u)
					continue
				}
				at(key).uses = append(at(key).uses, u)
				for dot := 0; dot < len(key); dot++ {
					if key[dot] == '.' {
						u.path = key[dot+1:]
						at(key[:dot]).uses = append(at(key[:dot]).uses, u)
					}
				}
			}
		}
	}
	return m
}

func roleOf(i int) role { return role(i) }

// lookUp returns what is known of key, nil if that is nothing.
func lookUp(key string) *dialect {
	if len(key) > longestKey {
		return nil
	}
	var lower [longestKey]byte
	for i := range len(key) {
		c := key[i]
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		lower[i] = c
	}
	return dialects[string(lower[:len(key)])]
}

// stackKeys tells by length and first letter, in lower case, which keys may hold
// a stack.
var stackKeys = func() (t [256]uint64) {
	for key, d := range dialects {
		for _, u := range d.uses {
			if u.role == stackRole && u.mark == 0 {
				t[key[0]] |= 1 << len(key)
			}
		}
	}
	return t
}()

func mayBeStack(key string) bool {
	return key != "" && len(key) < 64 && stackKeys[key[0]|0x20]>>len(key)&1 != 0
}

// found is what a record has for a role.
type found struct {
	rank int // 0: nothing yet
	attr int
	path string // below the attribute
}

// sooner reports whether what has the rank comes before f.
func (f *found) sooner(rank int) bool { return f.rank == 0 || rank < f.rank }

// reading is a record that is being read: what was found so far.
type reading struct {
	*parts
	clock
	found [roles]found
	marks uint64
	dated bool // considerDate has been here
}

// readMembers makes time, level, message and stack of d.all, and leaves the
// others in d.attrs.
func (d *parts) readMembers(r *Record, depth int) {
	if r.Keys == nil && d.readSlog() {
		return
	}
	g := reading{parts: d, clock: clock{r}}
	d.uses = d.uses[:0]
	for i := range d.all {
		if known := lookUp(d.all[i].Key); known != nil {
			g.marks |= known.mark
			d.uses = append(d.uses, known)
		} else {
			d.uses = append(d.uses, nil)
		}
	}
	if r.Keys != nil {
		g.readKeys(r.Keys)
	}
	for i, known := range d.uses {
		if known == nil {
			continue
		}
		for k := range known.uses {
			if u := &known.uses[k]; u.mark == 0 || g.marks&u.mark != 0 {
				g.consider(i, u)
			}
		}
	}
	wrapper := g.wrapper()
	g.finish()
	if wrapper != "" {
		d.unwrap(r, wrapper, depth)
	}
}

// readSlog reads what slog has written, in its order. Its other attributes are
// looked at only for a stack.
func (d *parts) readSlog() bool {
	if len(d.all) < 3 || d.all[0].Key != slog.TimeKey || d.all[1].Key != slog.LevelKey || d.all[2].Key != slog.MessageKey {
		return false
	}
	at, level, message := d.all[0].Value, d.all[1].Value, d.all[2].Value
	if at[0] != '"' || level[0] != '"' || message[0] != '"' || len(message) == len(`""`) {
		return false
	}
	var ok bool
	if d.time, ok = parseSlogTime(string(at[1 : len(at)-1])); !ok {
		return false
	}
	d.levelText = level.Text()
	if d.level, ok = parseLevel(d.levelText); !ok {
		return false
	}
	d.own, d.ranked = true, true
	d.message = message.Text()
	d.attrs = d.all[3:]
	for i := range d.attrs {
		if mayBeStack(d.attrs[i].Key) {
			d.readStack()
			break
		}
	}
	return true
}

// readStack looks for a stack alone, in d.attrs.
func (d *parts) readStack() {
	start := len(d.all) - len(d.attrs)
	g := reading{parts: d}
	for i := range d.attrs {
		if !mayBeStack(d.attrs[i].Key) {
			continue
		}
		known := lookUp(d.attrs[i].Key)
		for k := 0; known != nil && k < len(known.uses); k++ {
			if u := &known.uses[k]; u.role == stackRole && u.mark == 0 {
				g.consider(start+i, u)
			}
		}
	}
	if f := g.found[stackRole]; f.rank != 0 {
		d.takeOut(f)
		d.attrs = compact(d.attrs)
	}
}

// readKeys looks where the user says; ranks below zero come before all others.
func (g *reading) readKeys(keys *Keys) {
	for role, paths := range [...][]string{timeRole: keys.Time, levelRole: keys.Level, messageRole: keys.Message} {
		for k, path := range paths {
			u := use{role: roleOf(role), rank: k - len(paths), row: &convention{}}
			for i := range g.all {
				rest, ok := strings.CutPrefix(path, g.all[i].Key)
				if ok && (rest == "" || rest[0] == '.') {
					u.path = strings.TrimPrefix(rest, ".")
					g.consider(i, &u)
				}
			}
		}
	}
}

// consider takes the value of attribute i for what u says, if it is of use and
// nothing better is known.
func (g *reading) consider(i int, u *use) {
	f := &g.found[u.role]
	v := g.all[i].Value
	if u.role == levelRole {
		each(v, u.path, func(v Value) bool {
			g.considerLevel(i, u, v)
			return true
		})
		return
	}
	if !f.sooner(u.rank) {
		return
	}
	take := func(ok bool) bool {
		if ok {
			*f = found{u.rank, i, u.path}
		}
		return !ok
	}
	if clockKey, ok := strings.CutPrefix(u.path, "+"); ok {
		take(g.considerDate(v, clockKey))
		return
	}
	each(v, u.path, func(v Value) bool {
		switch u.role {
		case timeRole:
			t, ok := g.timeOf(v)
			if ok {
				g.time, g.own = t, true
			}
			return take(ok)
		case messageRole:
			text, ok := messageOf(v)
			if ok && u.template {
				text = g.renderTemplate(text)
			}
			if ok {
				g.message = text
			}
			return take(ok)
		}
		text, ok := stackOf(v)
		if ok {
			g.stack, g.stackValue, g.stackKey = text, v, g.all[i].Key
			if u.path != "" {
				g.stackKey += "." + u.path
			}
		}
		return take(ok)
	})
}

// Classes of levels: a name comes before a number, and both before what can't be
// ranked; what is no level in most records comes last.
const (
	namedLevel = (iota + 1) << 16
	numberedLevel
	strangeLevel
	weakLevel
)

// considerLevel is consider for a level. Of several in one message the highest
// counts.
func (g *reading) considerLevel(i int, u *use, v Value) {
	if v[0] == '{' || v[0] == '[' || v[0] == 't' || v[0] == 'f' || v[0] == 'n' {
		return
	}
	text := strings.TrimSpace(v.Text())
	if text == "" {
		return
	}
	scale := u.row.scale
	if scale == nil {
		scale = anyScale
	}
	level, ok := rankName(text, u.row.names)
	ok = ok && (!u.weak || isOnlyLevel(text, g.all[i].Key))
	class := namedLevel
	if !ok && !u.weak { // a status or priority that is a number may be anything
		level, ok = scale.rank(text)
		class = numberedLevel
	}
	switch {
	case !ok && u.weak:
		return
	case !ok:
		class = strangeLevel
	case u.weak:
		class = weakLevel
	}
	f := &g.found[levelRole]
	rank := class + u.rank
	if u.rank < 0 { // the user has said so
		rank = u.rank
	}
	if f.sooner(rank) || rank == f.rank && f.attr == i && ok && level > g.level {
		*f = found{rank, i, u.path}
		g.levelText, g.level, g.ranked = text, level, ok
	}
}

// isOnlyLevel reports whether a text that can be ranked says nothing else where its
// key is not only of levels: no "success", no "charge.failed", no "f", unless the key is
// as short.
func isOnlyLevel(text, key string) bool {
	return !doubtful[strings.ToLower(text)] && strings.IndexByte(text, '.') < 0 && (len(text) > 1 || len(key) == 1)
}

// finish leaves in attrs what has not been taken.
func (g *reading) finish() {
	if g.found[levelRole].rank == 0 {
		for i := range conventions {
			row := &conventions[i]
			if row.absent != "" && g.marks&dialects[strings.ToLower(row.with)].mark != 0 {
				g.levelText = row.absent
				g.level, g.ranked = rankName(row.absent, row.names)
			}
		}
	}
	if g.found[messageRole].rank == 0 { // an empty one is better than none
		for i := range g.all {
			if key := g.all[i].Key; (key == slog.MessageKey || key == "message") && g.all[i].Value == `""` {
				g.found[messageRole] = found{rank: 1, attr: i}
				break
			}
		}
	}
	for _, f := range g.found {
		if f.rank != 0 {
			g.takeOut(f)
		}
	}
	g.attrs = compact(g.all)
}

// takeOut removes what was found from its attribute; compact drops those with
// nothing left.
func (d *parts) takeOut(f found) {
	a := &d.all[f.attr]
	if strings.HasPrefix(f.path, "+") {
		a.Value = "" // the time of day stays
		return
	}
	if a.Value != "" {
		a.Value = without(a.Value, f.path)
	}
}

// compact returns attrs without those that have no value any more, in place.
func compact(attrs []Attr) []Attr {
	kept := attrs[:0]
	for _, a := range attrs {
		if a.Value != "" {
			kept = append(kept, a)
		}
	}
	return kept
}

// wrapper returns the key of a message that may itself be a record, as a program
// has written it to what collects its output: "log", "MESSAGE", or any where
// nothing else tells the level.
func (g *reading) wrapper() string {
	f := g.found[messageRole]
	if f.rank == 0 || f.path != "" {
		return ""
	}
	key := g.all[f.attr].Key
	if key == "log" || key == "MESSAGE" || g.found[levelRole].rank == 0 {
		return key
	}
	return ""
}

// unwrap looks into the message, which was found under key.
func (d *parts) unwrap(r *Record, key string, depth int) {
	const deepest = 2
	text := strings.TrimSpace(d.message)
	if strings.HasPrefix(text, "{") && depth < deepest && jsontext.IsObject([]byte(text)) {
		d.merge(r, text, depth)
		return
	}
	if key == "log" && d.levelText == "" {
		// The line is the message, whole. But what it says may be severe must not
		// be hidden.
		var inner parts
		inner.readText(r, text)
		d.ranked = inner.levelText == "" || inner.level < slog.LevelWarn
	}
}

// merge reads text, a JSON object, as the record that d is the wrapper of.
func (d *parts) merge(r *Record, text string, depth int) {
	var inner parts
	inner.reset()
	inner.split(text)
	inner.readMembers(r, depth+1)
	if inner.own {
		d.time, d.own = inner.time, true
	}
	if inner.levelText != "" {
		d.levelText, d.level, d.ranked = inner.levelText, inner.level, inner.ranked
	}
	if inner.message != "" || len(inner.attrs) > 0 {
		d.message = inner.message
	}
	if inner.stack != "" {
		d.stack, d.stackKey, d.stackValue = inner.stack, inner.stackKey, inner.stackValue
	}
	d.all = append(inner.attrs, d.attrs...)
	d.attrs = d.all
}
