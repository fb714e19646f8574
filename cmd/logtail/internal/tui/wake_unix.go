//go:build unix

package tui

import "syscall"

// wake tells this process to go on.
func wake() { _ = syscall.Kill(syscall.Getpid(), syscall.SIGCONT) } // it exists
