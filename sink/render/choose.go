package render

import (
	"path"
	"strings"
)

// hides reports whether a column of the line is hidden.
func (t *Terminal) hides(column string) bool {
	return len(t.opts.Hide) > 0 && chosen(t.opts.Hide, column) && !chosen(t.opts.Show, column)
}

// visible reports whether the attribute with the dotted key is shown.
func (t *Terminal) visible(key string) bool {
	switch hide, show := t.opts.Hide, t.opts.Show; {
	case len(hide) == 0 && len(show) == 0:
		return true
	case chosen(show, key):
		return true
	case len(hide) == 0:
		return false
	default:
		return !chosen(hide, key)
	}
}

// chosen reports whether one of the patterns is of the key, or of a group it is in.
func chosen(patterns []string, key string) bool {
	for _, p := range patterns {
		if strings.HasPrefix(key, p) && (len(key) == len(p) || key[len(p)] == '.') {
			return true
		}
		if !strings.ContainsAny(p, "*?[") {
			continue
		}
		if ok, err := path.Match(p, key); ok && err == nil {
			return true
		}
	}
	return false
}
