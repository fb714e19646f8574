//go:build !unix

package archive

import (
	"errors"
	"os"
	"syscall"
)

const openFlags = 0

// isFull reports whether an error is that of a disk without room: ERROR_DISK_FULL of
// Windows.
func isFull(err error) bool { return errors.Is(err, syscall.Errno(112)) }

// ignoreUnsupported passes over every error: a directory can't be synced here,
// and need not be.
func ignoreUnsupported(error) error { return nil }

// links can't be told here, and an open file can't be removed.
func links(os.FileInfo) int { return 1 }

func foreign(os.FileInfo) error { return nil }
