package sink

import "strings"

// stackOf returns a value as the lines of a stack: a text of several lines, an
// array of lines, or one of frames. Anything else is none.
func stackOf(v Value) (string, bool) {
	switch v[0] {
	case '"':
		text := lines(v.Text())
		return text, strings.Contains(text, "\n")
	case '[':
		return stackOfArray(v)
	}
	return "", false
}

func stackOfArray(v Value) (string, bool) {
	var b []byte
	n := 0
	for element := range v.Elements() {
		var line string
		switch element[0] {
		case '"':
			line = element.Text()
		case '{':
			line = frame(element)
		}
		if line == "" {
			return "", false
		}
		if n++; n > 1 {
			b = append(b, '\n')
		}
		b = append(b, lines(line)...)
	}
	return string(b), n > 1 || strings.ContainsAny(string(b), " \t\n")
}

// Keys of a frame of a stack.
var (
	functionKeys = []string{"func", "function", "method", "methodName", "name"}
	classKeys    = []string{"class", "className", "module"}
	fileKeys     = []string{"file", "fileName", "filename", "source", "path"}
	lineKeys     = []string{"line", "lineNumber", "lineno"}
)

// frame returns a frame of a stack that is an object as a line, "" if it is none.
func frame(v Value) string {
	text := func(keys []string) string {
		for _, key := range keys {
			if found, ok := first(v, key); ok && (found[0] == '"' || found.Kind() == Number) {
				return found.Text()
			}
		}
		return ""
	}
	function, file := text(functionKeys), text(fileKeys)
	if class := text(classKeys); class != "" && function != "" {
		function = class + "." + function
	}
	if function == "" || file == "" && text(lineKeys) == "" {
		return ""
	}
	if line := text(lineKeys); line != "" {
		file += ":" + line
	}
	return "    at " + function + " (" + file + ")"
}

// lines returns text with \n alone at the ends of its lines, and none at its end.
func lines(text string) string {
	if strings.Contains(text, "\r\n") {
		text = strings.ReplaceAll(text, "\r\n", "\n")
	}
	return strings.TrimRight(text, "\r\n")
}

// cutStack cuts a stack off a message of several lines: everything from the
// first line that looks like a part of one, or like what comes before one.
func cutStack(text string) (message, stack string) {
	if strings.IndexByte(text, '\n') < 0 {
		return text, ""
	}
	text = lines(text)
	for at := strings.IndexByte(text, '\n'); at >= 0; {
		rest := text[at+1:]
		line, _, _ := strings.Cut(rest, "\n")
		if startsStack(line) {
			return text[:at], rest
		}
		next := strings.IndexByte(rest, '\n')
		if next < 0 {
			break
		}
		at += 1 + next
	}
	return text, ""
}

// stackMarks are what lines of a stack, or those above it, begin with.
var stackMarks = []string{"at ", "at: ", "File \"", "Caused by", "Traceback (", "goroutine ", "Stack trace", "stack backtrace", "from ", "#0 ", "... ", "panic: ", "--> ", "** (", "[stacktrace]", "Exception in thread "}

func startsStack(line string) bool {
	line = strings.TrimLeft(line, " \t")
	for _, mark := range stackMarks {
		if strings.HasPrefix(line, mark) {
			return true
		}
	}
	word, _, _ := strings.Cut(line, ":")
	return !strings.Contains(word, " ") && (strings.HasSuffix(word, "Exception") || strings.HasSuffix(word, "Error"))
}
