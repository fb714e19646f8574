//go:build unix

package bench

import (
	"runtime"
	"syscall"
	"time"
)

// cpuTime returns the processor time that this process has used.
func cpuTime() time.Duration {
	r := rusage()
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// maxRSS returns the most memory that was resident, in bytes.
func maxRSS() int {
	const darwin = runtime.GOOS == "darwin" // there it is in bytes, elsewhere in KiB
	if n := int(rusage().Maxrss); darwin {
		return n
	} else {
		return n << 10
	}
}

func rusage() (r syscall.Rusage) {
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r) // fails for a bad argument only
	return r
}
