package handler_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slogcast/slogcast/handler"
	"github.com/slogcast/slogcast/internal/brokertest"
)

// panickingLeveler panics.
type panickingLeveler struct{}

func (panickingLeveler) Level() slog.Level { panic("leveler") }

// panickingHandler panics.
type panickingHandler struct{ slog.Handler }

func (panickingHandler) Enabled(context.Context, slog.Level) bool  { panic("enabled") }
func (panickingHandler) Handle(context.Context, slog.Record) error { panic("handle") }

// Every function of the program's may panic, and what it is asked for goes on.
func TestFunctionsThatPanicCostNothingElse(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		messages := receiver(t, b, exchange, nil)
		proxy := b.Proxy(t)
		calls := 0
		h := newHandler(t, proxy.URL, handler.Options{
			Exchange: exchange,
			Level:    panickingLeveler{},
			ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == "panic" {
					panic("replace")
				}
				return a
			},
			ContextAttrs: func(ctx context.Context) []slog.Attr {
				if ctx.Value(contextKey{}) != nil {
					panic("context")
				}
				return nil
			},
			Credentials: func(context.Context) (string, string, error) {
				if calls++; calls == 1 {
					panic("hunter2")
				}
				return "guest", "guest", nil
			},
			OnError:  func(error) { panic("on error") },
			Fallback: panickingHandler{},
		})
		l := slog.New(h)
		l.Info("m", "panic", 1)
		l.With("panic", 1).Info("with")
		l.WithGroup("g").With(slog.Group("h", "panic", 1)).Info("with group", "a", 1)
		l.InfoContext(context.WithValue(t.Context(), contextKey{}, true), "context")
		l.Info("whole", "a", 1)
		closeClean(t, h)
		for _, want := range []string{
			`"!PANIC":"in ReplaceAttr or ContextAttrs, the record is lost: replace"`,
			`"msg":"with","!PANIC":"in ReplaceAttr, the attributes of With are lost: replace"`,
			`"msg":"with group","g":{"!PANIC":"in ReplaceAttr, the attributes of With are lost: replace","a":1}`,
			`"!PANIC":"in ReplaceAttr or ContextAttrs, the record is lost: context"`,
			`"msg":"whole","a":1}`,
		} {
			body := string(next(t, messages).Body)
			if !strings.Contains(body, want) || !json.Valid([]byte(body)) {
				t.Errorf("got %s, want %s in it", body, want)
			}
		}
		s := h.Stats()
		if s.Confirmed != 3 || s.Dropped.Oversize != 2 || strings.Contains(s.LastError, "hunter2") || !strings.Contains(s.LastError, "the function panicked") {
			t.Errorf("got %+v", s)
		}
	})
}

// A function that does not return holds up nothing but itself.
func TestFunctionsThatHangHoldUpNothing(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		release := make(chan struct{})
		defer close(release)
		proxy := b.Proxy(t)
		h := newHandler(t, proxy.URL+"?connection_timeout=1000", handler.Options{
			Exchange: b.Exchange(t),
			Credentials: func() func(context.Context) (string, string, error) {
				calls := 0
				return func(ctx context.Context) (string, string, error) {
					if calls++; calls == 1 {
						<-time.After(1500 * time.Millisecond) // whatever ctx says
					}
					return "guest", "guest", nil
				}
			}(),
			OnError: func(error) { <-release },
		})
		for range 3 {
			slog.New(h).Info("m")
			if err := h.Flush(soonContext(t)); err != nil {
				t.Fatal(err)
			}
			proxy.Cut()
		}
		closeClean(t, h)
	})
}

