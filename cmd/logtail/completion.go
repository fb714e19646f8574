package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

const completionDescription = `Write the script that has a shell complete logtail's commands, flags and values.

  bash   source <(logtail completion bash)
  zsh    logtail completion zsh > "${fpath[1]}/_logtail"
  fish   logtail completion fish > ~/.config/fish/completions/logtail.fish`

func newCompletion() *cobra.Command {
	return &cobra.Command{
		Use:       "completion bash|zsh|fish",
		Short:     "Write the completions of a shell",
		Long:      completionDescription,
		ValidArgs: []string{"bash", "zsh", "fish"},
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		RunE: func(cmd *cobra.Command, args []string) error {
			root, w := cmd.Root(), cmd.OutOrStdout()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(w, true)
			case "zsh":
				return root.GenZshCompletion(w)
			case "fish":
				return root.GenFishCompletion(w, true)
			}
			return fmt.Errorf("write completions: unknown shell %q", args[0])
		},
	}
}
