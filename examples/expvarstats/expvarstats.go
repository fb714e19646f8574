// Package expvarstats shows what became of a program's records in /debug/vars.
package expvarstats

import (
	"expvar"

	"github.com/slogcast/slogcast/handler"
)

// Publish has expvar show the counts of a handler under a name, as JSON. It panics
// when the name is taken, as expvar does.
func Publish(name string, h *handler.Handler) {
	expvar.Publish(name, expvar.Func(func() any { return h.Stats() }))
}
