package tui

import (
	"github.com/slogcast/slogcast/cmd/logtail/internal/view"
	"github.com/slogcast/slogcast/sink/filter"
)

// choice is what is shown of the rows. A copy of it stays as it is but for the
// apps.
type choice struct {
	line   string          // of the filter, as it was given
	filter *filter.Filter  // what it means; nil for all
	levels [4]bool         // hidden
	apps   map[string]bool // whether they are hidden
	others bool            // apps that are not among these are hidden
	lifted bool            // all is shown for a while, around a match
}

// chooses reports whether something is hidden, by whatever.
func (c *choice) chooses() bool {
	return c.filter != nil && !c.filter.All() || c.levels != [4]bool{} || len(c.apps) > 0
}

// hides reports whether an app is hidden.
func (c *choice) hides(app string) bool {
	if hidden, ok := c.apps[app]; ok {
		return hidden
	}
	return c.others
}

// passFact reports whether a row may be shown, by what is known without reading
// it. What is no record is always shown, and so is one of an unknown level.
func (c *choice) passFact(f *facts, known *fact) bool {
	switch {
	case c.lifted || known.level == levelNotice:
		return true
	case int(known.level) < len(c.levels) && c.levels[known.level]:
		return false
	}
	return len(c.apps) == 0 || !c.hides(f.apps[known.app])
}

// passRow reports whether the filter passes a row.
func (c *choice) passRow(row *view.Row) bool {
	return c.lifted || c.filter == nil || row.Kind != view.Record || c.filter.Pass(row.Record)
}

// pass judges a row by all.
func (c *choice) pass(row *view.Row) bool {
	l := levelOf(row)
	if l != levelNotice && (int(l) < len(c.levels) && c.levels[l] || c.hides(row.Record.App)) {
		return false
	}
	return c.passRow(row)
}
