package tui

import (
	"errors"
	"regexp"
	"strings"

	"github.com/slogcast/slogcast/sink/filter"
)

// word is a word of the filter line, without its quotes.
type word struct {
	text string
	at   []int // where each byte of it, and its end, is in the line
}

// splitWords divides a line into words as a shell does: by spaces, but for those
// in quotes or behind a backslash.
func splitWords(line string) (words []word, err error) {
	var text []byte
	var at []int
	begun := false
	quote, opened := byte(0), 0
	end := func(i int) {
		if n := len(at); n > 0 {
			i = at[n-1] + 1 // before a quote
		}
		if begun {
			words = append(words, word{string(text), append(at, i)})
		}
		text, at, begun = nil, nil, false
	}
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case quote != 0 && c == quote:
			quote = 0
			continue
		case quote == 0 && (c == '\'' || c == '"'):
			quote, opened, begun = c, i, true
			continue
		case quote == 0 && (c == ' ' || c == '\t'):
			end(i)
			continue
		case quote != '\'' && c == '\\' && i+1 < len(line) && (quote == 0 || line[i+1] == '"' || line[i+1] == '\\'):
			i++
			c = line[i]
		}
		begun = true
		text, at = append(text, c), append(at, i)
	}
	if quote != 0 {
		return nil, &lineError{at: opened, problem: "this quote is not closed"}
	}
	end(len(line))
	return words, nil
}

// quoteWord returns a word as splitWords reads it.
func quoteWord(text string) string {
	if text != "" && !strings.ContainsAny(text, " \t'\"\\") {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// JoinWords returns the line of these words.
func JoinWords(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = quoteWord(w)
	}
	return strings.Join(quoted, " ")
}

// lineError is a mistake in the filter line.
type lineError struct {
	at      int // in bytes; negative when it has no place
	problem string
}

func (e *lineError) Error() string { return e.problem }

// plainText is a line of words that can hardly be meant as an expression.
var plainText = regexp.MustCompile(`^[\pL\pN_][\pL\pN_./:@-]*( [\pL\pN_./:@-]+)*$`)

// operators are the words that make an expression of a line of words.
var operators = regexp.MustCompile(`\b(and|or|not|in|contains|matches|startsWith|endsWith|let|nil|true|false)\b`)

// filterWords returns what a line says as flags. One that does not begin with a
// flag is a level, a text to look for when it is of plain words, or an expression.
func filterWords(line string) ([]word, error) {
	line = strings.TrimRight(line, " \t")
	start := len(line) - len(strings.TrimLeft(line, " \t"))
	rest := line[start:]
	flag := ""
	if _, _, err := filter.ParseLevel(rest); err == nil {
		flag = "-l"
	} else if plainText.MatchString(rest) && !operators.MatchString(rest) {
		flag = "-g"
	} else if rest != "" && rest[0] != '-' {
		flag = "-w"
	}
	if flag == "" {
		return splitWords(line)
	}
	whole := word{text: rest}
	for i := range len(rest) + 1 {
		whole.at = append(whole.at, start+i)
	}
	return []word{{text: flag, at: []int{start, start, start}}, whole}, nil
}

// fullLine returns a line with the flag that it has left out, but for that of an
// expression.
func fullLine(line string) string {
	words, err := filterWords(line)
	if err != nil || len(words) == 0 || words[0].text == "-w" {
		return strings.TrimSpace(line)
	}
	return JoinWords(textsOf(words))
}

func textsOf(words []word) []string {
	texts := make([]string, len(words))
	for i, w := range words {
		texts[i] = w.text
	}
	return texts
}

// compileLine returns the filter that a line means, nil for none. An error is a
// *lineError.
func compileLine(line string, compile func([]string) (*filter.Filter, error)) (*filter.Filter, error) {
	words, err := filterWords(line)
	if err != nil || len(words) == 0 {
		return nil, err
	}
	f, err := compile(textsOf(words))
	if err == nil {
		return f, nil
	}
	mistake, ok := errors.AsType[*filter.Error](err)
	if !ok {
		return nil, &lineError{-1, err.Error()}
	}
	return nil, &lineError{placeOf(mistake, words), mistake.Problem}
}

// placeOf returns where in the line a mistake is, or -1.
func placeOf(mistake *filter.Error, words []word) int {
	for _, w := range words {
		if before, ok := strings.CutSuffix(w.text, mistake.Text); ok && mistake.Text != "" {
			return w.at[len(before)+mistake.Offset]
		}
	}
	return -1
}
