package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/slogcast/slogcast/sink/archive"
)

// mergeCommand makes one archive of several.
type mergeCommand struct {
	*ui
	into string
}

func newMerge(u *ui) *cobra.Command {
	m := mergeCommand{ui: u}
	cmd := &cobra.Command{
		Use:   "merge PATH… --into DIR",
		Short: "Make one archive of several of the same logs, each record once",
		Long: `Make one archive of several of the same logs, of two machines say.

Every record is in it once, in the order of time, those of each producer in the
order of their numbers. DIR is there when all of it is; what is still missing is
told by logtail verify DIR.`,
		Args: somePaths,
		RunE: func(cmd *cobra.Command, paths []string) error {
			if m.into == "" {
				return &usageError{errors.New("--into names the folder of the new archive"), cmd.CommandPath()}
			}
			return m.run(cmd.Context(), paths)
		},
	}
	group(cmd, groupArchive, func(f *pflag.FlagSet) {
		f.StringVar(&m.into, "into", "", "the new archive's folder, `DIR`, which is made")
	})
	return cmd
}

func (m *mergeCommand) run(ctx context.Context, paths []string) error {
	sources, err := archive.Find(paths...)
	if err != nil {
		return err
	}
	failed := 0
	done, err := archive.Merge(ctx, sources, m.into, archive.ReadOptions{
		Input:      m.stdin,
		OnProgress: m.progressOf(sources),
		OnProblem: func(err error) {
			failed++
			m.error(err)
		},
	})
	if err != nil {
		return err
	}
	m.notice("merged %d records into %s: %d of %d were there again", done.Written, m.into, done.Read-done.Written, done.Read)
	if failed > 0 {
		return errors.New("some files could not be read to their end; what could be is merged")
	}
	return nil
}
