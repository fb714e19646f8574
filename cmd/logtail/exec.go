package main

import (
	"bytes"
	"context"
	"os/exec"
	"time"

	"github.com/slogcast/slogcast/sink"
)

// execGrace is how long a command of --exec may go on after the records end.
const execGrace = 5 * time.Second

// runner runs the command of --exec for records, one at a time. The goroutine
// that hands it records owns it; one other waits for the command that runs.
type runner struct {
	*ui
	command string // immutable

	stop    context.CancelFunc // of the command that runs
	done    chan error         // what became of it; nil when none has run
	skipped int                // records that came meanwhile
	problem string             // of the last command, which has been told
}

// offer runs the command for a record, unless it still runs for another one.
func (x *runner) offer(r *sink.Record) {
	select {
	case err := <-x.done:
		x.ended(err)
	default:
		if x.done != nil {
			x.skipped++
			return
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "sh", "-c", x.command)
	cmd.Stdin = bytes.NewReader(r.AppendLine(nil))
	out := &lines{write: func(line string) { x.line("exec: ", line) }}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.WaitDelay = time.Second
	inGroup(cmd)
	x.stop, x.done = stop, make(chan error, 1)
	go func(done chan<- error) {
		err := cmd.Run()
		out.flush()
		done <- err
	}(x.done)
}

// ended tells once of each problem that follows another.
func (x *runner) ended(err error) {
	x.stop()
	x.done = nil
	problem := ""
	if err != nil {
		problem = err.Error()
	}
	if problem != "" && problem != x.problem {
		x.notice("the command of --exec: %s", problem)
	}
	x.problem = problem
}

// finish waits for the command that runs, until ctx has ended or it has taken
// execGrace, and kills it then.
func (x *runner) finish(ctx context.Context) {
	if x.done != nil {
		timer := time.NewTimer(execGrace)
		defer timer.Stop()
		select {
		case err := <-x.done:
			x.ended(err)
		case <-ctx.Done():
			x.kill()
		case <-timer.C:
			x.kill()
		}
	}
	if x.skipped > 0 {
		x.notice("the command of --exec was not run for %d records, which came while it ran for others", x.skipped)
	}
}

func (x *runner) kill() {
	x.stop()
	<-x.done
	x.done = nil
	x.notice("the command of --exec still ran, and was killed")
}

// lines is a Writer that hands on whole lines, of 4 KiB at most.
type lines struct {
	write func(string)
	rest  []byte
}

func (l *lines) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		part, rest, ended := bytes.Cut(p, []byte{'\n'})
		p = rest
		l.rest = append(l.rest, part[:min(len(part), 4096-len(l.rest))]...)
		if ended {
			l.write(string(l.rest))
			l.rest = l.rest[:0]
		}
	}
	return n, nil
}

// flush hands on what has no end of line.
func (l *lines) flush() {
	if len(l.rest) > 0 {
		l.write(string(l.rest))
		l.rest = nil
	}
}
