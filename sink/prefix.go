package sink

import (
	"log/slog"
	"regexp"
	"strings"
)

// prefix is the beginning of a line of text, as far as it has been read.
type prefix struct {
	text  string
	at    int    // where the next word may begin
	apart string // what stands between words

	words   int  // seen that say nothing
	plain   bool // one of them was neither a number nor in brackets
	dated   bool // a time has been seen, perhaps one without its date
	message int  // where the message begins: behind the time and level at the start
}

// readPrefix reads a line that begins with a time, a level or both, among other
// things perhaps, as most programs write them.
func (d *parts) readPrefix(r *Record, text string) {
	const most = 12 // words
	c := clock{r}
	p := prefix{text: text, at: signs(text), apart: separators}
	if text[0] == '"' { // of a table, perhaps
		p.apart += `"`
	}
	for p.words < most && p.skip() {
		if !d.own && p.mayBeTime() {
			if t, rest, ok := c.cut(text[p.at:]); ok {
				d.time, d.own = t, true
				p.take(len(text) - len(rest))
				p.takeStream(d)
				if p.redis(d) {
					break
				}
				continue
			}
			if n := clockLen(text[p.at:]); n > 0 && !p.dated {
				p.dated = true
				p.at += n
				continue
			}
		}
		word := p.word()
		if t, ok := parseEpoch(word); ok && p.words == 0 && !d.own {
			d.time, d.own = t, true
			p.take(p.at + len(word))
			continue
		}
		if name := p.code(word); name != "" && d.levelText == "" {
			d.levelText = name
			d.level, d.ranked = rankName(name, nil)
			break
		}
		if d.levelText == "" && p.isLevel(word) {
			channel, name, found := strings.Cut(word, ".")
			if !found {
				channel, name = "", word
			}
			d.add("channel", channel) // as Monolog calls it
			d.levelText = name
			d.level, d.ranked = rankName(name, nil)
			p.take(p.at + len(word))
			if d.own {
				break
			}
			continue
		}
		p.pass(word)
	}
	if d.levelText == "" && d.own {
		d.readSecondLine(text)
	}
	d.message = p.rest()
}

// signs returns the length of the signs that some put before a level: "┌ Error:".
func signs(text string) int {
	rest := strings.TrimLeft(text, "┌│╷✘✖⨯❌⚠\ufe0f ")
	if n := len(text) - len(rest); strings.TrimLeft(text[:n], " ") != "" {
		return n
	}
	return 0
}

const separators = " \t[](){}<>|,;=-"

// skip goes to the next word of the first line, or reports that there is none.
func (p *prefix) skip() bool {
	for p.at < len(p.text) {
		if n := colorLen(p.text[p.at:]); n > 0 {
			p.at += n
			continue
		}
		c := p.text[p.at]
		if c == '\n' || c == '\r' {
			return false
		}
		if strings.IndexByte(p.apart, c) < 0 && (c != ':' || p.at == 0) {
			return true
		}
		p.at++
	}
	return false
}

// mayBeTime reports whether a time is looked for here: at the start, or in
// brackets, or near the start.
func (p *prefix) mayBeTime() bool {
	if p.at > 0 && p.text[p.at-1] == '-' {
		return false // the end of another number
	}
	return p.words <= 2 || p.at > 0 && p.text[p.at-1] == '[' || strings.HasSuffix(p.text[:p.at], "] ")
}

// word returns the word that begins here.
func (p *prefix) word() string {
	end := p.at
	for end < len(p.text) && strings.IndexByte(":\r\n\x1b", p.text[end]) < 0 && strings.IndexByte(p.apart, p.text[end]) < 0 && (p.text[end] != '/' || !p.dated) {
		end++
	}
	if end == p.at {
		end++
	}
	return p.text[p.at:end]
}

// take goes on at end, behind a time or level.
func (p *prefix) take(end int) {
	if p.words == 0 {
		p.message = end
	}
	p.dated = true
	p.at = end
}

// pass goes on behind a word that says nothing.
func (p *prefix) pass(word string) {
	p.words++
	bracketed := p.at > 0 && p.text[p.at-1] == '['
	if !bracketed && strings.Trim(word, "0123456789#.") != "" && word != "PHP" {
		p.plain = true
	}
	p.at += len(word)
}

// ordinary are levels' names that begin other lines as well, "config: ", say.
var ordinary = map[string]bool{
	"log": true, "config": true, "fine": true, "detail": true, "hint": true, "statement": true, "audit": true, "success": true, "silly": true, "note": true, "assert": true,
}

