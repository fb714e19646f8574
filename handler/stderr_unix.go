//go:build unix

package handler

import (
	"os"
	"syscall"
)

// writeStderr writes a line to standard error, past os.Stderr: when nobody reads
// what that writes, the program is ended by SIGPIPE (package os/signal).
func writeStderr(line []byte) {
	raw, err := os.Stderr.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Write(func(fd uintptr) bool { // there is nobody to tell
		_, _ = syscall.Write(int(fd), line)
		return true
	})
}
