//go:build unix

package faults

import (
	"os"
	"syscall"
)

func pause(p *os.Process)     { _ = p.Signal(syscall.SIGSTOP) }
func resume(p *os.Process)    { _ = p.Signal(syscall.SIGCONT) }
func interrupt(p *os.Process) { _ = p.Signal(os.Interrupt) }
func terminate(p *os.Process) { _ = p.Signal(syscall.SIGTERM) }

// wasAllowed is how many files this process may have open.
var wasAllowed syscall.Rlimit

// allowFiles says whether this process may open files.
func allowFiles(may bool) error {
	if may {
		return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &wasAllowed)
	}
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &wasAllowed); err != nil {
		return err
	}
	none := wasAllowed
	none.Cur = 3 // what is open stays open; the first three are
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &none)
}
