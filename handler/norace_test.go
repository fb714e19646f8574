//go:build !race

package handler

// raceEnabled tells that the race detector is off.
const raceEnabled = false
