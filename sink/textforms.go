package sink

import (
	"encoding/csv"
	"strings"

	"github.com/slogcast/slogcast/internal/jsontext"
)

// readForm reads a line of a form of its own, which is not a time, a level and a
// message in any order.
func (d *parts) readForm(r *Record, text string) bool {
	c := text[0]
	return ('0' <= c && c <= '9') && (d.readCSVLog(r, text) || d.readNPM(text)) || c == 'n' && d.readNPM(text)
}

// csvColumns are the columns of PostgreSQL's csvlog, those without a name left out.
var csvColumns = []string{"", "user", "database", "pid", "client", "session", "", "command", "", "", "", "", "sqlstate", "", "detail", "hint", "", "", "context", "query", "", "location", "application"}

// readCSVLog reads PostgreSQL's csvlog, also the first line alone of a record with a
// query of several.
func (d *parts) readCSVLog(r *Record, text string) bool {
	const severity, state, message = 11, 12, 13
	if strings.Count(text, ",") < message {
		return false
	}
	in := csv.NewReader(strings.NewReader(text))
	in.FieldsPerRecord, in.LazyQuotes = -1, true
	fields, err := in.Read()
	if err != nil || len(fields) <= message || len(fields[state]) != len("00000") {
		return false
	}
	at, isTime := clock{r}.parse(fields[0])
	level, ok := rankName(fields[severity], nil)
	if !ok || !isTime || strings.ToUpper(fields[severity]) != fields[severity] {
		return false
	}
	d.time, d.own = at, true
	d.levelText, d.level, d.ranked = fields[severity], level, true
	d.message = fields[message]
	for i, key := range csvColumns[:min(len(fields), len(csvColumns))] {
		if key != "" {
			d.add(key, fields[i])
		}
	}
	return true
}

// npmLevels are what npm calls its levels, in its debug log and on a terminal.
var npmLevels = map[string]string{
	"silly": "silly", "verbose": "verbose", "info": "info", "timing": "verbose", "http": "http", "notice": "notice", "warn": "warn", "error": "error",
	"sill": "silly", "verb": "verbose", "WARN": "warn", "ERR!": "error",
}

// readNPM reads what npm writes: "45 error code E404" and "npm ERR! code E404".
func (d *parts) readNPM(text string) bool {
	first, rest, _ := strings.Cut(text, " ")
	name, message, ok := strings.Cut(rest, " ")
	level := npmLevels[name]
	const most = 6 // digits
	number := len(first) <= most && strings.Trim(first, "0123456789") == ""
	if !ok || level == "" || !number && first != "npm" {
		return false
	}
	if number && name == "http" && !strings.HasPrefix(message, "fetch ") && !strings.HasPrefix(message, "cache ") {
		return false // "3 http servers"
	}
	d.levelText = name
	d.level, d.ranked = rankName(level, nil)
	d.message = message
	return true
}

// readLTSV reads labelled values with tabs between them (http://ltsv.org), if one is
// what records have.
func (d *parts) readLTSV(r *Record, text string) bool {
	if strings.IndexByte(text, '\t') < 0 || strings.IndexByte(text, '\n') >= 0 {
		return false
	}
	known := false
	for field := range strings.SplitSeq(text, "\t") {
		key, value, ok := strings.Cut(field, ":")
		if !ok || key == "" || strings.ContainsFunc(key, func(c rune) bool { return !isLabel(c) }) {
			d.all = d.all[:0]
			return false
		}
		if dialect := lookUp(key); dialect != nil && len(dialect.uses) > 0 {
			known = true
		}
		v := Value(value)
		if !jsontext.IsNumber(value) {
			v = Value(jsontext.AppendString(nil, value))
		}
		d.all = append(d.all, Attr{key, v})
	}
	if !known {
		d.all = d.all[:0]
		return false
	}
	d.readPairs(r)
	return true
}

func isLabel(c rune) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '.' || c == '-'
}

// readAudit reads the time of a line of Linux's audit: msg=audit(1764043200.123:45).
func (d *parts) readAudit(text string) {
	const most = 128 // bytes before it
	_, rest, ok := strings.Cut(text[:min(len(text), most)], "msg=audit(")
	if !ok || d.own {
		return
	}
	seconds, _, ok := strings.Cut(rest, ":")
	if t, isTime := parseEpoch(seconds); ok && isTime {
		d.time, d.own = t, true
	}
}

// readMeteor reads W20251125-04:00:00.123(0)? text.
func (d *parts) readMeteor(r *Record, text string) bool {
	if len(text) < len("W20251125-04:00:00.123(0)? ") || strings.IndexByte("IWDE", text[0]) < 0 || text[9] != '-' {
		return false
	}
	t, rest, ok := clock{r}.cut(text[1:])
	_, message, found := strings.Cut(rest, ")? ")
	if !ok || !found || rest[0] != '(' {
		return false
	}
	d.time, d.own = t, true
	d.levelText = text[:1]
	d.level, d.ranked = rankName(d.levelText, nil)
	d.message = message
	return true
}