// Who logs from a function that the Handler calls logs a record like any other.
func TestFunctionsMayLogThroughTheHandler(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		exchange := b.Exchange(t)
		messages := receiver(t, b, exchange, nil)
		var l *slog.Logger
		var refused atomic.Bool
		ready := make(chan struct{})
		h := newHandler(t, b.URL, handler.Options{
			Exchange: exchange,
			ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == "nested" {
					l.Info("from ReplaceAttr")
				}
				return a
			},
			Credentials: func(context.Context) (string, string, error) {
				if refused.CompareAndSwap(false, true) {
					return "", "", errors.New("not yet")
				}
				return "guest", "guest", nil
			},
			OnError: func(error) {
				<-ready
				l.Info("from OnError")
			},
		})
		l = slog.New(h)
		close(ready)
		l.Info("m", "nested", 1)
		for seen := map[string]bool{}; !seen["from ReplaceAttr"] || !seen["from OnError"] || !seen["m"]; {
			var body struct{ Msg string }
			_ = json.Unmarshal(next(t, messages).Body, &body)
			seen[body.Msg] = true
		}
		closeClean(t, h)
	})
}

// logging logs itself, without an end.
type logging struct{ l **slog.Logger }

func (v logging) LogValue() slog.Value {
	(*v.l).Info("from LogValue", "v", v)
	return slog.StringValue("v")
}

func (v logging) MarshalJSON() ([]byte, error) {
	(*v.l).Info("from MarshalJSON", "v", slog.AnyValue(&v))
	return []byte("1"), nil
}

// Functions that log for each record, that of their own included, have an end.
func TestFunctionsThatLogWithoutAnEnd(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		for name, test := range map[string]struct {
			opts handler.Options
			attr func(l **slog.Logger) slog.Attr
		}{
			"ReplaceAttr":  {opts: handler.Options{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr { return a }}},
			"ContextAttrs": {opts: handler.Options{ContextAttrs: func(context.Context) []slog.Attr { return nil }}},
			"LogValue":     {attr: func(l **slog.Logger) slog.Attr { return slog.Any("v", logging{l}) }},
			"MarshalJSON":  {attr: func(l **slog.Logger) slog.Attr { return slog.Any("v", []any{logging{l}}) }},
		} {
			t.Run(name, func(t *testing.T) {
				var l *slog.Logger
				opts := test.opts
				opts.Exchange = b.Exchange(t)
				if opts.ReplaceAttr != nil {
					opts.ReplaceAttr = func(_ []string, a slog.Attr) slog.Attr {
						l.With("a", 1).Info("from ReplaceAttr", "b", 2)
						return a
					}
				}
				if opts.ContextAttrs != nil {
					opts.ContextAttrs = func(context.Context) []slog.Attr {
						l.Info("from ContextAttrs")
						return nil
					}
				}
				h := newHandler(t, b.URL, opts)
				l = slog.New(h)
				attr := slog.Int("n", 1)
				if test.attr != nil {
					attr = test.attr(&l)
				}
				l.Info("first", attr)
				closeClean(t, h)
				if s := h.Stats(); s.Confirmed < 2 || s.Dropped.Oversize == 0 || s.Accepted > 10_000 {
					t.Errorf("got %+v", s)
				}
			})
		}
	})
}

// stderrVariable makes the test binary a program whose standard error nobody
// reads.
const stderrVariable = "HANDLER_TEST_STDERR"

