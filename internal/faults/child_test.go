package faults

import (
	"fmt"
	"os"
)

// childVariable names what this binary does instead of testing, when a test
// has started it.
const childVariable = "SLOGCAST_FAULTS_CHILD"

func child(what string) int {
	fmt.Fprintf(os.Stderr, "%s: no such child\n", what)
	return 2
}
