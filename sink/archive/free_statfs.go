//go:build linux || darwin || freebsd || dragonfly

package archive

import (
	"fmt"
	"syscall"
)

// free returns the bytes of the disk with the folder: how many there are for us,
// and in all.
func free(dir string) (left, all uint64, err error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, 0, fmt.Errorf("look at the disk of %s: %w", dir, err)
	}
	return uint64(s.Bavail) * uint64(s.Bsize), uint64(s.Blocks) * uint64(s.Bsize), nil
}
