//go:build !unix

package main

import (
	"context"
	"os"
)

// whenUnread does nothing where there is no poll: the next write tells.
func whenUnread(context.Context, *os.File, func()) {}
