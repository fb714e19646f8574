//go:build !unix

package handler

import "os"

// writeStderr writes a line to standard error.
func writeStderr(line []byte) { _, _ = os.Stderr.Write(line) } // there is nobody to tell
