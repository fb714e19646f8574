//go:build unix

package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// stopSignals returns a channel that tells of Ctrl-Z, and a function that then
// stops this process and returns when it goes on. Called with nil it ends that:
// Ctrl-Z does again what it does to others.
func stopSignals() (stopped <-chan os.Signal, resume func(os.Signal)) {
	signals := make(chan os.Signal, 1)
	if !signal.Ignored(syscall.SIGTSTP) {
		signal.Notify(signals, syscall.SIGTSTP)
	}
	return signals, func(s os.Signal) {
		if s == nil {
			signal.Stop(signals)
			return
		}
		_ = syscall.Kill(syscall.Getpid(), syscall.SIGSTOP) // it exists
	}
}

// onRequest calls tell for each SIGUSR1, until ctx ends.
func onRequest(ctx context.Context, tell func(now time.Time)) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	go func() {
		defer signal.Stop(signals)
		for {
			select {
			case <-signals:
				tell(time.Now())
			case <-ctx.Done():
				return
			}
		}
	}()
}
