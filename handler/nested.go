package handler

import (
	"runtime"
	"strings"
	"sync/atomic"
)

// A function of the program's that is called while a record is encoded may log
// through the Handler, and that record calls it again. Who does so without an end
// would exhaust the stack, which no recover can catch, or double the records with
// each step: so a record that is logged from such a function is one like any other,
// and one that is logged while that is encoded is given up, and counted.
const (
	// mostNested is how many encodings may stand on a stack where ReplaceAttr or
	// ContextAttrs are called, for each attribute.
	mostNested = 2

	// mostDeep is the same where values' own methods are: LogValue, Error,
	// MarshalJSON. A stack of less than deepStack frames has no more.
	mostDeep  = 32
	deepStack = 400
)

// inside counts the encodings that call ReplaceAttr or ContextAttrs at this moment,
// of all Handlers: while there are none, no record is nested.
var inside atomic.Int32

// nesting returns how many encodings stand on the stack, as far as it is looked at.
func nesting() (n int) {
	var pcs [2048]uintptr
	for _, pc := range pcs[:runtime.Callers(2, pcs[:])] {
		if f := runtime.FuncForPC(pc - 1); f != nil && encodes(f.Name()) {
			n++
		}
	}
	return n
}

// connects reports whether the publisher waits for a function that is on the stack:
// Credentials, or one of TLS. One that logs must not wait for the room that only a
// connection makes.
func connects() bool {
	var pcs [256]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for {
		f, more := frames.Next()
		if strings.HasSuffix(f.Function, "/link.(*logins).call") || strings.Contains(f.Function, "/link.Config.shakeHands.") {
			return true
		}
		if !more {
			return false
		}
	}
}

// encodes reports whether the function of the name encodes.
func encodes(name string) bool {
	return strings.HasSuffix(name, "/handler.(*encoder).record") || strings.HasSuffix(name, "/handler.(*format).withAttrs")
}

// deep reports whether the stack is so deep that it may have no end.
func deep() bool {
	var pc [1]uintptr
	return runtime.Callers(deepStack, pc[:]) > 0 && nesting() >= mostDeep
}
