//go:build !unix

package main

import (
	"os"

	"github.com/spf13/cobra"
)

var reopenSignal os.Signal // there is none

func notify(chan<- os.Signal) {}

func endOnHangup(*cobra.Command) {}
