package main

import (
	"github.com/spf13/pflag"

	"github.com/slogcast/slogcast/sink/render"
)

// outputFlags say how records are shown.
type outputFlags struct{ format, color choice }

func newOutputFlags() outputFlags {
	return outputFlags{
		format: choice{"pretty", []string{"pretty", "json"}},
		color:  choice{"auto", []string{"auto", "always", "never"}},
	}
}

func (o *outputFlags) register(f *pflag.FlagSet) {
	f.VarP(&o.format, "output", "o", "`FORMAT` of the records: pretty, json")
	f.Var(&o.color, "color", "`WHEN` to use colours: auto, always, never\nauto uses them on a terminal, unless $NO_COLOR is set.")
}

// terminal returns the Writer of standard output.
func (o *outputFlags) terminal(u *ui) *render.Terminal {
	return render.New(u.stdout, render.Options{
		Color:  u.useColor(o.color.value),
		Format: render.Format(o.format.value),
		Escape: isTerminal(u.stdout),
	})
}
