//go:build !unix

package archive

import (
	"os"
	"syscall"
)

const openFlags = 0

// errFull is the error of a disk without room: ERROR_DISK_FULL of Windows.
const errFull = syscall.Errno(112)

// ignoreUnsupported passes over every error: a directory can't be synced here,
// and need not be.
func ignoreUnsupported(error) error { return nil }

// links can't be told here, and an open file can't be removed.
func links(os.FileInfo) int { return 1 }

func foreign(os.FileInfo) error { return nil }
