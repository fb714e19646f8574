package sink

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/slogcast/slogcast/internal/jsontext"
)

// readText reads a body that is not JSON: a line of syslog, klog or logfmt, or
// any line that begins with a time, a level, or both.
func (d *parts) readText(r *Record, text string) {
	text = strings.TrimRight(strings.TrimLeft(text, "\r\n"), "\r\n")
	d.message = text
	switch {
	case text == "":
		return
	case text[0] == '<' && d.readSyslog(r, text):
	case d.readKlog(r, text), d.readMeteor(r, text), d.readForm(r, text):
	case text[0] == '{': // cut off, or what JSON does not allow
		d.readLevelPair(text)
		return
	case d.readLogfmt(r, text), d.readLTSV(r, text):
		d.readAudit(text)
		return
	default:
		d.readPrefix(r, text)
	}
	d.message, d.stack = cutStack(d.message)
	d.attrs = d.all
	if d.levelText == "" && (!strings.HasPrefix(d.message, "{") || !jsontext.IsObject([]byte(d.message))) { // else see unwrap
		d.readLevelPair(text)
	}
	if d.levelText == "" && d.stack != "" {
		d.ranked = false // an exception that nobody ranked is not to be hidden
	}
}

// levelPair is a level in a text: level=error, or a member of an object; at=error is
// what Heroku writes.
var levelPair = regexp.MustCompile(`(?:^|[\s,;{(\[])(?:level|lvl|severity)=["']?([A-Za-z]+)|\[router\]: at=([a-z]+)|"(?:log\.)?(?:level|lvl|severity|levelname|@l)"\s*:\s*"([^"\\]*)"`)

// readLevelPair reads the level of a line that has it among other things.
func (d *parts) readLevelPair(text string) {
	const most = 8 << 10 // bytes that are looked at
	text, _, _ = strings.Cut(text[:min(len(text), most)], "\n")
	if m := levelPair.FindStringSubmatch(text); m != nil {
		name := m[1] + m[2] + m[3]
		if level, ok := rankName(name, nil); ok {
			d.levelText, d.level = name, level
		}
	}
}

// add adds an attribute with the text as its value.
func (d *parts) add(key, text string) {
	if text != "" && text != "-" {
		d.all = append(d.all, Attr{key, Value(jsontext.AppendString(nil, text))})
	}
}

// severities are syslog's keywords by their number.
var severities = [8]string{"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"}

// readSyslog reads a line of RFC 5424 or RFC 3164.
func (d *parts) readSyslog(r *Record, text string) bool {
	const highest = 191 // facility 23, severity 7
	priority, rest, ok := cutNumber(text[1:], 1, 3)
	if !ok || priority > highest || !strings.HasPrefix(rest, ">") {
		return false
	}
	d.levelText = severities[priority&7]
	d.level, d.ranked = rankName(d.levelText, nil)
	rest = rest[1:]
	if version, ok := strings.CutPrefix(rest, "1 "); ok && d.readSyslog5424(r, version) {
		return true
	}
	t, after, ok := clock{r}.cut(rest)
	if !ok {
		d.message = rest
		return true
	}
	d.time, d.own = t, true
	host, after, _ := strings.Cut(strings.TrimLeft(after, " "), " ")
	tag, message, ok := strings.Cut(after, ": ")
	if !ok || strings.ContainsAny(tag, " \t") { // the host is left out by some
		tag, message = "", after
		if program, ok := strings.CutSuffix(host, ":"); ok {
			host, tag = "", program
		}
	}
	d.add("host", host)
	program, pid, _ := strings.Cut(tag, "[")
	d.add("app", program)
	d.add("pid", strings.TrimSuffix(pid, "]"))
	d.message = message
	return true
}

// readSyslog5424 reads what follows the version.
func (d *parts) readSyslog5424(r *Record, s string) bool {
	var field [5]string // time, host, app, process, kind of message
	for i := range field {
		var ok bool
		if field[i], s, ok = strings.Cut(s, " "); !ok && i < len(field)-1 {
			return false
		}
	}
	if t, ok := (clock{r}).parse(field[0]); ok {
		d.time, d.own = t, true
	} else if field[0] != "-" {
		return false
	}
	for i, key := range []string{"", "host", "app", "pid", "msgid"} {
		if i > 0 {
			d.add(key, field[i])
		}
	}
	end, quoted := 0, false
	for end < len(s) && (quoted || s[end] != ' ' || !strings.HasPrefix(s, "-") && s[end-1] != ']') {
		switch s[end] {
		case '\\':
			end++
		case '"':
			quoted = !quoted
		}
		end++
	}
	end = min(end, len(s))
	d.add("data", s[:end])
	d.message = strings.TrimPrefix(strings.TrimPrefix(s[end:], " "), "\ufeff")
	return true
}

