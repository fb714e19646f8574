//go:build unix

package archive

import (
	"errors"
	"syscall"
)

// noFollow refuses a symbolic link that appeared since it was looked for.
const noFollow = syscall.O_NOFOLLOW

// ignoreUnsupported passes over a file system that can't fsync a directory.
func ignoreUnsupported(err error) error {
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		return nil
	}
	return err
}
