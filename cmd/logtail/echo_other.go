//go:build !(linux || darwin || freebsd || netbsd || openbsd)

package main

import "os"

// withoutEcho leaves the terminal as it is.
func withoutEcho(*os.File) (restore func()) { return func() {} }
