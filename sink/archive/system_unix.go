//go:build unix

package archive

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// openFlags refuse a symbolic link that appeared since it was looked for, and
// do not wait for a pipe.
const openFlags = syscall.O_NOFOLLOW | syscall.O_NONBLOCK

// isFull reports whether an error is that of a disk without room, or of who may
// have no more of it.
func isFull(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// ignoreUnsupported passes over a file system that can't fsync a directory.
func ignoreUnsupported(err error) error {
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		return nil
	}
	return err
}

// links returns how many names a file has.
func links(info os.FileInfo) int {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(s.Nlink)
	}
	return 1
}

// foreign says why a file is not ours alone, nil when it is.
func foreign(info os.FileInfo) error {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	if uid := os.Geteuid(); int(s.Uid) != uid {
		return fmt.Errorf("it belongs to user %d, and logtail runs as %d: chown it or name another file", s.Uid, uid)
	}
	return nil
}
