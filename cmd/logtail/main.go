// Logtail shows the records that slogcast handlers broadcast over RabbitMQ, or
// archives them.
package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	// A closed pipe is then an error of the write, see isClosedPipe, and not the
	// end of the program.
	signal.Ignore(syscall.SIGPIPE)
	// After the first signal the next one ends the program the usual way.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// Exit codes.
const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

// run is the whole program. It returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ui := newUI(stdin, stdout, stderr)
	root := newRoot(ui)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	ui.clear()
	if usage, ok := errors.AsType[*usageError](err); ok {
		ui.error(usage)
		ui.hint("see " + usage.command + " --help")
		return exitUsage
	}
	switch {
	case err == nil:
		return exitOK
	case isClosedPipe(err):
		// The reader, head for one, has seen enough.
		return exitOK
	}
	ui.error(err)
	return exitError
}

// isClosedPipe reports whether nobody reads what is written.
func isClosedPipe(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe)
}
