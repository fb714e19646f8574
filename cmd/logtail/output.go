package main

import (
	"github.com/spf13/pflag"

	"github.com/slogcast/slogcast/sink/render"
)

// outputFlags say how records are shown.
type outputFlags struct{ format, color, status choice }

func newOutputFlags() outputFlags {
	return outputFlags{
		format: choice{"pretty", []string{"pretty", "json"}},
		color:  choice{"auto", []string{"auto", "always", "never"}},
		status: choice{"auto", []string{"auto", "always", "never"}},
	}
}

func (o *outputFlags) register(f *pflag.FlagSet) {
	f.VarP(&o.format, "output", "o", "`FORMAT` of the records: pretty, json")
	f.Var(&o.color, "color", "`WHEN` to use colours: auto, always, never\nauto uses them on a terminal, unless $NO_COLOR is set.")
}

// registerStatus is for commands whose records come live.
func (o *outputFlags) registerStatus(f *pflag.FlagSet) {
	f.Var(&o.status, "status", "`WHEN` to have a status line: auto, always, never\nIt shows the rate and its last seconds, how many records there were and warn and error among them,\nwhat is missing, and for how long it has been quiet; or when the broker is tried next. With auto\nit is there when records go to a terminal, or to an archive. SIGUSR1 prints the numbers at any time.")
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

// terminal returns the Writer of records to standard output.
func (o *outputFlags) terminal(u *ui) *render.Terminal {
	return render.New(u, render.Options{
		Color:  u.useColor(o.color.value),
		Format: render.Format(o.format.value),
		Escape: isTerminal(u.stdout),
	})
}
