package sink

import "log/slog"

// Filter says which records are of interest. The zero Filter passes all.
type Filter struct {
	// Level passes records of this level and above. A record without a level
	// counts as INFO. If nil, every level passes.
	Level slog.Leveler
}

// Pass reports whether the record is of interest.
func (f *Filter) Pass(r *Record) bool {
	return f.Level == nil || r.Level() >= f.Level.Level()
}
