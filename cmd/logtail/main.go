// Logtail shows the records that slogcast handlers broadcast over RabbitMQ, or
// archives them.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	_ "golang.org/x/crypto/x509roots/fallback" // for TLS where the system has no certificates: an image from scratch
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A closed pipe is then an error of the write, see isClosedPipe, and not the
	// end of the program.
	signal.Ignore(syscall.SIGPIPE)
	// After the first signal the next one ends the program the usual way.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// Exit codes.
const (
	exitOK      = 0 // ended as asked
	exitError   = 1
	exitUsage   = 2 // a mistake on the command line, in the environment or in the configuration
	exitVerdict = 3 // the records are not as they should be, see verdictError
)

// verdictError is the end of a command that has done its work and found what it
// was told to look for: --fail-on, --expect, --fail-on-gap, verify.
type verdictError struct{ err error }

func (e *verdictError) Error() string { return e.err.Error() }
func (e *verdictError) Unwrap() error { return e.err }

// usageError is the user's mistake on the command line or in the environment.
type usageError struct {
	err     error
	command string // whose help says more; empty: the one that was run
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error {
	return &usageError{err: fmt.Errorf(format, args...)}
}

// run is the whole program. It returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ui := newUI(stdin, stdout, stderr)
	if zone, problem := localZone(); problem != "" {
		ui.notice("%s", problem)
	} else if zone != nil {
		time.Local = zone
	}
	server, args := takeServer(args)
	root := newRoot(ui, server)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	ui.status("")
	usage, isUsage := errors.AsType[*usageError](err)
	if err != nil && !isUsage && !ui.parsed {
		usage, isUsage = &usageError{err: err}, true // cobra's own
	}
	_, isVerdict := errors.AsType[*verdictError](err)
	switch {
	case err == nil:
		return exitOK
	case isUsage:
		ui.error(err)
		ui.hint("see " + cmp.Or(usage.command, cmd.CommandPath()) + " --help")
		return exitUsage
	case isClosedPipe(err):
		// The reader, head for one, has seen enough.
		return exitOK
	case isVerdict:
		ui.error(err)
		return exitVerdict
	}
	ui.error(err)
	return exitError
}

// isClosedPipe reports whether nobody reads what is written.
func isClosedPipe(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe)
}
