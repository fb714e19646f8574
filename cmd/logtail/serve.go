package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/slogcast/slogcast/sink"
)

const serveDescription = `Serve a page that shows the records live, to people without a terminal.

One tail feeds it, however many watch: fifty pages cost the broker one queue. The
last records are held in memory, up to --ring. Each page has filters, search and a
place of its own. The address that is printed opens it: it has a token in it,
without which nobody sees a record.`

// serveCommand is logtail serve: a ring behind sink.Tail, and a page.
type serveCommand struct {
	tail tailCommand
	page pageFlags
}

func newServe(u *ui) *cobra.Command {
	s := serveCommand{tail: tailCommand{ui: u, output: newOutputFlags()}, page: newPageFlags()}
	s.tail.filters.bySource = true
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve a live page to browsers",
		Long:  serveDescription,
		Example: `  logtail serve
  logtail serve -l info --ring 1GiB
  logtail serve --since 1h
  logtail serve --listen :7480 --user ops --password-file pw --tls-cert cert.pem --tls-key key.pem
  logtail serve --token-file token --behind-proxy --allow-host logs.example.com`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.run(cmd.Context()) },
	}
	group(cmd, groupConnection, s.tail.connection.register)
	group(cmd, groupConnection, s.tail.connection.registerKeys)
	group(cmd, groupConnection, s.tail.past.registerStream)
	group(cmd, groupFilters, s.tail.filters.register)
	group(cmd, groupOutput, s.tail.output.registerKeys)
	group(cmd, groupOutput, s.tail.output.registerStatus)
	group(cmd, groupPage, s.page.register)
	group(cmd, groupService, s.tail.health.register)
	return cmd
}

func (s *serveCommand) run(ctx context.Context) error {
	selected, err := s.tail.filters.compile(s.tail.ui)
	if err != nil {
		return err
	}
	url, err := s.tail.connection.broker(s.tail.ui)
	if err != nil {
		return err
	}
	if err := s.tail.past.choose(selected, &s.tail); err != nil {
		return err
	}
	s.tail.past.queue.Until = time.Time{} // the page stays
	page, err := s.page.open(s.tail.ui, s.tail.connection.exchange)
	if err != nil {
		return err
	}
	s.tail.count(selected)
	endState, err := s.tail.watchState(ctx)
	if err != nil {
		return errors.Join(err, page.listener.Close())
	}
	defer endState()
	cfg := s.tail.config(url)
	cfg.Notify = page.notify(cfg.Notify)
	return page.during(ctx, func(ctx context.Context) error {
		return s.tail.past.explain(selected.run(ctx, cfg, page.ring, sink.Tail), &s.tail.connection)
	})
}

// notify has the page show what show is told, too.
func (p *page) notify(show func(sink.Notice)) func(sink.Notice) {
	lost := ""
	return func(n sink.Notice) {
		show(n)
		if n.Lost != nil && n.Lost.Error() == lost {
			return // each attempt has failed in the same way
		}
		lost = ""
		if n.Lost != nil {
			lost = n.Lost.Error()
		}
		p.ring.Note(n)
	}
}

// during serves the page while do runs, which is ended when that fails.
func (p *page) during(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	served := make(chan error, 1)
	serving, end := context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		served <- p.server.Serve(serving, p.listener)
		cancel()
	}()
	err := do(ctx)
	end()
	select {
	case serveErr := <-served:
		return errors.Join(err, serveErr)
	case <-time.After(5 * time.Second):
		return errors.Join(err, errors.New("end the page's connections: they do not end"))
	}
}
