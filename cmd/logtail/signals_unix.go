//go:build unix

package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
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
		goesOn := make(chan os.Signal, 1)
		signal.Notify(goesOn, syscall.SIGCONT)
		defer signal.Stop(goesOn)
		// This process exists. It may run on for a moment, until it stops.
		_ = syscall.Kill(syscall.Getpid(), syscall.SIGSTOP)
		<-goesOn
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

const reopenSignal = syscall.SIGHUP

// notify tells of the signals to an archive.
func notify(signals chan<- os.Signal) { signal.Notify(signals, syscall.SIGHUP, syscall.SIGUSR1) }

// endOnHangup ends a command when its terminal goes away. To an archive the
// signal says something else.
func endOnHangup(cmd *cobra.Command) {
	if file := cmd.Flags().Lookup("file"); file != nil && file.Value.String() != "" {
		return
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGHUP)
	context.AfterFunc(ctx, stop)
	cmd.SetContext(ctx)
}
