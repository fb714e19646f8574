package sink

import (
	"errors"

	"github.com/slogcast/slogcast/internal/link"
)

// ErrKeys is the cause of an Error about an exchange that delivers nothing to a
// queue without Config.Keys.
var ErrKeys = errors.New("binding keys are needed")

// Error is trouble with the broker or with what Tail was given, in words for
// people. No text of it holds a password; what a peer has said stands in quotes.
type Error struct {
	Problem string // what failed
	Hint    string // what to do about it; may be empty
	Retry   bool   // Tail tries again by itself, and that may help

	err error
}

// Error returns the problem, with the hint in brackets.
func (e *Error) Error() string {
	if e.Hint == "" {
		return e.Problem
	}
	return e.Problem + " (" + e.Hint + ")"
}

// Unwrap returns the cause, an error of package net or crypto/tls, say.
func (e *Error) Unwrap() error { return e.err }

// explain returns an error as it may be shown to others.
func explain(err error) error {
	known, ok := errors.AsType[*link.Error](err)
	if !ok {
		return err
	}
	return &Error{Problem: known.Problem, Hint: known.Hint, Retry: !known.Fatal, err: errors.Unwrap(known)}
}

// Stalled is the error of a Tail whose Writer did not return some time after ctx
// had ended. The Writer is still running: nothing that it uses may be closed, or
// used beside it, before Done is closed.
type Stalled struct {
	Done <-chan struct{} // closed when the Writer has returned
}

func (e *Stalled) Error() string {
	return "the output takes nothing; the last records were not written"
}
