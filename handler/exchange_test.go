package handler_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/slogcast/slogcast/handler"
	"github.com/slogcast/slogcast/internal/brokertest"
)

func TestExchangeOfAnotherTypeIsAnErrorThatNamesBoth(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		b.Use(t, func(ch *amqp.Channel) {
			if err := ch.ExchangeDeclare(exchange, "direct", true, false, false, false, nil); err != nil {
				t.Fatal(err)
			}
		})
		errs := make(chan error, 100)
		h := newHandler(t, b.URL, handler.Options{Exchange: exchange, OnError: func(err error) { errs <- err }})
		slog.New(h).Info("kept")
		err := until(t, errs, "exchange")
		if !strings.Contains(err.Error(), "is of type direct, not fanout") {
			t.Errorf("got %v", err)
		}
		if s := h.Stats(); s.PendingRecords != 1 {
			t.Errorf("got %+v, want the record kept", s)
		}
	})
}

func TestTransientExchangeIsDeclaredAsTheTutorialsDo(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		h := newHandler(t, b.URL, handler.Options{Exchange: exchange, TransientExchange: true})
		slog.New(h).Info("m")
		closeClean(t, h)
		b.Use(t, func(ch *amqp.Channel) {
			if err := ch.ExchangeDeclare(exchange, "fanout", false, false, false, false, nil); err != nil {
				t.Error(err)
			}
		})
	})
}

func TestExchangeOfAnotherDurabilityIsUsedAsItIs(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		b.Use(t, func(ch *amqp.Channel) {
			if err := ch.ExchangeDeclare(exchange, "fanout", false, false, false, false, nil); err != nil {
				t.Fatal(err)
			}
		})
		h := newHandler(t, b.URL, handler.Options{Exchange: exchange})
		slog.New(h).Info("m")
		closeClean(t, h)
	})
}

func TestExchangeDeletedMeanwhileIsDeclaredAgain(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		h := newHandler(t, b.URL, handler.Options{Exchange: exchange})
		slog.New(h).Info("before")
		if err := h.Flush(soonContext(t)); err != nil {
			t.Fatal(err)
		}
		b.Use(t, func(ch *amqp.Channel) {
			if err := ch.ExchangeDelete(exchange, false, false); err != nil {
				t.Fatal(err)
			}
		})
		slog.New(h).Info("after")
		closeClean(t, h)
		if s := h.Stats(); s.Confirmed != 2 || s.Reconnects != 1 || !strings.Contains(s.LastError, "there is no exchange") {
			t.Errorf("got %+v", s)
		}
	})
}

func TestRefusedRecordsAreCounted(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		b.Use(t, func(ch *amqp.Channel) {
			// Held by this connection, a queue that is full and says no.
			if err := ch.ExchangeDeclare(exchange, "fanout", true, false, false, false, nil); err != nil {
				t.Fatal(err)
			}
			q, err := ch.QueueDeclare("", false, false, true, false, amqp.Table{"x-max-length": 2, "x-overflow": "reject-publish"})
			if err != nil {
				t.Fatal(err)
			}
			if err := ch.QueueBind(q.Name, "", exchange, false, nil); err != nil {
				t.Fatal(err)
			}
			h := newHandler(t, b.URL, handler.Options{Exchange: exchange})
			slog.New(h).Info("m")
			slog.New(h).Info("m")
			awaitConfirmed(t, h, 2)
			slog.New(h).Info("m")
			late := time.After(soon)
			for poll := time.Tick(time.Millisecond); !strings.Contains(h.Stats().LastError, "basic.nack"); {
				select {
				case <-poll:
				case <-late:
					t.Fatalf("got %+v", h.Stats())
				}
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := h.Close(ctx); err == nil || !strings.Contains(err.Error(), "1 record left") {
				t.Errorf("got %v", err)
			}
			// One that is tried again at that moment is unknown.
			if s := h.Stats(); s.Confirmed != 2 || s.Dropped.Refused+s.Unknown != 1 || s.Dropped.Total() != s.Dropped.Refused {
				t.Errorf("got %+v", s)
			}
		})
	})
}

func TestUserWithoutPermissionToDeclare(t *testing.T) {
	brokertest.EachReal(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		url := b.User(t, "^$", "^test\\.", "^$")
		errs := make(chan error, 100)
		missing := newHandler(t, url, handler.Options{Exchange: exchange, OnError: func(err error) { errs <- err }})
		slog.New(missing).Info("kept")
		if err := until(t, errs, "exchange"); !strings.Contains(err.Error(), "does not exist, and user") {
			t.Errorf("missing exchange: got %v", err)
		}
		messages := receiver(t, b, exchange, nil) // declares it
		h := newHandler(t, url, handler.Options{Exchange: exchange})
		slog.New(h).Info("through")
		closeClean(t, h)
		next(t, messages)
	})
}

func TestUserWithoutPermissionToWrite(t *testing.T) {
	brokertest.EachReal(t, func(t *testing.T, b *brokertest.Broker) {
		errs := make(chan error, 100)
		h := newHandler(t, b.User(t, ".*", "^$", ".*"), handler.Options{Exchange: b.Exchange(t), OnError: func(err error) { errs <- err }})
		slog.New(h).Info("kept")
		err := until(t, errs, "has no permission to")
		if known, ok := errors.AsType[*handler.Error](err); !ok || known.Retry || !strings.Contains(known.Hint, "set_permissions") {
			t.Errorf("got %v", err)
		}
	})
}

func TestNoPasswordInAnyError(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		errs := make(chan error, 100)
		h := newHandler(t, b.As(t, "guest", "hunter2"), handler.Options{OnError: func(err error) { errs <- err }})
		err := until(t, errs, "login")
		if text := err.Error() + h.Stats().LastError + fmt.Sprintf("%+v", err); strings.Contains(text, "hunter2") || !strings.Contains(text, `login as "guest" refused`) {
			t.Errorf("got %v", err)
		}
	})
}
