//go:build unix

package faults

import (
	"os"
	"syscall"
)

func pause(p *os.Process)     { _ = p.Signal(syscall.SIGSTOP) }
func resume(p *os.Process)    { _ = p.Signal(syscall.SIGCONT) }
func interrupt(p *os.Process) { _ = p.Signal(os.Interrupt) }
