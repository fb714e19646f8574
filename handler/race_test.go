//go:build race

package handler

// raceEnabled tells that the race detector, which allocates, is on.
const raceEnabled = true
