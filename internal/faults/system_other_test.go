//go:build !unix

package faults

import (
	"errors"
	"os"
)

// There is no private node on these systems, and so no full part.

func pause(*os.Process)     {}
func resume(*os.Process)    {}
func interrupt(*os.Process) {}
func terminate(*os.Process) {}

func allowFiles(bool) error { return errors.ErrUnsupported }
