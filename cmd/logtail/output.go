package main

import (
	"context"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/slogcast/slogcast/sink"
	"github.com/slogcast/slogcast/sink/render"
)

// outputFlags say how records are shown.
type outputFlags struct {
	format, color choice
	template      string
	hide, show    []string
	time          string
	utc, truncate bool
	keys          sink.Keys

	// Of what comes live alone.
	status choice
	fold   bool
}

func newOutputFlags() outputFlags {
	formats := choice{value: string(render.Pretty)}
	for _, f := range render.Formats() {
		formats.of = append(formats.of, string(f))
	}
	return outputFlags{
		format: formats,
		color:  choice{"auto", []string{"auto", "always", "never"}},
		status: choice{"auto", []string{"auto", "always", "never"}},
	}
}

func (o *outputFlags) register(f *pflag.FlagSet) {
	f.VarP(&o.format, "output", "o", "`FORMAT`: pretty, json, raw, logfmt, template")
	f.StringVar(&o.template, "template", "", "Go template `TEXT`: '{{.LevelName}} {{.Message}}'\nA record has .Time, .Known (the time is its own), .LevelName (trace debug info warn error fatal, or empty), .Level, .Message, .App, .Host, .ID, .Attrs and .Get \"key\". It implies -o template.")
	f.StringArrayVar(&o.hide, "hide", nil, "hide attributes by `KEY`, or time, level, app, msg; repeatable\nA dotted key is of a group; * and ? are wild cards.")
	f.StringArrayVar(&o.show, "show", nil, "show attributes by `KEY` alone; with --hide, all the same\nRepeatable.")
	f.StringVar(&o.time, "time", "", "`FORMAT` of times: relative, datetime, rfc3339, %H:%M:%S, ...\nOr time, rfc3339nano, iso8601, or a layout of Go's. The default is the time of day, with the date when it is not today's.")
	f.BoolVar(&o.utc, "utc", false, "times in UTC")
	f.BoolVar(&o.truncate, "truncate", false, "cut lines at the terminal's width, do not wrap them")
	f.Var(&o.color, "color", "`WHEN` to use colours: auto, always, never\nauto uses them on a terminal, unless $NO_COLOR is set; $CLICOLOR_FORCE uses them elsewhere, too. $COLORFGBG tells of a light background.")
	o.registerKeys(f)
}

// registerLive is for commands whose records come live.
func (o *outputFlags) registerLive(f *pflag.FlagSet) {
	f.BoolVar(&o.fold, "fold", false, "count records that look like the one before: ×37")
	o.registerStatus(f)
}

func (o *outputFlags) registerStatus(f *pflag.FlagSet) {
	f.Var(&o.status, "status", "`WHEN` to have a status line: auto, always, never\nIt shows the rate and its last seconds, how many records there were and warn and error among them, what is missing, and for how long it has been quiet; or when the broker is tried next. With auto it is there when records go to a terminal, or to an archive. SIGUSR1 prints the numbers at any time.")
}

// registerKeys is for commands that look at records.
func (o *outputFlags) registerKeys(f *pflag.FlagSet) {
	f.StringArrayVar(&o.keys.Level, "level-key", nil, "look for levels under `KEY`, of a logger nobody knows\nA dotted key is in a group. Repeatable: the first that is there counts.")
	f.StringArrayVar(&o.keys.Message, "message-key", nil, "look for messages under `KEY`")
	f.StringArrayVar(&o.keys.Time, "time-key", nil, "look for times under `KEY`")
}

// check finds what does not go together, or can't be read.
func (o *outputFlags) check() error {
	if o.template != "" && o.format.value == string(render.Pretty) {
		o.format.value = string(render.Template)
	}
	if (o.template != "") != (o.format.value == string(render.Template)) {
		return usagef("-o template and --template go together")
	}
	if _, err := render.ParseTemplate(o.template); err != nil {
		return usagef("--template: %w", err)
	}
	if _, err := render.ParseTime(o.time); err != nil {
		return usagef("--time: %w", err)
	}
	return nil
}

