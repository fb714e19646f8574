package handler

import (
	"errors"

	"github.com/slogcast/slogcast/internal/link"
)

// ErrClosed is returned by Handle after Close. The record is counted as dropped.
var ErrClosed = errors.New("handler: closed")

// Error is trouble with the broker or with what New was given, in words for
// people. No text of it holds a password; what a peer has said stands in quotes.
type Error struct {
	Problem string // what failed
	Hint    string // what to do about it; may be empty
	Retry   bool   // the Handler tries again by itself, and that may help

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

// explain returns an error of link's as an Error.
func explain(e *link.Error) *Error {
	return &Error{Problem: e.Problem, Hint: e.Hint, Retry: !e.Fatal, err: errors.Unwrap(e)}
}
