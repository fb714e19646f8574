//go:build !unix

package tui

// wake does nothing: no process is stopped here.
func wake() {}
