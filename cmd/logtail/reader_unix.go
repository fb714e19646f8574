//go:build unix

package main

import (
	"context"
	"os"

	"golang.org/x/sys/unix"
)

// whenUnread calls end when nobody can read any more what is written to a pipe
// or socket: the reader, head for one, has gone. A write would tell, too, but on
// a quiet exchange none comes.
func whenUnread(ctx context.Context, f *os.File, end func()) {
	info, err := f.Stat()
	if err != nil || info.Mode()&(os.ModeNamedPipe|os.ModeSocket) == 0 {
		return
	}
	go func() {
		// A second is as long as this goroutine outlives ctx.
		const second = 1000
		fds := []unix.PollFd{{Fd: int32(f.Fd())}}
		for ctx.Err() == nil {
			n, err := unix.Poll(fds, second)
			switch {
			case err == unix.EINTR || n == 0:
			case err != nil || fds[0].Revents&unix.POLLNVAL != 0:
				return
			default: // POLLERR, POLLHUP
				end()
				return
			}
		}
	}()
}
