package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/slogcast/slogcast/handler"
	"github.com/slogcast/slogcast/internal/broker"
	"github.com/slogcast/slogcast/sink"
)

const demoDescription = `Start an embedded broker and three sample services that log through slogcast,
and watch them, until Ctrl-C. Other logtails can watch the same broker.`

type demoCommand struct {
	tail    tailCommand
	lasts   time.Duration
	web     bool
	page    pageFlags
	history sizeOrNone
}

func newDemo(u *ui) *cobra.Command {
	d := demoCommand{tail: tailCommand{ui: u, output: newOutputFlags()}, page: newPageFlags()}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Watch three sample services on an embedded broker",
		Long:  demoDescription,
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("listen") && !d.web {
				return &usageError{errors.New("--listen needs --web"), cmd.CommandPath()}
			}
			return d.run(cmd.Context(), cmd.Flags())
		},
	}
	group(cmd, groupFilters, d.tail.filters.register)
	group(cmd, groupOutput, d.tail.output.register)
	group(cmd, groupOutput, d.tail.output.registerLive)
	group(cmd, groupOutput, d.tail.keys.register)
	group(cmd, "Demo", func(f *pflag.FlagSet) {
		f.Var((*duration)(&d.lasts), "for", "end by itself after this `TIME`, 10s say")
		d.history.register(f)
		f.BoolVar(&d.web, "web", false, "show them in a page, as logtail serve does, in place of the terminal")
	})
	group(cmd, groupPage, d.page.registerListen)
	group(cmd, groupService, d.tail.health.register)
	return cmd
}

func (d *demoCommand) run(ctx context.Context, flags *pflag.FlagSet) (err error) {
	if err := d.tail.output.check(); err != nil {
		return err
	}
	if err := d.tail.keys.check(d.tail.ui, flags); err != nil {
		return err
	}
	selected, err := d.tail.filters.compile(d.tail.ui)
	if err != nil {
		return err
	}
	if d.lasts > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d.lasts)
		defer cancel()
	}
	ctx, cancel := d.tail.whileRead(ctx)
	defer cancel()
	server, err := d.start()
	if err != nil {
		return err
	}
	defer server.Close()
	d.tail.count(selected)
	if d.tail.keys.on {
		return d.tail.interact(ctx, flags, selected, func(ctx context.Context, w sink.Writer) error {
			return d.watch(ctx, server.DialURL(), selected, w, d.show)
		})
	}
	endState, err := d.tail.watchState(ctx)
	if err != nil {
		return err
	}
	defer endState()
	if !d.web {
		terminal, end := d.tail.output.live(ctx, d.tail.ui, selected)
		return errors.Join(d.watch(ctx, server.DialURL(), selected, terminal, d.show), end())
	}
	page, err := d.page.open(d.tail.ui, "demo")
	if err != nil {
		return err
	}
	return page.during(ctx, func(ctx context.Context) error {
		return d.watch(ctx, server.DialURL(), selected, page.ring, page.notify(d.show))
	})
}

// start starts the broker, where another logtail looks for one if that is free, and
// says how to reach it.
func (d *demoCommand) start() (*broker.Server, error) {
	cfg := broker.Config{Addr: defaultListen, Memory: brokerMemory + int64(d.history.size)}
	server, err := broker.Listen(&cfg)
	elsewhere := ""
	if errors.Is(err, syscall.EADDRINUSE) {
		cfg.Addr = "127.0.0.1:0"
		if server, err = broker.Listen(&cfg); err == nil {
			elsewhere = " -u " + server.URL()
		}
	}
	if err != nil {
		return nil, err
	}
	example := "-l warn"
	if d.history.size > 0 {
		if err := server.KeepHistory("logs", int64(d.history.size)); err != nil {
			server.Close()
			return nil, err
		}
		example = "--since 1m"
	}
	d.tail.notice("three sample services, web, worker and cron, log to the embedded broker at %s", server.URL())
	d.tail.notice("watch them from another terminal, too: logtail %s%s", example, elsewhere)
	return server, nil
}

// watch tails to w while the services run. The tail ends after them, so that it
// shows their last records.
func (d *demoCommand) watch(ctx context.Context, url string, selected *selection, w sink.Writer, show func(sink.Notice)) error {
	tailCtx, endTail := context.WithCancel(context.WithoutCancel(ctx))
	defer endTail()
	cfg := d.tail.config(url)
	cfg.Drain = 2 * time.Second
	ready := make(chan struct{})
	var once sync.Once
	cfg.Notify = func(n sink.Notice) {
		if n.Connected != "" {
			once.Do(func() { close(ready) })
		}
		show(n)
	}
	tailed := make(chan error, 1)
	go func() { tailed <- selected.run(tailCtx, cfg, w, sink.Tail) }()
	select {
	case <-ready:
	case err := <-tailed:
		return err
	}
	serviceCtx, endServices := context.WithCancel(ctx)
	defer endServices()
	done := make(chan error, 1)
	go func() { done <- d.serve(serviceCtx, url) }()
	select {
	case err := <-done:
		endTail()
		return errors.Join(err, <-tailed)
	case err := <-tailed: // the output is closed, say
		endServices()
		<-done
		return err
	}
}

// show tells of a notice, but that the broker of this process is there and new.
func (d *demoCommand) show(n sink.Notice) {
	switch {
	case n.Connected != "":
		d.tail.state.note(n, time.Now())
	case n.Remark == "":
		d.tail.show(n)
	}
}

// serve runs the sample services until ctx ends, and then tells what became of
// their records.
func (d *demoCommand) serve(ctx context.Context, url string) error {
	services := []struct {
		name string
		run  func(context.Context, *slog.Logger)
	}{{"web", serveWeb}, {"worker", work}, {"cron", schedule}}
	var running sync.WaitGroup
	summaries, errs := make([]string, len(services)), make([]error, len(services))
	for i, service := range services {
		running.Go(func() {
			h, err := handler.New(url, &handler.Options{App: service.name, Level: slog.LevelDebug, OnError: d.tail.error})
			if err != nil {
				errs[i] = err
				return
			}
			service.run(ctx, slog.New(h))
			closeCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer cancel()
			errs[i] = h.Close(closeCtx)
			s := h.Stats()
			summaries[i] = fmt.Sprintf("%s logged %d records: %d confirmed by the broker, %d dropped", service.name, s.Accepted, s.Confirmed, s.Dropped.Total())
		})
	}
	running.Wait()
	for _, summary := range summaries {
		d.tail.notice("%s", summary)
	}
	return errors.Join(errs...)
}
