//go:build !unix

package main

import (
	"os"
	"syscall"
)

// testSignals are those that a script sends, by name.
var testSignals = map[string]os.Signal{"INT": os.Interrupt, "TERM": syscall.SIGTERM}
