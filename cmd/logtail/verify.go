package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/slogcast/slogcast/sink/archive"
)

// verifyCommand accounts for the records of archives.
type verifyCommand struct {
	*ui
	output choice
	repair bool
}

func newVerify(u *ui) *cobra.Command {
	v := verifyCommand{ui: u, output: choice{"text", []string{"text", "json"}}}
	cmd := &cobra.Command{
		Use:   "verify PATH…",
		Short: "Account for the records of archives: gaps, duplicates, torn lines",
		Long: `Account for the records of archives: how many, from when to when, and for every
producer which of its numbers are there, missing, or there twice.

All PATHs are taken as parts of one archive. Exit status 3: something is
missing, torn or damaged.`,
		Args: somePaths,
		RunE: func(cmd *cobra.Command, paths []string) error { return v.run(cmd.Context(), paths) },
	}
	group(cmd, groupOutput, func(f *pflag.FlagSet) {
		f.VarP(&v.output, "output", "o", "`FORMAT` of the report: text, json")
	})
	group(cmd, groupArchive, func(f *pflag.FlagSet) {
		f.BoolVar(&v.repair, "repair", false, "set half a line at the end of a file aside, in a file of its own")
	})
	return cmd
}

func (v *verifyCommand) run(ctx context.Context, paths []string) error {
	sources, err := archive.Find(paths...)
	if err != nil {
		return err
	}
	if v.repair {
		if err := archive.Repair(sources, func(text string) { v.notice("%s", text) }); err != nil {
			return err
		}
	}
	report, err := archive.Verify(ctx, sources, archive.ReadOptions{Input: v.stdin, OnProgress: v.progressOf(sources)})
	if err != nil {
		return err
	}
	if v.output.value == "json" {
		encode := json.NewEncoder(v.stdout)
		encode.SetIndent("", "  ")
		err = encode.Encode(report)
	} else {
		err = v.show(report)
	}
	if err == nil && !report.Whole() {
		err = &verdictError{errors.New(verdict(report))}
	}
	return err
}

// verdict says what is wrong with an archive.
func verdict(r *archive.Report) string {
	return fmt.Sprintf("%d records are missing, %d lines are torn, %d files are damaged", r.Missing, r.Total.Torn, r.Problems)
}

// show prints a report for people. What comes from records is shown without a byte
// that could control the terminal.
func (v *verifyCommand) show(r *archive.Report) (err error) {
	line := func(format string, args ...any) {
		if _, failed := fmt.Fprintln(v.stdout, visible(fmt.Sprintf(format, args...))); err == nil {
			err = failed
		}
	}
	for _, f := range r.Files {
		line("%s: %s", f.Path, counts(&f.Counts))
		if f.Problem != "" {
			line("  damaged: %s", f.Problem)
		}
	}
	for _, p := range r.Producers {
		line("%s@%s %s: %d records, #%d to #%d, %d missing, %d there again", p.App, p.Host, p.Producer, p.Records, p.First, p.Last, p.Missing, p.Duplicates)
		for i, g := range p.Gaps {
			if i == 10 {
				line("  … and %d more gaps", len(p.Gaps)-i)
				break
			}
			line("  missing: #%d to #%d", g.First, g.Last)
		}
	}
	if r.Declared > 0 {
		line("%d records were dropped by producers, as these say themselves", r.Declared)
	}
	line("total: %s; %d missing, %d there again", counts(&r.Total), r.Missing, r.Duplicates)
	return err
}

func counts(c *archive.Counts) string {
	text := fmt.Sprintf("%d records, %d bytes", c.Records, c.Bytes)
	if !c.First.IsZero() {
		text += fmt.Sprintf(", %s to %s", c.First.Format(time.RFC3339Nano), c.Last.Format(time.RFC3339Nano))
	}
	return text + fmt.Sprintf(", %d torn, %d without an id", c.Torn, c.Foreign)
}