// readKlog reads a line of klog or glog: E1125 04:00:00.123456    7 a.go:12] text
func (d *parts) readKlog(r *Record, text string) bool {
	if len(text) < len("E1125 04:00:00.0 7 a.go:1] ") || strings.IndexByte("IWEF", text[0]) < 0 {
		return false
	}
	digits := 1
	for digits < len(text) && text[digits]-'0' <= 9 {
		digits++
	}
	var date string
	switch digits - 1 {
	case 4:
		date = text[1:3] + "-" + text[3:5]
	case 6: // CockroachDB
		date = "20" + text[1:3] + "-" + text[3:5] + "-" + text[5:7]
	case 8:
		date = text[1:5] + "-" + text[5:7] + "-" + text[7:9]
	default:
		return false
	}
	at, rest, ok := strings.Cut(strings.TrimLeft(text[digits:], " "), " ")
	header, message, found := strings.Cut(rest, "] ")
	t, valid := clock{r}.parse(date + " " + at)
	if !ok || !found || !valid {
		return false
	}
	d.time, d.own = t, true
	d.levelText = text[:1]
	d.level, d.ranked = rankName(d.levelText, nil)
	thread, source, _ := strings.Cut(strings.TrimLeft(header, " "), " ")
	d.add("thread", thread)
	d.add("source", source)
	d.message = message
	d.readKlogPairs(message)
	return true
}

// readKlogPairs reads what klog.InfoS writes: a quoted message, and pairs.
func (d *parts) readKlogPairs(text string) {
	quoted, err := strconv.QuotedPrefix(text)
	if err != nil || text[0] != '"' {
		return
	}
	message, _ := strconv.Unquote(quoted)
	start := len(d.all)
	if pairs := text[len(quoted):]; pairs != "" && (pairs[0] != ' ' || !d.addPairs(pairs)) {
		d.all = d.all[:start]
		return
	}
	d.message = message
}

// readLogfmt reads key=value pairs, if the text is nothing else and has what
// records have.
func (d *parts) readLogfmt(r *Record, text string) bool {
	d.all = d.all[:0]
	ok, known := d.addPairs(text), false
	for _, a := range d.all {
		if dialect := lookUp(a.Key); dialect != nil && len(dialect.uses) > 0 {
			known = true
		}
	}
	if pairs := len(d.all); !ok || pairs < 2 || !known && pairs < 3 {
		d.all = d.all[:0]
		return false
	}
	d.readPairs(r)
	return true
}

// readPairs reads what has been added as members, of a text that is nothing else.
func (d *parts) readPairs(r *Record) {
	d.message = ""
	const noInner = 2
	d.readMembers(r, noInner)
}

// addPairs adds the pairs that s is, or reports that it is something else.
func (d *parts) addPairs(s string) bool {
	for {
		s = strings.TrimLeft(s, " \t")
		if s == "" {
			return true
		}
		key, after, ok := cutLogfmtKey(s)
		if !ok {
			return false
		}
		value, rest, ok := cutLogfmtValue(after)
		if !ok {
			return false
		}
		d.all = append(d.all, Attr{key, value})
		s = rest
	}
}

// cutLogfmtKey reads a key with its sign, which logr's funcr has in quotes.
func cutLogfmtKey(s string) (key, rest string, ok bool) {
	if s[0] == '"' {
		quoted, err := strconv.QuotedPrefix(s)
		if err != nil || !strings.HasPrefix(s[len(quoted):], "=") {
			return "", s, false
		}
		key, err = strconv.Unquote(quoted)
		return key, s[len(quoted)+1:], err == nil && key != ""
	}
	end := strings.IndexAny(s, "= \t\"\n")
	if end <= 0 || s[end] != '=' {
		return "", s, false
	}
	return s[:end], s[end+1:], true
}

// cutLogfmtValue reads a value, quoted or not, as JSON.
func cutLogfmtValue(s string) (v Value, rest string, ok bool) {
	if inner, found := strings.CutPrefix(s, "'"); found { // as Python and Ruby quote
		text, rest, found := strings.Cut(inner, "'")
		if found && (rest == "" || rest[0] == ' ' || rest[0] == '\t') {
			return Value(jsontext.AppendString(nil, text)), rest, true
		}
	}
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexAny(s, " \t\n\"")
		switch {
		case end < 0:
			end = len(s)
		case s[end] == '"' || s[end] == '\n':
			return "", s, false
		}
		word := s[:end]
		if word == "true" || word == "false" || jsontext.IsNumber(word) {
			return Value(word), s[end:], true
		}
		return Value(jsontext.AppendString(nil, word)), s[end:], true
	}
	quoted, err := strconv.QuotedPrefix(s)
	if err != nil {
		return "", s, false
	}
	text, err := strconv.Unquote(quoted)
	rest = s[len(quoted):]
	return Value(jsontext.AppendString(nil, text)), rest, err == nil && (rest == "" || rest[0] == ' ' || rest[0] == '\t')
}
