package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// healthFlags say where the health of a tail is asked for.
type healthFlags struct{ addr string }

// groupService is the heading of flags for those who run logtail as a service.
const groupService = "Service"

func (h *healthFlags) register(f *pflag.FlagSet) {
	f.StringVar(&h.addr, "health", "", "answer GET /healthz at this `ADDRESS`: 127.0.0.1:7481\n200 while the broker is there and the disk takes records, else 503 and what is wrong. logtail health asks.")
}

// serve answers until end is called. Without an address it does nothing.
func (h *healthFlags) serve(u *ui, s *state) (end func(), err error) {
	if h.addr == "" {
		return func() {}, nil
	}
	listener, err := net.Listen("tcp", h.addr)
	if err != nil {
		return nil, fmt.Errorf("serve --health: %w", err)
	}
	u.notice("health is at http://%s/healthz", listener.Addr())
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", s.healthz)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 5 * time.Second, MaxHeaderBytes: 8 << 10}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener) // it ends when it is closed
	}()
	return func() {
		server.Close()
		<-done
	}, nil
}

// healthz answers a probe.
func (s *state) healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	trouble := s.trouble(time.Now())
	if trouble != "" {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = fmt.Fprintln(w, cmp.Or(trouble, "ok")) // who has asked may have gone
}

const healthDescription = `Ask a logtail that runs with --health whether it is well, and say what is wrong if
it is not: exit code 3. This is for probes where there is no shell, in a
container for one; others ask with GET /healthz. A page has an answer, too:

  logtail health --health 127.0.0.1:7480`

func newHealth(u *ui) *cobra.Command {
	h := healthFlags{}
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Ask whether a logtail that runs is well",
		Long:  healthDescription,
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if h.addr == "" {
				return usagef("give the address of the one that runs, its --health")
			}
			return h.ask(cmd.Context(), u)
		},
	}
	group(cmd, groupService, h.register)
	return cmd
}

// ask prints the answer of the logtail at the address.
func (h *healthFlags) ask(ctx context.Context, u *ui) error {
	host, port, err := net.SplitHostPort(h.addr)
	if err != nil {
		return usagef("--health: %w; want HOST:PORT", err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1" // where it listens on every address
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", "http://"+net.JoinHostPort(host, port)+"/healthz", nil)
	if err != nil {
		return usagef("--health: %w", err)
	}
	// No proxy of the environment's, and no redirection to another.
	client := http.Client{Transport: &http.Transport{}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	res, err := client.Do(req)
	if err != nil {
		return &verdictError{fmt.Errorf("ask for health: %w", err)}
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 1<<10))
	if err != nil {
		return &verdictError{fmt.Errorf("ask for health: %w", err)}
	}
	text := visible(strings.TrimSpace(string(answer)))
	if res.StatusCode != http.StatusOK {
		return &verdictError{errors.New(cmp.Or(text, res.Status))}
	}
	_, err = fmt.Fprintln(u.stdout, text)
	return err
}
