// Package filter says which records are of interest: the one language of all
// commands of logtail.
package filter

import (
	"log/slog"

	"github.com/slogcast/slogcast/sink"
)

// Func reports whether a record is of interest. It keeps nothing of it.
type Func func(*sink.Record) bool

// AtLeast passes records of the level and above. A record without a level counts
// as INFO; one whose level can't be ranked passes.
func AtLeast(level slog.Leveler) Func {
	return func(r *sink.Record) bool {
		l, known := r.Level()
		return !known || l >= level.Level()
	}
}