// isLevel reports whether the word is the level of the line: at its start in
// capitals, brackets or before a colon; elsewhere only behind a time or
// something in brackets.
func (p *prefix) isLevel(word string) bool {
	if strings.EqualFold(word, "fatal") && len(p.text) > p.at+len(word)+6 && strings.EqualFold(p.text[p.at+len(word):p.at+len(word)+6], " error") {
		return p.words <= 2
	}
	if _, ok := rankName(word, nil); !ok || strings.ContainsAny(word, "\"'*#") {
		return false
	}
	name := word[strings.LastIndexByte(word, '.')+1:]
	capitals := strings.ToUpper(name) == name
	end := p.at + len(word)
	before, after := byte(' '), byte(' ')
	if p.at > 0 {
		before = p.text[p.at-1]
	}
	if end < len(p.text) {
		after = p.text[end]
	}
	if before == 'm' && strings.HasSuffix(p.text[:p.at], "m") && strings.Contains(p.text[:p.at], "\x1b[") {
		before = '['
	}
	if p.isFacility(word) {
		return true
	}
	if after == '-' || after == '=' || strings.EqualFold(name, "http") || !capitals && ordinary[strings.ToLower(name)] {
		return false
	}
	bracketed := strings.IndexByte("[<(|{", before) >= 0 || strings.IndexByte("]>)|}", after) >= 0
	column := p.dated && (wide(p.text[:p.at], p.text[end:]) || p.words == 1 && strings.HasPrefix(p.text[end:], " '") && p.text[0] == '[')
	switch {
	case len(strings.Trim(name, "0123456789")) == 1:
		return p.isLetter(word, name, before, after, bracketed, column)
	case p.words == 0:
		return capitals || bracketed || after == ':' || p.dated || inScope(p.text[end:])
	case p.words == 1 && strings.HasPrefix(p.text, "CMake "):
		return true
	case !p.dated && p.plain: // "nginx: [emerg] …", "main.c:3:5: error: …", "a.ts(1,2): error TS2304: …"
		colon := strings.HasSuffix(strings.TrimRight(p.text[:p.at], " ["), ":")
		return colon && p.words <= 3 && (after == ':' || after == ']' || after == ' ' && isCode(p.text[end+1:]))
	}
	return capitals || bracketed || column || after == ':' && (p.words <= 3 || strings.HasSuffix(p.text[:p.at], "]: "))
}

// isLetter is isLevel for a single letter.
func (p *prefix) isLetter(word, name string, before, after byte, bracketed, column bool) bool {
	digit := func(at int) bool { return at < len(p.text) && p.text[at]-'0' <= 9 }
	end := p.at + len(word)
	switch {
	case name != word:
		return false
	case !strings.Contains("EWIDFV", name): // SAP HANA has them small
		return strings.Contains("ewidf", name) && p.dated && after == ' ' && p.text[0] == '[' && strings.Contains(p.text[:min(32, p.at)], "]{")
	case p.words == 0 && after == ' ' && (before == '[' && digit(end+1) || p.at == 0 && strings.HasPrefix(p.text[end:], " [") && digit(end+2)):
		return true // Jupyter, Tornado; CUPS
	case p.at == 0 && strings.HasPrefix(p.text[end:], ": ("): // Kermit
		return true
	case p.dated && (before == '[' && after == ']' || column && p.text[0] == '['): // Go's of old; WebSphere
		return true
	case p.dated && p.words == 0 && after == '/' && strings.Contains(p.text[end:], "): "), p.dated && after == ' ' && pidAndThread.MatchString(p.text[:p.at]):
		return true // Android's: W/Tag( 123): text
	}
	return !p.plain && (p.dated && after == ' ' || bracketed && after != ' ' || after == ',' && p.words == 0)
}

// pidAndThread are what Android has before a level.
var pidAndThread = regexp.MustCompile(`\d+ +\d+ $`)

// isFacility reports whether the word is facility and severity of syslog, as daemon.err.
func (p *prefix) isFacility(word string) bool {
	facility, _, ok := strings.Cut(word, ".")
	if !ok || !p.dated {
		return false
	}
	switch facility {
	case "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp":
		return true
	}
	return len(facility) == len("local0") && strings.HasPrefix(facility, "local")
}

// code returns the name of the level that some have as a code with brackets: ESX's
// Er(14) behind its time, and SSSD's bits (0x0020).
func (p *prefix) code(word string) string {
	end := p.at + len(word)
	if p.words == 0 && p.dated && strings.HasPrefix(p.text[end:], "(") {
		number, _, ok := strings.Cut(p.text[end+1:], ")")
		if ok && len(number) <= 3 && number != "" && strings.Trim(number, "0123456789") == "" {
			return esxLevels[word]
		}
	}
	if p.text[0] == '(' && p.dated && len(word) == len("0x0020") && p.text[p.at-1] == '(' && strings.HasPrefix(p.text[end:], "): ") {
		return sssdLevels[word]
	}
	return ""
}

