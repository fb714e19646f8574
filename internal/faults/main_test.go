package faults

import (
	"flag"
	"os"
	"testing"

	"github.com/slogcast/slogcast/internal/brokertest"
)

var (
	full      = flag.Bool("full", false, "run the full part of the fault suite")
	tableFile = flag.String("table", "", "write the full part's table to `FILE`, too")
)

func TestMain(m *testing.M) {
	// The faults that need a process to kill or to measure run this binary again.
	if what := os.Getenv(childVariable); what != "" {
		os.Exit(child(what))
	}
	brokertest.Main(m)
}