// showStatus reports whether to have a status line. It goes with records on a
// terminal; beside another program's output it would be in the way.
func (o *outputFlags) showStatus(u *ui, archive bool) bool {
	switch o.status.value {
	case "always":
		u.statusLine.force = true
		return true
	case "never":
		return false
	}
	return isTerminal(u.stderr) && !dumb() && (archive || isTerminal(u.stdout))
}

// recordKeys returns where else to look for level, message and time, or nil.
func (o *outputFlags) recordKeys() *sink.Keys {
	if len(o.keys.Level)+len(o.keys.Message)+len(o.keys.Time) == 0 {
		return nil
	}
	return &o.keys
}

// terminal returns the Writer of records to standard output, which marks what
// the selection looks for. The flags have been checked.
func (o *outputFlags) terminal(u *ui, selected *selection) *render.Terminal {
	return render.New(u, o.options(u, selected))
}

// options are what the flags say of lines on standard output.
func (o *outputFlags) options(u *ui, selected *selection) render.Options {
	layout, _ := render.ParseTime(o.time)
	opts := render.Options{
		Format:    render.Format(o.format.value),
		Color:     u.useColor(o.color.value),
		Light:     lightBackground(),
		Links:     u.useColor(o.color.value) && isTerminal(u.stdout) && hasLinks(),
		Hide:      o.hide,
		Show:      o.show,
		Time:      layout,
		UTC:       o.utc,
		Width:     terminalWidth(u.stdout),
		Truncate:  o.truncate,
		Fold:      o.fold,
		Highlight: selected.match.Patterns(),
		Escape:    isTerminal(u.stdout),
	}
	if o.template != "" {
		opts.Template, _ = render.ParseTemplate(o.template)
	}
	return opts
}

// live returns the terminal for records that come live, which follows changes of
// its width and tells of folded records while nothing else comes. The function
// ends that, and writes what is left to tell; once asked has ended, it waits for
// that but a moment, as Tail has waited before: nobody may be reading.
func (o *outputFlags) live(asked context.Context, u *ui, selected *selection) (w sink.Writer, end func() error) {
	const grace = 100 * time.Millisecond
	l := &liveTerminal{terminal: o.terminal(u, selected)}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				_ = l.refresh(terminalWidth(u.stdout)) // the next Write tells, too
			case <-ctx.Done():
				return
			}
		}
	})
	return l, func() error {
		cancel()
		ended := make(chan error, 1)
		go func() {
			running.Wait()
			ended <- l.refresh(0)
		}()
		select {
		case err := <-ended:
			return err
		case <-asked.Done():
		}
		select {
		case err := <-ended:
			return err
		case <-time.After(grace):
			return nil // what holds the terminal has told its error
		}
	}
}

// liveTerminal is a Terminal for more than one goroutine.
type liveTerminal struct {
	mu       sync.Mutex // guards terminal
	terminal *render.Terminal
}

func (l *liveTerminal) Write(ctx context.Context, records []sink.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.terminal.Write(ctx, records)
}

func (l *liveTerminal) Separate() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.terminal.Separate()
}

func (l *liveTerminal) refresh(width int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if width > 0 {
		l.terminal.SetWidth(width)
	}
	return l.terminal.Flush()
}

// terminalWidth returns the columns of a terminal, or 0 of anything else.
func terminalWidth(stream any) int {
	f, ok := stream.(*os.File)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// lightBackground reports whether the terminal tells of one: white, or light
// grey, is the last of the two colours, or three, of $COLORFGBG.
func lightBackground() bool {
	colors := strings.Split(os.Getenv("COLORFGBG"), ";")
	background, err := strconv.Atoi(colors[len(colors)-1])
	return err == nil && (background == 7 || background == 15)
}

// hasLinks reports whether the terminal is one of those known for hyperlinks:
// others may show them as they are.
func hasLinks() bool {
	switch os.Getenv("TERM_PROGRAM") {
	case "iTerm.app", "WezTerm", "vscode", "ghostty", "Hyper":
		return true
	}
	for _, name := range []string{"VTE_VERSION", "KITTY_WINDOW_ID", "WT_SESSION", "KONSOLE_VERSION"} {
		if os.Getenv(name) != "" {
			return os.Getenv("TMUX") == "" // whose version decides
		}
	}
	return false
}
