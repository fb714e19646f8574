package main

import (
	"github.com/spf13/pflag"

	"github.com/slogcast/slogcast/sink"
	"github.com/slogcast/slogcast/sink/filter"
)

// filterFlags say which records are of interest.
type filterFlags struct{ level level }

func (f *filterFlags) register(set *pflag.FlagSet) {
	set.VarP(&f.level, "level", "l", "records of this `LEVEL` and above: debug, info, warn, error")
}

// filter returns what the flags say, or nil if they say nothing.
func (f *filterFlags) filter() func(*sink.Record) bool {
	if !f.level.set {
		return nil
	}
	return filter.AtLeast(f.level.Level)
}
