//go:build unix

package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

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
