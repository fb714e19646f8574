package link

import (
	"context"
	"fmt"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
)

// logins asks a program's function for user and password, one call at a time.
type logins struct {
	ask  func(context.Context) (user, password string, err error) // may be nil
	busy chan struct{}                                            // has a value while ask runs
}

func newLogins(ask func(context.Context) (user, password string, err error)) *logins {
	return &logins{ask: ask, busy: make(chan struct{}, 1)}
}

// login is what a call of ask has returned.
type login struct {
	user, password string
	err            error
}

// get returns how to log in: nil for the way the URL says. It waits for ask until
// ctx ends. One that has not returned by then is not called again until it does.
func (l *logins) get(ctx context.Context, to *Endpoint) ([]amqp.Authentication, error) {
	if l.ask == nil {
		return nil, nil
	}
	got := login{}
	select {
	case l.busy <- struct{}{}:
		answer := make(chan login, 1)
		go func() {
			defer func() { <-l.busy }()
			answer <- l.call(ctx)
		}()
		select {
		case got = <-answer:
		case <-ctx.Done():
			got.err = context.Cause(ctx)
		}
	case <-ctx.Done():
		got.err = fmt.Errorf("the function that was asked before has not returned: %w", context.Cause(ctx))
	}
	if got.err != nil {
		return nil, &Error{Problem: fmt.Sprintf("connect to %s: get credentials: %v", to, got.err), err: got.err}
	}
	to.user, to.external = got.user, false
	if mechanisms := to.uri.AuthMechanism; len(mechanisms) == 1 && strings.EqualFold(mechanisms[0], "amqplain") {
		return []amqp.Authentication{&amqp.AMQPlainAuth{Username: got.user, Password: got.password}}, nil
	}
	return []amqp.Authentication{&amqp.PlainAuth{Username: got.user, Password: got.password}}, nil
}

func (l *logins) call(ctx context.Context) (got login) {
	defer func() {
		if p := recover(); p != nil {
			// What it panicked with may hold the password.
			got = login{err: fmt.Errorf("the function panicked (%T)", p)}
		}
	}()
	got.user, got.password, got.err = l.ask(ctx)
	return got
}