// TestNobodyReadsStandardError has a program log through a Handler whose broker is
// away and whose standard error is a pipe without a reader: the Handler's own line
// must not be its end.
func TestNobodyReadsStandardError(t *testing.T) {
	if os.Getenv(stderrVariable) != "" {
		h, err := handler.New("amqp://127.0.0.1:9/", nil)
		if err != nil {
			t.Fatal(err)
		}
		slog.New(h).Info("m")
		late := time.After(soon)
		for poll := time.Tick(time.Millisecond); h.Stats().LastError == ""; {
			select {
			case <-poll:
			case <-late:
				t.Fatal("no error")
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_ = h.Close(ctx) // it waits for what is to be told
		os.Exit(0)
	}
	for name, full := range map[string]bool{"its reader has gone": false, "its reader does not read": true} {
		t.Run(name, func(t *testing.T) {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			if full {
				defer r.Close()
				fill(t, w)
			} else {
				r.Close()
			}
			cmd := exec.CommandContext(soonContext(t), os.Args[0], "-test.run", "^TestNobodyReadsStandardError$")
			cmd.Env = append(os.Environ(), stderrVariable+"=1", "LOGTAIL_TEST_BROKER=embedded")
			cmd.Stderr = w
			if out, err := cmd.Output(); err != nil {
				t.Errorf("the program has ended: %v\n%s", err, out)
			}
		})
	}
}

// fill writes to w until it takes no more.
func fill(t *testing.T, w *os.File) {
	t.Helper()
	if err := w.SetWriteDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := w.Write(make([]byte, 4096)); errors.Is(err, os.ErrDeadlineExceeded) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// The functions of a tls.Config are called while connecting, and do no more harm
// than the others.
func TestFunctionsOfTLSHoldUpNothing(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		certs := makeCertificates(t)
		front := tlsFront(t, b, &tls.Config{Certificates: []tls.Certificate{certs.server}})
		release := make(chan struct{})
		defer close(release)
		for name, do := range map[string]func(){
			"panics":             func() { panic("hunter2") },
			"ends its goroutine": func() { runtime.Goexit() },
			"does not return":    func() { <-release },
		} {
			t.Run(name, func(t *testing.T) {
				var calls atomic.Int32
				h := newHandler(t, front+"?connection_timeout=2000", handler.Options{Exchange: b.Exchange(t), TLS: &tls.Config{
					RootCAs: certs.pool,
					VerifyConnection: func(tls.ConnectionState) error {
						if calls.Add(1) == 1 {
							do()
						}
						return nil
					},
				}})
				slog.New(h).Info("m")
				closeClean(t, h)
				if s := h.Stats(); s.Confirmed != 1 || !strings.Contains(s.LastError, "TLS configuration") || strings.Contains(s.LastError, "hunter2") {
					t.Errorf("got %+v", s)
				}
			})
		}
	})
}

// exiting is a slog.Handler that ends the goroutine it is called in, as a test's
// Fatal does.
type exiting struct {
	slog.Handler
	calls *atomic.Int32
}

func (e exiting) Enabled(context.Context, slog.Level) bool { return true }
func (e exiting) Handle(context.Context, slog.Record) error {
	e.calls.Add(1)
	runtime.Goexit()
	return nil
}

// Who ends the goroutine it is called in is called again all the same.
func TestFunctionsThatEndTheirGoroutine(t *testing.T) {
	fallback := exiting{calls: new(atomic.Int32)}
	told := make(chan error, 100)
	h := newHandler(t, "amqp://127.0.0.1:9/,amqp://127.0.0.1:10/", handler.Options{
		Buffer:   2000,
		Fallback: fallback,
		OnError:  func(err error) { told <- err; runtime.Goexit() },
	})
	first := until(t, told, "connection refused").Error()
	if second := until(t, told, "connection refused").Error(); first == second { // each is told once
		t.Errorf("got %s again", first)
	}
	late := time.After(soon)
	for poll := time.Tick(time.Millisecond); fallback.calls.Load() < 3; {
		slog.New(h).Info("m") // until some are shed
		select {
		case <-poll:
		case <-late:
			t.Fatalf("got %d calls and %+v", fallback.calls.Load(), h.Stats())
		}
	}
}

// A full buffer has room again once there is a connection: who is asked for the
// password and logs does not wait for that.
func TestCredentialsMayLogUnderBlock(t *testing.T) {
	brokertest.Each(t, func(t *testing.T, b *brokertest.Broker) {
		var l *slog.Logger
		ready := make(chan struct{})
		h := newHandler(t, b.URL, handler.Options{
			Exchange: b.Exchange(t), Buffer: 2000, Overflow: handler.Block, BlockTimeout: time.Hour,
			Credentials: func(context.Context) (string, string, error) {
				<-ready
				l.Info("from Credentials", "text", strings.Repeat("x", 1000))
				return "guest", "guest", nil
			},
		})
		l = slog.New(h)
		l.Info("m", "text", strings.Repeat("x", 1500))
		close(ready)
		awaitConfirmed(t, h, 1)
		closeClean(t, h)
		if s := h.Stats(); s.Confirmed != 1 || s.Dropped.Shed != 1 {
			t.Errorf("got %+v", s)
		}
	})
}
