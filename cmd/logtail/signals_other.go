//go:build !unix

package main

import (
	"context"
	"os"
	"time"

	"github.com/spf13/cobra"
)

// stopSignals tells of nothing where a process can't be stopped.
func stopSignals() (stopped <-chan os.Signal, resume func(os.Signal)) {
	return nil, func(os.Signal) {}
}

// onRequest does nothing where there is no SIGUSR1.
func onRequest(context.Context, func(now time.Time)) {}

var reopenSignal os.Signal // there is none

func notify(chan<- os.Signal) {}

func endOnHangup(*cobra.Command) {}