// wide reports whether what stands between before and after is a column of a table.
func wide(before, after string) bool {
	gap := func(s string) bool { return s == "  " || strings.Contains(s, "\t") }
	left, right := gap(before[max(0, len(before)-2):]), gap(after[:min(2, len(after))])
	return left && right || len(before) > 1 && (left || right) && before[0] == '['
}

// inScope reports whether a text is that between a level and its message: "(http): "
// of Zig, "[E0308]: " of Rust.
func inScope(s string) bool {
	if s == "" || s[0] != '(' && s[0] != '[' {
		return false
	}
	end := strings.Index(s, "): ")
	if s[0] == '[' {
		end = strings.Index(s, "]: ")
	}
	return end > 1 && !strings.ContainsAny(s[:end], " \t")
}

// isCode reports whether a text begins with the code of an error: "TS2304: ".
func isCode(s string) bool {
	code, _, ok := strings.Cut(s, ":")
	letters := strings.TrimRight(code, "0123456789")
	return ok && len(letters) < len(code) && letters != "" && strings.Trim(letters, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// takeStream reads what Kubernetes (CRI) has behind its time: "stdout F".
func (p *prefix) takeStream(d *parts) {
	for _, stream := range []string{"stdout", "stderr"} {
		rest, ok := strings.CutPrefix(p.text[p.at:], " "+stream+" ")
		if ok && len(rest) > 1 && (rest[0] == 'F' || rest[0] == 'P') && rest[1] == ' ' {
			d.add("stream", stream)
			p.take(len(p.text) - len(rest) + 1)
		}
	}
}

// redis reads the sign that Redis has for a level behind its time.
func (p *prefix) redis(d *parts) bool {
	sign := strings.TrimPrefix(p.text[p.at:], " ")
	if p.words == 0 || len(sign) < 2 || sign[1] != ' ' || p.text[0]-'0' > 9 || !strings.Contains(p.text[:p.at], ":") {
		return false
	}
	switch sign[0] {
	case '#':
		d.levelText, d.level = "warning", slog.LevelWarn
	case '*':
		d.levelText, d.level = "notice", levelNotice
	case '-', '.':
		d.levelText, d.level = "debug", slog.LevelDebug
	default:
		return false
	}
	d.ranked = true
	return true
}

// readSecondLine reads the level of java.util.logging's lines.
func (d *parts) readSecondLine(text string) {
	_, second, _ := strings.Cut(text, "\n")
	word, _, ok := strings.Cut(second, ":")
	if !ok || len(word) > 12 || strings.ToUpper(word) != word {
		return
	}
	if level, ok := rankName(word, nil); ok {
		d.levelText, d.level, d.ranked = word, level, true
	}
}

// rest returns the message: the line without the time and level at its start.
func (p *prefix) rest() string {
	if p.message == 0 {
		return p.text
	}
	rest := p.text[p.message:]
	for len(rest) > 0 {
		if n := colorLen(rest); n > 0 {
			rest = rest[n:]
			continue
		}
		if closed := strings.TrimLeft(rest, " "); strings.HasPrefix(closed, "]") {
			rest = closed
		}
		if strings.IndexByte("])>:,;|", rest[0]) < 0 {
			break
		}
		rest = rest[1:]
	}
	rest = strings.TrimLeft(rest, " \t")
	switch {
	case p.text[0] == '"': // what is left of a table
		rest = strings.TrimLeft(rest, `",; `)
		if strings.Count(rest, `"`)%2 == 1 {
			rest = strings.TrimSuffix(rest, `"`)
		}
	case p.text[p.message:] == rest: // behind E of E/Tag
		rest = strings.TrimPrefix(rest, "/")
	}
	for {
		after := strings.TrimLeft(rest, "-|:")
		if len(after) == len(rest) || after == "" || after[0] != ' ' {
			break
		}
		rest = strings.TrimLeft(after, " \t")
	}
	if end := strings.IndexAny(rest, "[]\n"); end >= 0 && rest[end] == ']' {
		return "[" + rest // the time was not alone in its brackets
	}
	if strings.TrimSpace(rest) == "" {
		return p.text
	}
	return rest
}

// clockLen returns the length of a time of day without a date, 0 if there is none.
func clockLen(s string) int {
	d, rest, ok := cutClock(date{}, " "+s)
	if !ok || d.hour > 24 || d.minute > 59 || d.second > 60 {
		return 0
	}
	return len(s) - len(rest)
}
